package tiercache

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

// Set stores a value under the TTL of the policy, or that of WithTTLOf. Computes of the key
// that are under way are not stored any more. A value that WithStoreIf or a negative TTL
// keeps from being stored is an invalidation: what was there is deleted.
//
// The error is ErrNotPropagated, wrapping the cause, if L2 could not confirm the write. The
// engine then tries to delete the key, so that nobody is given the older value; if that
// fails too, L2 may bring it back, and other processes may still see it. Values that
// cannot be encoded, or are larger than Config.MaxValueBytes, are an error and change
// nothing.
func (c *Cache[V]) Set(ctx context.Context, key string, value V) error {
	return c.SetMany(ctx, map[string]V{key: value})
}

// SetMany stores many values, in one round trip per Redis node. If one of them cannot be
// stored, because of its key, its encoding or its size, nothing is set. If L2 does not
// confirm some, the others are stored; the error tells how many and wraps one of the causes.
func (c *Cache[V]) SetMany(ctx context.Context, values map[string]V) error {
	j := c.job(nil)
	batch := make([]*prepared, 0, len(values))
	for key := range values {
		if err := c.e.admit(c.rules, key); err != nil {
			return err
		}
	}
	for key, value := range values {
		p, err := c.e.prepareSet(j, c.space.Key(key), untyped(value))
		if err != nil {
			return err
		}
		batch = append(batch, p)
	}
	if !c.e.gate.enter() {
		return ErrClosed
	}
	defer c.e.gate.leave()
	c.space.add(cSets, uint64(len(batch)))
	return c.e.set(ctx, j, batch)
}

// prepareSet makes an entry of a value that was set; there is no compute, and so no cost.
func (e *Engine) prepareSet(j *job, k tier.Key, value any) (*prepared, error) {
	p, err := e.prepare(j, k, value, 0, nil)
	if err != nil {
		return nil, err
	}
	if p.refused != nil {
		return nil, fmt.Errorf("tiercache: nothing was set: %w", p.refused)
	}
	return p, nil
}

// set writes values to L2 and, each if nothing else happened to its key meanwhile, to L1.
func (e *Engine) set(ctx context.Context, j *job, batch []*prepared) error {
	keys := make([]tier.Key, len(batch))
	for i, p := range batch {
		keys[i] = p.entry.Key
	}
	// Invalidates what this process holds and has under way, before anything is sent: a
	// reader that starts from here on cannot be given the older value.
	fences := e.forgetAll(keys)
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	e.awaitSends(ctx, keys)
	errs := e.sendSet(ctx, j, batch)
	var failed []tier.Key
	var cause error
	for i, p := range batch {
		if errs[i] != nil {
			failed, cause = append(failed, p.entry.Key), errs[i]
			continue
		}
		stamp, own := fences.own(e.fence, p.entry.Key)
		if own && p.store && e.l1 != nil {
			p.entry.Stamp = stamp
			e.l1.Set(p.entry)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	e.noteL2(j.space, "l2 set", cause)
	// A Redis that is full refuses the write and still holds the older value, which would
	// be read back as the current one. It does accept a delete. The write may also have
	// arrived, with its answer lost: so forget what was read meanwhile, after the delete.
	_ = e.l2Delete(ctx, failed...) // the caller is told of the write
	for _, k := range failed {
		e.forget(k)
	}
	return notPropagated(fmt.Errorf("%d of %d values: %w", len(failed), len(batch), cause))
}

// sendSet sends each value to L2, or deletes the key if the value is not to be stored. It
// returns one error per value.
func (e *Engine) sendSet(ctx context.Context, j *job, batch []*prepared) []error {
	errs := make([]error, len(batch))
	if e.l2 == nil {
		return errs
	}
	var items []tier.Item
	var vetoed []tier.Key
	var at, vetoedAt []int
	for i, p := range batch {
		if !p.store {
			vetoed, vetoedAt = append(vetoed, p.entry.Key), append(vetoedAt, i)
			continue
		}
		items = append(items, tier.Item{Key: p.entry.Key, Frame: e.seal(j, p), TTL: p.hardTTL})
		at = append(at, i)
	}
	if len(vetoed) > 0 {
		err := e.l2Delete(ctx, vetoed...)
		for _, i := range vetoedAt {
			errs[i] = err
		}
	}
	if len(items) == 0 {
		return errs
	}
	for n, err := range e.l2SetMany(ctx, items) {
		errs[at[n]] = err
	}
	return errs
}

// forget invalidates what this process holds of the key and has under way.
func (e *Engine) forget(k tier.Key) {
	e.fence.raise(k.Hash)
	e.drop(k)
}

// drop frees the memory of what has been invalidated.
func (e *Engine) drop(k tier.Key) {
	if e.l1 != nil {
		e.l1.Delete(k)
	}
	e.failures.clear(k)
}

// fences are the states of the fence that one write has left behind, by slot: keys of a
// batch that share a slot are one to it, or each would take the other for a foreign write.
type fences map[*atomic.Uint64]*fenced

type fenced struct {
	pre   uint64 // what raise returned
	asked bool
	stamp uint64
	ok    bool
}

// forgetAll is forget for a batch whose values this process is about to write.
func (e *Engine) forgetAll(keys []tier.Key) fences {
	all := make(fences, len(keys))
	for _, k := range keys {
		if slot := e.fence.slot(k.Hash); all[slot] == nil {
			all[slot] = &fenced{pre: e.fence.raise(k.Hash)}
		}
		e.drop(k)
	}
	return all
}

// own is fence.own, once per slot.
func (all fences) own(f *fence, k tier.Key) (stamp uint64, ok bool) {
	slot := all[f.slot(k.Hash)]
	if !slot.asked {
		slot.asked = true
		slot.stamp, slot.ok = f.own(k.Hash, slot.pre)
	}
	return slot.stamp, slot.ok
}

// awaitSends waits for values of the keys that were on their way to L2 when they were
// invalidated, so that they cannot arrive after what the caller is about to do there.
func (e *Engine) awaitSends(ctx context.Context, keys []tier.Key) {
	if e.l2 == nil {
		return
	}
	for _, k := range keys {
		e.flights.awaitSends(ctx, k)
	}
}

func (e *Engine) l2Delete(ctx context.Context, keys ...tier.Key) error {
	if e.l2 == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	return e.l2.Delete(ctx, keys...)
}
