package tiertest

import (
	"context"
	"errors"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Get reads k, unless a fault says otherwise.
func (f *Faulty) Get(ctx context.Context, k tier.Key) ([]byte, error) {
	fault, err := f.begin(ctx, OpGet, k)
	if err != nil {
		return nil, err
	}
	var reply tier.Reply
	if !fault.withholds(k) {
		reply.Frame, reply.Err = f.next.Get(ctx, k)
	}
	reply = f.spoil(OpGet, &fault, k, reply)
	return reply.Frame, reply.Err
}

// GetMany reads keys, unless a fault says otherwise.
func (f *Faulty) GetMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	replies := make([]tier.Reply, len(keys))
	fault, err := f.begin(ctx, OpGetMany, keys...)
	if err != nil {
		for i := range replies {
			replies[i].Err = err
		}
		return replies
	}
	passing, at := pass(&fault, keys, func(k tier.Key) tier.Key { return k })
	for i, reply := range f.getMany(ctx, passing) {
		replies[at[i]] = reply
	}
	for i, k := range keys {
		replies[i] = f.spoil(OpGetMany, &fault, k, replies[i])
	}
	return replies
}

// Set stores frame, unless a fault says otherwise.
func (f *Faulty) Set(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
	fault, err := f.begin(ctx, OpSet, k)
	if err != nil {
		return err
	}
	if !fault.withholds(k) {
		err = f.next.Set(ctx, k, frame, ttl)
	}
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// SetMany stores items, unless a fault says otherwise.
func (f *Faulty) SetMany(ctx context.Context, items []tier.Item) []error {
	keys := make([]tier.Key, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	errs := make([]error, len(items))
	fault, err := f.begin(ctx, OpSetMany, keys...)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	passing, at := pass(&fault, items, func(it tier.Item) tier.Key { return it.Key })
	for i, err := range f.setMany(ctx, passing) {
		errs[at[i]] = err
	}
	for i, k := range keys {
		if fault.Err != nil && fault.hits(k) {
			errs[i] = fault.Err
		}
	}
	return errs
}

// Delete removes keys, unless a fault says otherwise.
func (f *Faulty) Delete(ctx context.Context, keys ...tier.Key) error {
	return f.forKeys(ctx, OpDelete, keys, f.next.Delete)
}

// Expire moves the soft expiry of keys, unless a fault says otherwise.
func (f *Faulty) Expire(ctx context.Context, at time.Time, keys ...tier.Key) error {
	return f.forKeys(ctx, OpExpire, keys, func(ctx context.Context, keys ...tier.Key) error {
		if e, ok := f.next.(tier.Expirer); ok {
			return e.Expire(ctx, at, keys...)
		}
		return f.next.Delete(ctx, keys...)
	})
}

// Ping reaches the tier, unless a fault says otherwise.
func (f *Faulty) Ping(ctx context.Context) error {
	return f.forKeys(ctx, OpPing, nil, func(ctx context.Context, _ ...tier.Key) error {
		if p, ok := f.next.(tier.Pinger); ok {
			return p.Ping(ctx)
		}
		return ctx.Err()
	})
}

// forKeys is a call with one answer for all its keys.
func (f *Faulty) forKeys(
	ctx context.Context, op Op, keys []tier.Key, call func(context.Context, ...tier.Key) error,
) error {
	fault, err := f.begin(ctx, op, keys...)
	if err != nil {
		return err
	}
	passing, _ := pass(&fault, keys, func(k tier.Key) tier.Key { return k })
	// Nothing to pass on is still a call if nothing was withheld: Ping has no keys.
	if len(passing) > 0 || len(keys) == 0 && !fault.withholds(tier.Key{}) {
		err = call(ctx, passing...)
	}
	return errors.Join(fault.Err, err)
}

func (f *Faulty) getMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	if len(keys) == 0 {
		return nil // all withheld: the tier must not see even an empty batch
	}
	if b, ok := f.next.(tier.Batcher); ok {
		return b.GetMany(ctx, keys)
	}
	return getEach(ctx, f.next, keys)
}

func (f *Faulty) setMany(ctx context.Context, items []tier.Item) []error {
	if len(items) == 0 {
		return nil
	}
	if b, ok := f.next.(tier.Batcher); ok {
		return b.SetMany(ctx, items)
	}
	return setEach(ctx, f.next, items)
}

// pass returns the items that reach the tier and the places they have in the whole batch.
func pass[T any](fault *Fault, items []T, key func(T) tier.Key) (passing []T, at []int) {
	for i, it := range items {
		if !fault.withholds(key(it)) {
			passing = append(passing, it)
			at = append(at, i)
		}
	}
	return passing, at
}

// spoil turns the tier's answer for k into what fault makes of it.
func (f *Faulty) spoil(op Op, fault *Fault, k tier.Key, reply tier.Reply) tier.Reply {
	switch {
	case !fault.hits(k):
	case fault.Err != nil:
		return tier.Reply{Err: fault.Err}
	case fault.Lost:
		return tier.Reply{Err: tier.ErrMiss}
	case fault.Corrupt && len(reply.Frame) > 0:
		f.flipBit(op, reply.Frame)
	}
	return reply
}

// flipBit alters b. In what can be an envelope it leaves the fields up to the soft expiry
// alone: the version would make it a newer one and the checksum does not cover the soft
// expiry, and a test that asks for corrupt bytes wants to see tier.ErrCorrupt.
func (f *Faulty) flipBit(op Op, b []byte) {
	first := 0
	if len(b) > tier.SoftExpiryOffset+8 {
		first = tier.SoftExpiryOffset + 8
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	random := f.mu.ops[op].random
	b[first+random.IntN(len(b)-first)] ^= 1 << random.IntN(8)
}
