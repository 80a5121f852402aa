package tiercache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

// flight is one running fill of one key. One goroutine, the leader's, does the work; any
// number of callers wait, each on its own context. Callers leave, flights land.
type flight struct {
	key    tier.Key
	stamp  uint64  // drawn when the flight began; what invalidates it ends its joinability
	begun  int64   // precise time, to measure SoftTimeout from
	forced bool    // Refresh: computes whatever the tiers hold
	prev   *flight // a flight of the same key that may still write; see join

	handsOff bool // L2 holds a later release's envelope; only the flight's goroutine looks

	claimed atomic.Bool   // somebody has begun to land it
	done    chan struct{} // closed when out is set
	out     outcome       // written by the one who claimed, before done is closed

	offered chan struct{} // closed when old is set while callers wait; nil if that cannot be
	old     atomic.Pointer[tier.Entry]
	oldFrom atomic.Uint32 // the Source of old

	sent chan struct{} // made by beginSend, closed by endSend

	gone bool          // has left the table: it writes no more; guarded by the shard
	left chan struct{} // made when somebody waits for that, closed then; so is this
}

// outcome is what a flight lands with: an entry, which may be absent or stale, or an error.
type outcome struct {
	entry  *tier.Entry
	source Source
	stale  bool
	shared bool // filled in per caller: the flight was led by another one
	kept   bool // the entry was stored, so that later callers may join until it shows up
	missed bool // err is ErrMiss because the call never computes
	err    error
	cause  error // why the compute gave nothing better, when entry is a fallback
}

// claim reports whether the caller is the one to land the flight. The compute's end, its
// hard limit and Goexit race for it; the losers drop what they have.
func (f *flight) claim() bool { return f.claimed.CompareAndSwap(false, true) }

// publish wakes everybody. Only who has claimed the flight may call it, once.
func (f *flight) publish(out outcome) {
	f.out = out
	close(f.done)
}

// refuse lands a flight that never began, because the engine is closed.
func (f *flight) refuse() {
	if f.claim() {
		f.publish(outcome{err: ErrClosed})
	}
}

// offer makes an entry known that callers may be given before the flight lands. Only the
// flight's own goroutine calls it, and its creator before that.
func (f *flight) offer(e *tier.Entry, from Source) {
	first := f.old.Load() == nil
	f.oldFrom.Store(uint32(from))
	f.old.Store(e)
	if first && f.offered != nil {
		close(f.offered)
	}
}

// wish is what a call wants of a flight, and gives to the one it leads.
type wish struct {
	now    int64
	forced bool        // compute whatever the tiers hold
	offers bool        // a stale value found on the way is to be offered to callers who wait
	old    *tier.Entry // what the call has found: to renew, and to fall back on
	from   Source      // where it found that
}

const flightShards = 64

// flightTable holds the running flights by key.
type flightTable struct {
	fence  *fence
	shards [flightShards]struct {
		mu struct {
			sync.Mutex
			flights map[tier.Key]*flight
			sending map[tier.Key][]*flight // whose value is on its way to L2
		}
		_ [48]byte // a shard's lock shares its line with no other's
	}
}

func newFlightTable(f *fence) *flightTable {
	t := &flightTable{fence: f}
	for i := range t.shards {
		t.shards[i].mu.flights = make(map[tier.Key]*flight)
		t.shards[i].mu.sending = make(map[tier.Key][]*flight)
	}
	return t
}

