package tiercache

import (
	"context"

	"github.com/tiercache/tiercache/tier"
)

// peek answers a call that never computes: from L1, else from L2. found is what L1 held,
// worth v. With staleToo a stale value will do.
func (e *Engine) peek(ctx context.Context, j *job, k tier.Key, found *tier.Entry, v verdict, staleToo bool) outcome {
	if v >= early {
		return outcome{entry: found, source: FromL1}
	}
	if err := e.admit(j.rules, k.ID); err != nil {
		return outcome{err: err}
	}
	if v == miss {
		e.observer.miss(k)
		found = nil
	}
	if !e.gate.enter() {
		return outcome{err: ErrClosed}
	}
	defer e.gate.leave()
	from := FromL1
	if entry := e.flights.kept(k, e.clock.precise()); entry != nil {
		return outcome{entry: entry, source: FromCompute, shared: true}
	}
	if e.l2 != nil {
		if entry, _ := e.readL2(ctx, j, k, e.fence.stamp()); entry != nil {
			found, from = entry, FromL2
		}
		if err := ctx.Err(); err != nil {
			return outcome{err: err}
		}
	}
	if found == nil {
		return outcome{err: ErrMiss, missed: true}
	}
	switch j.rules.judge(found, e.clock.precise(), never) {
	case fresh, early:
		return outcome{entry: found, source: from}
	case stale:
		if staleToo {
			return outcome{entry: found, source: from, stale: true}
		}
	case miss:
	}
	return outcome{err: ErrMiss, missed: true}
}

// count adds an answer to exactly one counter of its space, and tells the observer of hits.
func (e *Engine) count(s *space, out outcome) {
	switch {
	case out.missed:
		s.add(cMissed, 1)
	case out.err != nil:
		s.add(cFailed, 1)
	case out.stale:
		s.add(cStale, 1)
	case out.source == FromL1:
		s.add(cL1Hits, 1)
	case out.source == FromL2:
		s.add(cL2Hits, 1)
	default:
		s.add(cComputed, 1)
		return
	}
	if out.err == nil {
		e.observer.hit(out.entry, out.source, out.stale, e.clock)
	}
}
