package tiercache

import (
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/tiercache/tiercache/tier"
)

// Stats is a snapshot of what an engine has done since it started. Counters are read one
// after the other while calls go on, so sums may be off by the calls of that moment.
type Stats struct {
	Spaces  map[string]SpaceStats // by name of the space
	Total   SpaceStats            // all spaces together
	L1      tier.Usage            // zero if the tier does not tell
	Flights int                   // fills running now
}

// SpaceStats counts the events of one space.
//
// Every key asked for with GetOrCompute, GetOrComputeMany, Lookup, Refresh, Get or GetMany
// adds one to exactly one of L1Hits, L2Hits, Computed, Stale, Missed and Failed. A batch that
// is refused as a whole, for a bad key or because its context has ended, is not counted.
type SpaceStats struct {
	L1Hits   uint64 // answered from L1, fresh; absent entries included
	L2Hits   uint64 // answered from L2, fresh; callers that shared the read included
	Computed uint64 // answered by a compute; callers that shared it included
	Stale    uint64 // answered with a stale value
	Missed   uint64 // nothing there, and the call was not one that computes
	Failed   uint64 // answered with an error other than ErrNotFound, or left on its context

	Computes       uint64        // computes begun
	ComputeErrors  uint64        // computes that failed, panicked or ran into ComputeTimeout
	ComputeTime    time.Duration // time spent in computes that succeeded
	EarlyRefreshes uint64        // computes begun before the value expired
	Fenced         uint64        // results not stored because of a later invalidation
	NotStored      uint64        // results not stored: vetoed, too large, or not encodable

	Sets    uint64 // values written by Set and SetMany
	Deletes uint64 // keys deleted or expired

	L2Errors  uint64 // calls to L2 that failed
	Corrupt   uint64 // values in L2 that were no usable envelope, each a miss
	RawBytes  uint64 // bytes of the values sent to L2, before compression
	SentBytes uint64 // bytes of the envelopes sent to L2
}

// Calls is the number of keys asked for.
func (s SpaceStats) Calls() uint64 {
	return s.L1Hits + s.L2Hits + s.Computed + s.Stale + s.Missed + s.Failed
}

// counter names one counter of a space.
type counter int

const (
	cL1Hits counter = iota
	cL2Hits
	cComputed
	cStale
	cMissed
	cFailed
	cComputes
	cComputeErrors
	cComputeTime
	cEarlyRefreshes
	cFenced
	cNotStored
	cSets
	cDeletes
	cL2Errors
	cCorrupt
	cRawBytes
	cSentBytes
	counterCount
)

const stripes = 16

// counters are the counters of one space, spread over stripes so that cores do not fight
// for one cache line.
type counters struct {
	stripe [stripes]struct {
		n [counterCount]atomic.Uint64
		_ [(128 - counterCount*8%128) % 128]byte
	}
}

func (c *counters) add(i counter, n uint64) {
	// The address of a local variable differs between goroutines and stays the same for
	// one, so a goroutine keeps to a stripe, and that to the cache of its core. A random
	// stripe per call costs three times as much: its line is mostly in another cache.
	var local byte
	c.stripe[uintptr(unsafe.Pointer(&local))>>11%stripes].n[i].Add(n)
}

func (c *counters) sum() (n [counterCount]uint64) {
	for i := range n {
		for j := range c.stripe {
			n[i] += c.stripe[j].n[i].Load()
		}
	}
	return n
}

func statsOf(n [counterCount]uint64) SpaceStats {
	return SpaceStats{
		L1Hits: n[cL1Hits], L2Hits: n[cL2Hits], Computed: n[cComputed],
		Stale: n[cStale], Missed: n[cMissed], Failed: n[cFailed],
		Computes: n[cComputes], ComputeErrors: n[cComputeErrors],
		ComputeTime:    time.Duration(n[cComputeTime]), //nolint:gosec // a sum of durations
		EarlyRefreshes: n[cEarlyRefreshes], Fenced: n[cFenced], NotStored: n[cNotStored],
		Sets: n[cSets], Deletes: n[cDeletes],
		L2Errors: n[cL2Errors], Corrupt: n[cCorrupt], RawBytes: n[cRawBytes], SentBytes: n[cSentBytes],
	}
}
