package tiercache

import (
	"context"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// lookup reads L1 and decides what the entry is worth. It does no I/O and does not
// allocate: for a hot key this is all that happens.
func (e *Engine) lookup(r *rules, k tier.Key) (*tier.Entry, verdict) {
	if e.l1 == nil || r.bad != nil {
		return nil, miss
	}
	// The fence is read first, while the processor waits for nothing yet. An invalidation
	// between the two reads overlaps this call, which may then answer as if before it.
	bar := e.fence.bar(k.Hash)
	entry, ok := e.l1.Get(k)
	if !ok || entry.Stamp <= bar {
		return nil, miss
	}
	return entry, r.judge(entry, e.clock.coarse(), drawExp)
}

// get answers a call that found no fresh entry in L1: from a flight, or with what it found
// if that will do. found is nil on a miss.
func (e *Engine) get(ctx context.Context, j *job, k tier.Key, found *tier.Entry, v verdict) outcome {
	switch v {
	case fresh:
		return outcome{entry: found, source: FromL1}
	case early:
		e.refreshBehind(ctx, j, k, found, FromL1)
		return outcome{entry: found, source: FromL1}
	case stale:
		if e.failures.resting(k, e.clock.precise()) {
			return outcome{entry: found, source: FromL1, stale: true}
		}
	case miss:
		if err := e.admit(j.rules, k.ID); err != nil {
			return outcome{err: err}
		}
		e.observer.miss(k)
		found = nil
	}
	if err := ctx.Err(); err != nil {
		return outcome{err: err}
	}
	f, lead := e.flights.join(k, wish{now: e.clock.precise(), offers: j.rules.StaleFor > 0, old: found, from: FromL1})
	if lead {
		e.launch(ctx, f, j)
	}
	return e.await(ctx, f, j.rules, found, lead)
}

// refresh answers Refresh: a flight that computes whatever the tiers hold.
func (e *Engine) refresh(ctx context.Context, j *job, k tier.Key) outcome {
	if err := e.admit(j.rules, k.ID); err != nil {
		return outcome{err: err}
	}
	if err := ctx.Err(); err != nil {
		return outcome{err: err}
	}
	w := wish{now: e.clock.precise(), forced: true}
	if entry, v := e.lookup(j.rules, k); v >= stale {
		w.old, w.from = entry, FromL1 // those who join without forcing need not wait
	}
	f, lead := e.flights.join(k, w)
	if lead {
		e.launch(ctx, f, j)
	}
	select {
	case <-f.done:
		out := f.landing(lead)
		if out.cause != nil {
			return outcome{err: out.cause}
		}
		return out
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
}

// refreshBehind starts a flight that renews entry, unless one is under way or the last one
// failed a moment ago. Nobody waits for it.
func (e *Engine) refreshBehind(ctx context.Context, j *job, k tier.Key, entry *tier.Entry, from Source) {
	now := e.clock.precise()
	if e.failures.resting(k, now) {
		return
	}
	f, lead := e.flights.join(k, wish{now: now, old: entry, from: from})
	if !lead {
		return
	}
	behind := *j
	behind.early = true
	e.launch(ctx, f, &behind)
}

// await waits for the flight as long as that is the best for this caller: until it lands,
// the caller's context ends, or SoftTimeout is over and there is a stale value. A flight
// that renews a valid value keeps nobody waiting. mine is the stale entry the caller itself
// has found, or nil.
func (e *Engine) await(ctx context.Context, f *flight, r *rules, mine *tier.Entry, lead bool) outcome {
	if mine == nil {
		mine = f.old.Load()
	}
	v := miss
	if mine != nil {
		v = r.judge(mine, e.clock.precise(), never)
	}
	offered := f.offered
	var soft <-chan time.Time
	switch v {
	case fresh, early:
		return outcome{entry: mine, source: f.sourceOf(mine), shared: !lead}
	case stale:
		timer := e.softTimer(f, r)
		defer stopTimer(timer)
		soft, offered = timerChan(timer), nil
	case miss:
	}
	for {
		select {
		case <-f.done:
			return f.landing(lead)
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		case <-offered:
			mine = f.old.Load()
			timer := e.softTimer(f, r)
			defer stopTimer(timer)
			soft, offered = timerChan(timer), nil
		case <-soft:
			return outcome{entry: mine, source: f.sourceOf(mine), stale: true, shared: !lead}
		}
	}
}

// landing is the outcome as one caller sees it. The flight must have landed.
func (f *flight) landing(lead bool) outcome {
	out := f.out
	out.shared = !lead
	return out
}

// sourceOf tells where a fallback came from: the flight's own find, or the caller's, which
// can only be from L1.
func (f *flight) sourceOf(old *tier.Entry) Source {
	if f.old.Load() == old {
		return Source(f.oldFrom.Load()) //nolint:gosec // a Source
	}
	return FromL1
}

// softTimer counts from the beginning of the flight, so that callers who join late do not
// wait anew. It returns nil if callers are to wait for the landing.
func (e *Engine) softTimer(f *flight, r *rules) *time.Timer {
	if r.SoftTimeout <= 0 {
		return nil
	}
	return time.NewTimer(r.SoftTimeout - time.Duration(e.clock.precise()-f.begun))
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

func timerChan(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}
