package tiercache

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tiercache/tiercache/tier"
)

// l2Parallel bounds the calls to a Remote that cannot take batches.
const l2Parallel = 16

// l2GetMany reads many keys within one L2 budget, in one round trip per node if the tier
// can. Replies come in the order of keys.
func (e *Engine) l2GetMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	if b, ok := e.l2.(tier.Batcher); ok {
		return sized(b.GetMany(ctx, keys), len(keys), tier.Reply{Err: errBatch})
	}
	replies := make([]tier.Reply, len(keys))
	var g errgroup.Group
	g.SetLimit(l2Parallel)
	for i, k := range keys {
		g.Go(func() error {
			replies[i].Frame, replies[i].Err = e.l2.Get(ctx, k)
			return nil
		})
	}
	_ = g.Wait() // errors are in the replies
	return replies
}

var errBatch = errors.New("tiercache: the remote tier answered a batch with another number of answers")

// sized makes sure that a tier of somebody else's has answered each of a batch: if not, no
// answer can be told to belong to a key.
func sized[T any](answers []T, n int, none T) []T {
	if len(answers) == n {
		return answers
	}
	return slices.Repeat([]T{none}, n)
}

// l2SetMany writes many items within one L2 budget and returns one error per item.
func (e *Engine) l2SetMany(ctx context.Context, items []tier.Item) []error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	if b, ok := e.l2.(tier.Batcher); ok {
		return sized(b.SetMany(ctx, items), len(items), errBatch)
	}
	errs := make([]error, len(items))
	var g errgroup.Group
	g.SetLimit(l2Parallel)
	for i, it := range items {
		g.Go(func() error {
			errs[i] = e.l2.Set(ctx, it.Key, it.Frame, it.TTL)
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	return errs
}

// flyMany is the body of a batch of flights: L1 again and L2 for all of them, then one
// compute for those that are left. It lands every flight on its own.
func (e *Engine) flyMany(ctx context.Context, flights []*flight, j *job) {
	defer e.gate.leave()
	defer func() {
		for _, f := range flights {
			e.landAbandoned(f, j)
			e.flights.leave(f)
		}
	}()
	for _, f := range flights {
		if f.prev != nil {
			<-f.prev.left
			f.prev = nil
		}
	}
	left, renew := e.fillManyFromTiers(ctx, flights, j)
	e.refreshManyBehind(ctx, j, renew, FromL2)
	if len(left) > 0 {
		e.fillManyFromCompute(ctx, left, j)
	}
}

// fillManyFromTiers lands what the tiers hold; those flights leave at once, and do not wait
// for the compute of the others. It returns the flights that are left, and the entries that
// want an early refresh. See fillFromTiers for the reasons.
func (e *Engine) fillManyFromTiers(ctx context.Context, flights []*flight, j *job) (left []*flight, renew []*tier.Entry) {
	for _, f := range flights {
		if entry, v := e.lookup(j.rules, f.key); v >= early && isNewer(entry, f.old.Load()) {
			e.landFound(f, entry, FromL1)
			e.flights.leave(f)
			continue
		}
		left = append(left, f)
	}
	if e.l2 == nil || len(left) == 0 {
		return left, nil
	}
	keys := make([]tier.Key, len(left))
	for i, f := range left {
		keys[i] = f.key
	}
	rest := left[:0]
	for i, reply := range e.l2GetMany(ctx, keys) {
		f := left[i]
		entry, newer := e.receive(j, f.key, f.stamp, reply)
		f.handsOff = newer
		landed, again := e.landFromL2(f, j, entry)
		if !landed {
			rest = append(rest, f)
			continue
		}
		e.flights.leave(f)
		if again != nil {
			renew = append(renew, again)
		}
	}
	return rest, renew
}

// fillManyFromCompute has one compute make the values of all flights. What it does not
// return does not exist at the source. If it fails, what it returned beside the error is
// kept, and the other flights get the error.
func (e *Engine) fillManyFromCompute(ctx context.Context, flights []*flight, j *job) {
	var ask []*flight
	for _, f := range flights {
		if !e.landResting(f, j) {
			ask = append(ask, f)
		}
	}
	if len(ask) == 0 {
		return
	}
	ids := make([]string, len(ask))
	for i, f := range ask {
		ids[i] = f.key.ID
	}
	values, cost, err := underLimit(ctx, e, j, ask, func(ctx context.Context) (map[string]any, error) {
		return j.computeMany(ctx, ids)
	})
	var send []sendable
	for _, f := range ask {
		value, ok := values[f.key.ID]
		why := err
		switch {
		case ok:
			why = nil
		case why == nil:
			why = ErrNotFound
		}
		e.observer.compute(f.key, cost, j.early, why)
		p, why := e.prepare(j, f.key, value, cost, why)
		switch {
		case why != nil:
			e.landFailed(f, j, why, true)
		case e.landComputed(f, j, p):
			send = append(send, sendable{f, p})
		}
	}
	e.sendMany(ctx, j, send)
}

// sendable is a landed flight whose value is to go to L2.
type sendable struct {
	f *flight
	p *prepared
}

// sendMany is send for a batch, in one round trip per node.
func (e *Engine) sendMany(ctx context.Context, j *job, batch []sendable) {
	var items []tier.Item
	for _, s := range batch {
		if !s.p.store {
			e.send(ctx, s.f, j, s.p)
			continue
		}
		frame := e.seal(j, s.p)
		if !e.flights.beginSend(s.f) {
			j.space.add(cFenced, 1)
			continue
		}
		defer e.flights.endSend(s.f)
		items = append(items, tier.Item{Key: s.f.key, Frame: frame, TTL: s.p.hardTTL})
	}
	if len(items) == 0 {
		return
	}
	if err := errors.Join(e.l2SetMany(ctx, items)...); err != nil {
		e.noteL2(j.space, "l2 set", err)
	}
}

// refreshManyBehind renews many entries by one compute that nobody waits for.
func (e *Engine) refreshManyBehind(ctx context.Context, j *job, entries []*tier.Entry, from Source) {
	flightCtx := detached(ctx)
	now := e.clock.precise()
	var lead []*flight
	for _, entry := range entries {
		if e.failures.resting(entry.Key, now) {
			continue
		}
		if f, leads := e.flights.join(entry.Key, wish{now: now, old: entry, from: from}); leads {
			lead = append(lead, f)
		}
	}
	behind := *j
	behind.early = true
	e.launchMany(flightCtx, lead, &behind)
}

// launchMany has a batch of flights run on a goroutine of its own. See launch.
func (e *Engine) launchMany(ctx context.Context, flights []*flight, j *job) {
	if len(flights) == 0 {
		return
	}
	if !e.gate.enter() {
		for _, f := range flights {
			f.refuse()
			e.flights.leave(f)
		}
		return
	}
	go e.flyMany(ctx, flights, j)
}
