package tiercache

import (
	"context"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Delete removes keys from all tiers. Once it has returned, no call that begins afterwards
// in this process is given a value read or computed before: not from L1, and not from a
// compute that was under way, whose result its earlier callers get and which is stored
// nowhere.
//
// Deleting what is not there is no error. ErrNotPropagated, wrapping the cause, says that
// L2 did not confirm: for this process the values are gone from L1, but L2 may bring them
// back, and other processes may see them until they expire.
func (c *Cache[V]) Delete(ctx context.Context, keys ...string) error {
	return c.invalidate(ctx, keys, c.e.delete)
}

// Expire makes keys stale now. Within Policy.StaleFor, counted from now, the values can
// still be fallen back on while they are computed anew; without StaleFor it is Delete.
// Everything else is as with Delete.
func (c *Cache[V]) Expire(ctx context.Context, keys ...string) error {
	if c.rules.StaleFor == 0 {
		return c.Delete(ctx, keys...)
	}
	return c.invalidate(ctx, keys, c.e.expire)
}

func (c *Cache[V]) invalidate(ctx context.Context, ids []string, how func(context.Context, []tier.Key) error) error {
	if err := c.e.admit(c.rules, ids...); err != nil {
		return err
	}
	if len(ids) == 0 {
		return nil
	}
	if !c.e.gate.enter() {
		return ErrClosed
	}
	defer c.e.gate.leave()
	keys := c.keys(ids)
	c.space.add(cDeletes, uint64(len(keys)))
	err := how(ctx, keys)
	if err != nil {
		c.e.noteL2(c.space, "l2 delete", err)
	}
	return notPropagated(err)
}

// delete forgets before and after the keys go from L2. Before, so that no reader that
// starts meanwhile is given what this process holds; after, because such a reader may have
// read L2 before the keys went, and kept that.
func (e *Engine) delete(ctx context.Context, keys []tier.Key) error {
	for _, k := range keys {
		e.forget(k)
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	e.awaitSends(ctx, keys)
	err := e.l2Delete(ctx, keys...)
	for _, k := range keys {
		e.forget(k)
	}
	return err
}

// expire is delete for values that stay behind as stale. An entry that L1 holds is put back
// with an expiry of now, unless something else happened to the key meanwhile.
func (e *Engine) expire(ctx context.Context, keys []tier.Key) error {
	at := e.clock.precise()
	kept := make([]*tier.Entry, len(keys))
	for i, k := range keys {
		kept[i] = e.staleCopy(k, at)
	}
	fences := e.forgetAll(keys)
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	e.awaitSends(ctx, keys)
	err := e.l2Expire(ctx, at, keys)
	for i, k := range keys {
		stamp, own := fences.own(e.fence, k)
		if own && kept[i] != nil {
			kept[i].Stamp = stamp
			e.l1.Set(kept[i])
		}
	}
	return err
}

// staleCopy returns what L1 holds of the key, stale from at on, or nil.
func (e *Engine) staleCopy(k tier.Key, at int64) *tier.Entry {
	if e.l1 == nil {
		return nil
	}
	held, ok := e.l1.Get(k)
	if !ok || !e.fence.valid(k.Hash, held.Stamp) {
		return nil
	}
	c := *held
	c.SoftExpiry = min(c.SoftExpiry, at)
	return &c
}

// l2Expire moves the soft expiry in L2. Where that cannot be, it deletes: a Redis that is
// full refuses to change a value, and still removes it.
func (e *Engine) l2Expire(ctx context.Context, at int64, keys []tier.Key) error {
	if ex, ok := e.l2.(tier.Expirer); ok && ex.Expire(ctx, time.Unix(0, at), keys...) == nil {
		return nil
	}
	return e.l2Delete(ctx, keys...)
}