// join returns the flight that answers a call for k which begins now. If lead is true the
// flight is new, and the caller must have it run.
//
// A flight can be joined while nothing has invalidated its key since it began. One that
// was invalidated goes on for those who joined before, since their calls overlap the
// invalidation; a later caller must not be given what may have been read earlier.
func (t *flightTable) join(k tier.Key, w wish) (f *flight, lead bool) {
	s := &t.shards[k.Hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	f = s.mu.flights[k]
	valid := f != nil && t.fence.valid(k.Hash, f.stamp)
	if valid && f.joinable(w.forced, w.now) {
		return f, false
	}
	next := &flight{key: k, stamp: t.fence.stamp(), begun: w.now, forced: w.forced, done: make(chan struct{})}
	if w.old != nil {
		next.offer(w.old, w.from) // before anybody can join
	} else if w.offers {
		next.offered = make(chan struct{})
	}
	if valid {
		// Two flights of one key: the older could write to L2 after the newer.
		//   1. the older computes v1   2. the newer computes v2 and writes it
		//   3. the older writes v1, and v2 is lost
		// So the newer begins when the older has left. A fenced one writes nothing.
		next.prev = f
		if f.left == nil {
			f.left = make(chan struct{})
		}
	}
	s.mu.flights[k] = next
	return next, true
}

// joinable says whether a valid flight answers a further caller. A landed flight stays in
// the table while its value is on the way to L2: a caller that finds no tier holding the
// value yet would otherwise compute it again.
func (f *flight) joinable(forced bool, now int64) bool {
	if forced && !f.forced {
		return false
	}
	select {
	case <-f.done:
		return !forced && f.out.kept && now < f.out.entry.SoftExpiry
	default:
		return !f.claimed.Load() || !forced
	}
}

// leave takes the flight out of the table; it has written what it had to write. A flight
// that is landed at its hard limit leaves then, whether or not its compute ever returns.
func (t *flightTable) leave(f *flight) {
	s := &t.shards[f.key.Hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.gone {
		return
	}
	f.gone = true
	if s.mu.flights[f.key] == f {
		delete(s.mu.flights, f.key)
	}
	if f.left != nil {
		close(f.left)
	}
}

// kept returns the entry of a landed flight whose value may not be found in a tier yet.
func (t *flightTable) kept(k tier.Key, now int64) *tier.Entry {
	s := &t.shards[k.Hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.mu.flights[k]
	if f == nil || !t.fence.valid(k.Hash, f.stamp) {
		return nil
	}
	select {
	case <-f.done:
		if f.out.kept && now < f.out.entry.SoftExpiry {
			return f.out.entry
		}
	default:
	}
	return nil
}

// beginSend reports whether the value of a landed flight may still be sent to L2; if so,
// endSend must follow. An invalidation raises the fence, then waits for those that are
// sending, and then goes to L2 itself. Asking the fence under the lock that awaitSends
// takes leaves no third case to a flight: it is waited for, or it sends nothing.
//
//  1. the flight finds its stamp valid    2. the invalidation raises the fence
//  3. the invalidation deletes in L2      4. the flight writes to L2, and the value is back
func (t *flightTable) beginSend(f *flight) bool {
	s := &t.shards[f.key.Hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.fence.valid(f.key.Hash, f.stamp) {
		return false
	}
	f.sent = make(chan struct{})
	s.mu.sending[f.key] = append(s.mu.sending[f.key], f)
	return true
}

func (t *flightTable) endSend(f *flight) {
	s := &t.shards[f.key.Hash%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := slices.DeleteFunc(s.mu.sending[f.key], func(o *flight) bool { return o == f })
	if len(rest) == 0 {
		delete(s.mu.sending, f.key)
	} else {
		s.mu.sending[f.key] = rest
	}
	close(f.sent)
}

// awaitSends waits until no value of k that is invalid now is on its way to L2, or ctx ends.
func (t *flightTable) awaitSends(ctx context.Context, k tier.Key) {
	s := &t.shards[k.Hash%flightShards]
	s.mu.Lock()
	sending := slices.Clone(s.mu.sending[k])
	s.mu.Unlock()
	for _, f := range sending {
		select {
		case <-f.sent:
		case <-ctx.Done():
			return
		}
	}
}

// running counts the flights in the table.
func (t *flightTable) running() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.mu.flights)
		s.mu.Unlock()
	}
	return n
}
