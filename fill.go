package tiercache

import (
	"context"
	"errors"

	"github.com/tiercache/tiercache/tier"
)

// job is what a flight needs to know besides its key. The typed handle makes one when a
// call cannot be answered from L1.
type job struct {
	space *space
	shape *shape
	rules *rules
	early bool // the value offered is fresh; nobody waits

	// One of the two is set, for single flights and for batches.
	compute     func(ctx context.Context, k tier.Key, old *tier.Entry) (any, error)
	computeMany func(ctx context.Context, ids []string) (map[string]any, error)
}

// detached is the one place where a context is detached: a flight keeps the values of its
// leader's context and none of its end, because its result is for everybody who joins.
func detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// launch has the flight run on a goroutine of its own. ctx is detached already: before the
// flight was in the table, because a nil context panics there and would leave it behind.
func (e *Engine) launch(ctx context.Context, f *flight, j *job) {
	if !e.gate.enter() {
		f.refuse()
		e.flights.leave(f)
		return
	}
	go e.fly(ctx, f, j)
}

// fly is the body of a flight: L1 again, L2, compute, store. If L2 holds a value that wants
// an early refresh, the flight lands with it and another one renews it behind.
func (e *Engine) fly(ctx context.Context, f *flight, j *job) {
	defer e.gate.leave()
	if renew := e.fill(ctx, f, j); renew != nil {
		e.refreshBehind(ctx, j, f.key, renew, FromL2)
	}
}

func (e *Engine) fill(ctx context.Context, f *flight, j *job) (renew *tier.Entry) {
	defer e.flights.leave(f)
	defer e.landAbandoned(f, j)
	if f.prev != nil {
		<-f.prev.left
		f.prev = nil
	}
	if f.forced {
		e.findOld(ctx, f, j)
	} else if landed, renew := e.fillFromTiers(ctx, f, j); landed {
		return renew
	}
	e.fillFromCompute(ctx, f, j)
	return nil
}

// findOld looks into L2 for a flight that computes in any case: for what to give to those
// who join without forcing, to revalidate from, and to leave alone.
func (e *Engine) findOld(ctx context.Context, f *flight, j *job) {
	if e.l2 == nil || f.old.Load() != nil {
		return
	}
	entry, newer := e.readL2(ctx, j, f.key, f.stamp)
	f.handsOff = newer
	if entry != nil && j.rules.judge(entry, e.clock.precise(), never) != miss {
		f.offer(entry, FromL2)
	}
}

// landAbandoned lands a flight whose goroutine is being ended by runtime.Goexit, so that
// nobody waits for ever.
func (e *Engine) landAbandoned(f *flight, j *job) {
	if f.claim() {
		j.space.add(cComputeErrors, 1)
		f.publish(outcome{err: &PanicError{Goexit: true}})
	}
}

// fillFromTiers lands the flight with what L1 or L2 holds, if that is fresh.
//
// L1 is asked again because of this interleaving: A misses L1; B's flight lands, storing
// the value, and leaves the table; A finds no flight and leads one. Without the second
// look A would compute what is there.
func (e *Engine) fillFromTiers(ctx context.Context, f *flight, j *job) (landed bool, renew *tier.Entry) {
	old := f.old.Load()
	if entry, v := e.lookup(j.rules, f.key); v >= early && isNewer(entry, old) {
		return e.landFound(f, entry, FromL1), nil
	}
	if e.l2 == nil {
		return false, nil
	}
	entry, newer := e.readL2(ctx, j, f.key, f.stamp)
	f.handsOff = newer
	return e.landFromL2(f, j, entry)
}

// landFromL2 lands the flight with what L2 holds, if that is fresh; a stale value is kept to
// fall back on. renew is the entry if it wants an early refresh.
func (e *Engine) landFromL2(f *flight, j *job, entry *tier.Entry) (landed bool, renew *tier.Entry) {
	if entry == nil || !isNewer(entry, f.old.Load()) {
		return false, nil
	}
	switch j.rules.judge(entry, e.clock.precise(), drawExp) {
	case fresh:
		return e.landFound(f, entry, FromL2), nil
	case early:
		// Drawn once per read: a flight that is itself a refresh was started by a draw.
		if j.early {
			return e.landFound(f, entry, FromL2), nil
		}
		return e.landFound(f, entry, FromL2), entry
	case stale:
		f.offer(entry, FromL2)
	case miss:
	}
	return false, nil
}

// isNewer reports whether a tier holds another version than the one to be renewed.
func isNewer(entry, old *tier.Entry) bool { return old == nil || entry.ID != old.ID }

// landFound always reports true: the flight has landed, by this call or by another.
func (e *Engine) landFound(f *flight, entry *tier.Entry, from Source) bool {
	if f.claim() {
		f.publish(outcome{entry: entry, source: from, kept: true})
	}
	return true
}

// readL2 reads the key from L2 and, if it is of any use, keeps it in L1 under a stamp drawn
// before the read. It returns nil on a miss, which includes failures and unusable bytes:
// those are counted and told to the observer, not to callers. newer says that the bytes are
// a later release's, and not to be overwritten.
func (e *Engine) readL2(caller context.Context, j *job, k tier.Key, stamp uint64) (entry *tier.Entry, newer bool) {
	ctx, cancel := context.WithTimeout(caller, e.cfg.L2Budget)
	defer cancel()
	frame, err := e.l2.Get(ctx, k)
	if caller.Err() != nil {
		return nil, false // a caller that left says nothing of L2
	}
	return e.receive(j, k, stamp, tier.Reply{Frame: frame, Err: err})
}

