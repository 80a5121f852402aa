package tiercache

import (
	"context"
	"errors"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// lookup reads L1 and decides what the entry is worth. It does no I/O and does not
// allocate: for a hot key this is all that happens.
func (e *Engine) lookup(r *rules, k tier.Key) (*tier.Entry, verdict) {
	if e.l1 == nil || r.bad != nil {
		return nil, miss
	}
	entry, ok := e.l1.Get(k)
	if !ok || !e.fence.valid(k.Hash, entry.Stamp) {
		return nil, miss
	}
	now := e.clock.coarse()
	if r.L1TTL > 0 && e.l2 != nil && now-entry.Loaded >= int64(r.L1TTL) {
		return nil, miss
	}
	return entry, r.judge(entry, now, drawExp)
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
	flightCtx := detached(ctx)
	f, lead := e.flights.join(k, wish{now: e.clock.precise(), offers: j.rules.StaleFor > 0, old: found, from: FromL1})
	if lead {
		e.launch(flightCtx, f, j)
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
	flightCtx := detached(ctx)
	w := wish{now: e.clock.precise(), forced: true, offers: e.l2 != nil}
	if entry, v := e.lookup(j.rules, k); v >= stale {
		w.old, w.from = entry, FromL1 // those who join without forcing need not wait
	}
	f, lead := e.flights.join(k, w)
	if lead {
		e.launch(flightCtx, f, j)
	}
	select {
	case <-f.done:
		if f.out.cause != nil {
			return outcome{err: f.out.cause}
		}
		out := f.out
		out.shared = !lead
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
	flightCtx := detached(ctx)
	f, lead := e.flights.join(k, wish{now: now, old: entry, from: from})
	if !lead {
		return
	}
	behind := *j
	behind.early = true
	e.launch(flightCtx, f, &behind)
}

// await waits for the flight as long as that is the best for this caller: until it lands,
// the caller's context ends, or SoftTimeout is over and there is a stale value. A flight
// that renews a valid value keeps nobody waiting. mine is the stale entry the caller itself
// has found, or nil. What the flight offers is judged by the caller's rules, not by those
// of the leader.
func (e *Engine) await(ctx context.Context, f *flight, r *rules, mine *tier.Entry, lead bool) outcome {
	offered := f.offered
	if mine == nil {
		mine = f.old.Load()
	}
	var soft <-chan time.Time
	for judged := false; ; {
		if !judged && mine != nil {
			judged = true
			switch r.judge(mine, e.clock.precise(), never) {
			case fresh, early:
				return outcome{entry: mine, source: f.sourceOf(mine), shared: !lead}
			case stale:
				timer := e.softTimer(f, r)
				defer stopTimer(timer)
				soft = timerChan(timer)
			case miss:
			}
		}
		select {
		case <-f.done:
			return e.landing(f, r, mine, lead)
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		case <-offered:
			mine, judged, offered = f.old.Load(), false, nil
		case <-soft:
			soft = nil
			if r.judge(mine, e.clock.precise(), never) != miss {
				return outcome{entry: mine, source: f.sourceOf(mine), stale: true, shared: !lead}
			}
		}
	}
}

// landing is the outcome of a landed flight for a caller with these rules: whether a stale
// value may stand in for an error is the caller's policy, and so is the value it has itself.
func (e *Engine) landing(f *flight, r *rules, mine *tier.Entry, lead bool) outcome {
	out := f.out
	out.shared = !lead
	now := e.clock.precise()
	if out.cause != nil && r.judge(out.entry, now, never) == miss {
		return outcome{err: out.cause}
	}
	if out.err != nil && !errors.Is(out.err, ErrClosed) && mine != nil && r.judge(mine, now, never) != miss {
		return outcome{entry: mine, source: f.sourceOf(mine), stale: now >= mine.SoftExpiry, shared: !lead, cause: out.err}
	}
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
