package tiercache

import (
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
		}
		_ [64]byte // a shard's lock shares its line with no other's
	}
}

func newFlightTable(f *fence) *flightTable {
	t := &flightTable{fence: f}
	for i := range t.shards {
		t.shards[i].mu.flights = make(map[tier.Key]*flight)
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
	if w.offers {
		next.offered = make(chan struct{})
	}
	if w.old != nil {
		next.offer(w.old, w.from) // before anybody can join
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