// receive opens what L2 answered for one key.
func (e *Engine) receive(j *job, k tier.Key, stamp uint64, reply tier.Reply) (entry *tier.Entry, newer bool) {
	err := reply.Err
	if err == nil {
		entry, err = e.open(j, k, reply.Frame)
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrMiss):
		return nil, false
	case errors.Is(err, tier.ErrCorrupt), errors.Is(err, tier.ErrNewer):
		j.space.add(cCorrupt, 1)
		e.observer.fail(k.Space, "open", err)
		return nil, errors.Is(err, tier.ErrNewer)
	default:
		e.noteL2(j.space, "l2 get", err)
		return nil, false
	}
	entry.Stamp = stamp
	e.keep(entry)
	return entry, false
}

// keep puts what was read from L2 into L1, unless it is of no use or L1 has got a later
// version meanwhile: a read outside of a flight can be slower than a Refresh.
func (e *Engine) keep(entry *tier.Entry) {
	k := entry.Key
	if e.l1 == nil || !e.fence.valid(k.Hash, entry.Stamp) || e.clock.precise() >= entry.Expiry {
		return
	}
	held, ok := e.l1.Get(k)
	if ok && held.ID != entry.ID && held.Created > entry.Created && e.fence.valid(k.Hash, held.Stamp) {
		return
	}
	e.l1.Set(entry)
}

// fillFromCompute computes, lands the flight and stores the value.
func (e *Engine) fillFromCompute(ctx context.Context, f *flight, j *job) {
	if e.landResting(f, j) {
		return
	}
	value, cost, err := e.compute(ctx, f, j)
	result, err := e.prepare(j, f.key, value, cost, err)
	if err != nil {
		e.landFailed(f, j, err, true)
		return
	}
	if e.landComputed(f, j, result) {
		e.send(ctx, f, j, result)
	}
}

// landResting lands the flight without a compute if the last one failed a moment ago: with
// the value to fall back on, else with the error that ErrorTTL still remembers.
func (e *Engine) landResting(f *flight, j *job) bool {
	last, ok := e.failures.get(f.key)
	if !ok || f.forced {
		return false
	}
	now := e.clock.precise()
	rests := j.rules.ErrorTTL > 0 && now < last.errorEnds
	if old := f.old.Load(); old != nil && j.rules.judge(old, now, never) != miss {
		rests = j.rules.Backoff > 0 && now < last.retryAt
	}
	if rests {
		e.landFailed(f, j, last.err, false)
	}
	return rests
}

// landComputed lands the flight with a computed value and reports whether the value is to be
// sent to L2 as well. L1 gets it before the callers are woken, L2 afterwards: nobody waits
// for that. What was invalidated meanwhile is stored nowhere.
func (e *Engine) landComputed(f *flight, j *job, p *prepared) (send bool) {
	if !f.claim() {
		return false // over the hard limit: the callers are gone, and another flight may run
	}
	p.entry.Stamp = f.stamp
	out := outcome{entry: p.entry, source: FromCompute}
	if p.store {
		out.kept = e.fence.valid(f.key.Hash, f.stamp)
		if !out.kept {
			j.space.add(cFenced, 1)
		} else if e.l1 != nil {
			e.l1.Set(p.entry)
		}
	} else if f.old.Load() != nil {
		// The older value is no longer what the source says, and this one takes no place.
		e.forget(f.key)
	}
	e.failures.clear(f.key)
	f.publish(out)
	if e.l2 == nil || f.handsOff {
		return false
	}
	return p.encoded && out.kept || !p.store && f.old.Load() != nil
}

// send stores a landed value in L2, or deletes the older one if this is not to be stored.
func (e *Engine) send(ctx context.Context, f *flight, j *job, p *prepared) {
	if !p.store {
		if err := e.l2Delete(ctx, f.key); err != nil {
			e.noteL2(j.space, "l2 delete", err)
		}
		return
	}
	frame := e.seal(j, p)
	if !e.flights.beginSend(f) {
		j.space.add(cFenced, 1)
		return
	}
	defer e.flights.endSend(f)
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	if err := e.l2.Set(ctx, f.key, frame, p.hardTTL); err != nil {
		e.noteL2(j.space, "l2 set", err)
	}
}

func (e *Engine) noteL2(s *space, op string, err error) {
	s.add(cL2Errors, 1)
	e.observer.fail(s.Name(), op, err)
}

// landFailed lands the flight with the value to fall back on, or with the error. attempted
// says that the error is of this flight's compute and not of an earlier one.
func (e *Engine) landFailed(f *flight, j *job, err error, attempted bool) {
	if !f.claim() {
		return
	}
	now := e.clock.precise()
	old := f.old.Load()
	fallback := old != nil && j.rules.judge(old, now, never) != miss
	if attempted && !errors.Is(err, ErrClosed) && (j.rules.ErrorTTL > 0 || fallback && j.rules.Backoff > 0) {
		e.failures.note(f.key, err, now, j.rules)
	}
	defer e.flights.leave(f)
	if !fallback {
		f.publish(outcome{err: err})
		return
	}
	if attempted {
		defer e.observer.fail(f.key.Space, "compute", err)
	}
	f.publish(outcome{entry: old, source: f.sourceOf(old), stale: now >= old.SoftExpiry, cause: err})
}

// never is a draw that starts no early refresh.
func never() float64 { return 0 }
