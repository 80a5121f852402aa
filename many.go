package tiercache

import (
	"context"
	"fmt"

	"github.com/tiercache/tiercache/tier"
)

// GetOrComputeMany returns the values of keys, asking for what no tier has by one call of
// compute with just those keys. What compute leaves out does not exist: it is remembered as
// absent and is missing from the result, which is no error. Keys are shared with single
// calls and overlapping batches: each is computed once, by whoever came first. Keys that
// are to be refreshed early go into one compute behind the call.
//
// If some keys fail, the map holds those that did not, and the error tells how many failed
// and wraps the first cause. Values that compute returned beside an error are kept.
// WithRevalidate does not apply to batches.
func (c *Cache[V]) GetOrComputeMany(ctx context.Context, keys []string, compute func(ctx context.Context, missing []string) (map[string]V, error)) (map[string]V, error) {
	if compute == nil {
		return nil, errNilCompute
	}
	if err := c.e.admit(c.rules, keys...); err != nil {
		return nil, err
	}
	return c.collect(keys, c.e.getMany(ctx, c.jobMany(compute), c.keys(keys)))
}

// GetMany returns those of keys that a tier holds and that are fresh, in one round trip per
// Redis node for all that L1 does not hold. It never computes; absent and missing keys are
// left out.
func (c *Cache[V]) GetMany(ctx context.Context, keys []string) (map[string]V, error) {
	if err := c.e.admit(c.rules, keys...); err != nil {
		return nil, err
	}
	outs, err := c.e.peekMany(ctx, c.job(nil), c.keys(keys))
	if err != nil {
		return nil, err
	}
	return c.collect(keys, outs)
}

// keys makes the keys of distinct ids, in the order they first appear.
func (c *Cache[V]) keys(ids []string) []tier.Key {
	keys := make([]tier.Key, 0, len(ids))
	seen := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		if _, again := seen[id]; !again {
			seen[id] = struct{}{}
			keys = append(keys, c.space.Key(id))
		}
	}
	return keys
}

func (c *Cache[V]) jobMany(compute func(ctx context.Context, missing []string) (map[string]V, error)) *job {
	return &job{
		space: c.space, shape: &c.opts.shape, rules: c.rules,
		computeMany: func(ctx context.Context, ids []string) (map[string]any, error) {
			values, err := compute(ctx, ids)
			out := make(map[string]any, len(values))
			for id, v := range values {
				out[id] = untyped(v)
			}
			return out, err
		},
	}
}

// collect makes the answer of a batch out of the outcomes of its keys.
func (c *Cache[V]) collect(ids []string, outs []keyed) (map[string]V, error) {
	values := make(map[string]V, len(outs))
	var failed int
	var first error
	for _, out := range outs {
		c.e.count(c.space, out.outcome)
		switch {
		case out.missed:
		case out.err != nil:
			if failed++; first == nil {
				first = out.err
			}
		case !out.entry.Absent:
			v, err := c.value(out.entry)
			if err == nil {
				values[out.key.ID] = v
			} else if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		return values, fmt.Errorf("tiercache: %d of %d keys failed: %w", failed, len(ids), first)
	}
	return values, nil
}

// keyed is the outcome of one key of a batch.
type keyed struct {
	key tier.Key
	outcome
}

// getMany answers a batch: hits at once, the rest by joining flights and leading those that
// nobody runs yet as one batch.
func (e *Engine) getMany(ctx context.Context, j *job, keys []tier.Key) []keyed {
	flightCtx := detached(ctx)
	outs := make([]keyed, len(keys))
	var waits []waiting
	var renew []*tier.Entry
	now := e.clock.precise()
	for i, k := range keys {
		outs[i].key = k
		found, v := e.lookup(j.rules, k)
		switch {
		case v >= early:
			outs[i].outcome = outcome{entry: found, source: FromL1}
			if v == early {
				renew = append(renew, found)
			}
			continue
		case v == stale && e.failures.resting(k, now):
			outs[i].outcome = outcome{entry: found, source: FromL1, stale: true}
			continue
		case ctx.Err() != nil:
			outs[i].outcome = outcome{err: ctx.Err()}
			continue
		case v == miss:
			e.observer.miss(k)
			found = nil
		}
		waits = append(waits, waiting{at: i, mine: found})
	}
	e.refreshManyBehind(ctx, j, renew, FromL1)
	var lead []*flight
	for i := range waits {
		w := &waits[i]
		w.f, w.lead = e.flights.join(keys[w.at], wish{now: now, offers: j.rules.StaleFor > 0, old: w.mine, from: FromL1})
		if w.lead {
			lead = append(lead, w.f)
		}
	}
	e.launchMany(flightCtx, lead, j)
	// One after the other: each ends with its flight, with ctx, or with a time limit that
	// counts from the beginning of the flight, so the sum is no longer than the longest.
	for _, w := range waits {
		outs[w.at].outcome = e.await(ctx, w.f, j.rules, w.mine, w.lead)
	}
	return outs
}

// waiting is a key of a batch that waits for a flight.
type waiting struct {
	at   int // index of the key
	f    *flight
	mine *tier.Entry // the stale entry found, if any
	lead bool
}

// peekMany answers a batch that never computes.
func (e *Engine) peekMany(ctx context.Context, j *job, keys []tier.Key) ([]keyed, error) {
	outs := make([]keyed, len(keys))
	var at []int
	var ask []tier.Key
	for i, k := range keys {
		outs[i] = keyed{key: k, outcome: outcome{err: ErrMiss, missed: true}}
		if found, v := e.lookup(j.rules, k); v >= early {
			outs[i].outcome = outcome{entry: found, source: FromL1}
			continue
		}
		e.observer.miss(k)
		at, ask = append(at, i), append(ask, k)
	}
	if len(ask) == 0 {
		return outs, nil
	}
	if !e.gate.enter() {
		return nil, ErrClosed
	}
	defer e.gate.leave()
	if e.l2 == nil {
		return outs, ctx.Err()
	}
	stamp := e.fence.stamp()
	replies := e.l2GetMany(ctx, ask)
	if ctx.Err() != nil {
		return nil, ctx.Err() // a caller that left says nothing of L2
	}
	for n, reply := range replies {
		entry, _ := e.receive(j, ask[n], stamp, reply)
		if entry != nil && j.rules.judge(entry, e.clock.precise(), never) == fresh {
			outs[at[n]].outcome = outcome{entry: entry, source: FromL2}
		}
	}
	return outs, nil
}
