package tiertest

import (
	"math"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

func localStaysInBudget(t tb, open openLocal) {
	const size, keys, writers = 1 << 10, 10 * budget >> 10, 4
	l := open(budget)
	space := tier.NewSpace("budget")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < keys; i += writers {
				l.Set(entry(space.Key(strconv.Itoa(i)), 1, size))
			}
		})
	}
	wg.Wait()
	inBudget(t, l, space, keys)
	if held(t, l, space, keys) == 0 {
		t.Errorf("nothing is held after setting ten times the budget")
	}
}

func localStaysInBudgetWhenEntriesGrow(t tb, open openLocal) {
	const keys = 512
	l := open(budget)
	space := tier.NewSpace("grow")
	for _, size := range []int64{budget / keys / 2, budget / keys, 4 * budget / keys, 64 * budget / keys} {
		for i := range keys {
			l.Set(entry(space.Key(strconv.Itoa(i)), 1, size))
		}
		inBudget(t, l, space, keys)
	}
}

func inBudget(t tb, l tier.Local, space tier.Space, keys int) {
	t.Helper()
	var bytes int64
	if !eventually(func() bool { bytes = held(t, l, space, keys); return bytes <= budget+slack }) {
		t.Errorf("it holds %d bytes, the budget is %d", bytes, budget)
	}
	sizer, ok := l.(tier.Sizer)
	if !ok {
		return
	}
	var usage tier.Usage
	if !eventually(func() bool { usage = sizer.Usage(); return usage.Bytes <= budget+slack }) {
		t.Errorf("Usage: %+v, the budget is %d", usage, budget)
	}
}

// held returns the size of all that l gives back of the first keys of space.
func held(t tb, l tier.Local, space tier.Space, keys int) int64 {
	t.Helper()
	var bytes int64
	for i := range keys {
		if e, ok := l.Get(space.Key(strconv.Itoa(i))); ok {
			bytes += e.Size
		}
	}
	return bytes
}

func localRefusesOversized(t tb, open openLocal) {
	l := open(budget)
	space := tier.NewSpace("oversized")
	gone := map[tier.Key]uint64{}
	for i := range 100 {
		k := space.Key(strconv.Itoa(i))
		if i%2 == 0 {
			l.Set(entry(k, 1, smallEntry))
			want(t, l, k, 1, "after Set")
		}
		l.Set(entry(k, 2, 2*budget))
		want(t, l, k, 0, "after Set of an entry twice as large as the budget")
		gone[k] = 0
	}
	lasts(t, l, gone)
	l.Set(entry(space.Key("0"), 3, smallEntry))
	want(t, l, space.Key("0"), 3, "after Set of a small entry again")
}

// localAccountsExactly lets goroutines set, grow and delete the same keys: what a tier gets
// wrong in its books for each such race would add up until nothing fits any more.
func localAccountsExactly(t tb, open openLocal) {
	const keys, rounds, workers, size = 64, 200, 4, 128
	l := open(roomy)
	sizer, ok := l.(tier.Sizer)
	if !ok {
		return // nothing to look at
	}
	space := tier.NewSpace("books")
	var usage tier.Usage
	// A tier may add a constant of its own to the size of each entry.
	fill := func() int64 {
		for i := range keys {
			l.Set(entry(space.Key(strconv.Itoa(i)), 1, size))
		}
		if !eventually(func() bool { usage = sizer.Usage(); return usage.Entries == keys && usage.Bytes >= keys*size }) {
			t.Errorf("Usage: %+v, want %d entries of at least %d bytes each", usage, keys, size)
		}
		return usage.Bytes
	}
	first := fill()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				for i := range keys {
					k := space.Key(strconv.Itoa(i))
					if (w+r+i)%3 == 0 {
						l.Delete(k)
					} else {
						l.Set(entry(k, 1, int64(1+(w+r+i)%size)))
					}
				}
			}
		})
	}
	wg.Wait()
	if again := fill(); again != first {
		t.Errorf("%d entries are accounted with %d bytes after a while, with %d bytes before", keys, again, first)
	}
	for i := range keys {
		l.Delete(space.Key(strconv.Itoa(i)))
	}
	if !eventually(func() bool { usage = sizer.Usage(); return usage.Entries == 0 && usage.Bytes == 0 }) {
		t.Errorf("Usage after everything was deleted: %+v", usage)
	}
}

func localClosed(t tb, open openLocal) {
	l := open(roomy)
	k := tier.NewKey("space", "id")
	l.Set(entry(k, 1, smallEntry))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		want(t, l, k, 0, "after Close")
		l.Delete(k)
		l.Set(entry(k, 2, smallEntry))
		want(t, l, k, 0, "of what was set after Close")
		if sizer, ok := l.(tier.Sizer); ok {
			sizer.Usage() // must not panic
		}
	}
}

func localCloseUnderLoad(t tb, open openLocal) { //nolint:gocognit // one scene of load
	const rounds, workers, keys, warm = 50, 8, 16, 8
	for range rounds {
		l := open(budget)
		space := tier.NewSpace("load")
		var closed atomic.Bool
		var wg, running sync.WaitGroup
		done := make(chan struct{})
		running.Add(workers)
		for w := range workers {
			wg.Go(func() {
				for i := w; !ended(done); i++ {
					k := space.Key(strconv.Itoa(i % keys))
					late := closed.Load()
					l.Set(entry(k, 1, smallEntry))
					if stampOf(t, l, k) != 0 && late {
						t.Errorf("Get after Close: an entry")
					}
					if i%4 == 0 {
						l.Delete(k)
					}
					if i == w+warm {
						running.Done()
					}
					runtime.Gosched() // or each runs for its 10 ms before others come in
				}
			})
		}
		running.Wait()
		// Two at a time: Close may run beside all other calls, itself included.
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() {
				if err := l.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				closed.Store(true)
			})
		}
		closers.Wait()
		want(t, l, space.Key("0"), 0, "after Close under load")
		close(done)
		wg.Wait()
		for i := range keys {
			want(t, l, space.Key(strconv.Itoa(i)), 0, "after Close under load")
		}
	}
}

// localCloseEndsGoroutines opens many tiers, so that one goroutine left by each stands out
// from those that other tests start and end meanwhile.
func localCloseEndsGoroutines(t tb, open openLocal) {
	const tiers = 20
	before := runtime.NumGoroutine()
	for range tiers {
		l := open(budget)
		l.Set(entry(tier.NewKey("space", "id"), 1, smallEntry))
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	var after int
	if !eventually(func() bool { after = runtime.NumGoroutine(); return after < before+tiers/2 }) {
		t.Errorf("%d goroutines after %d tiers were opened and closed, %d before", after, tiers, before)
	}
}

func localHitDoesNotAllocate(t tb, open openLocal) {
	const runs, attempts = 1000, 10
	l := open(roomy)
	k := tier.NewKey("space", "id")
	l.Set(entry(k, 1, smallEntry))
	hits := 0
	allocs := uint64(math.MaxUint64)
	// testing.AllocsPerRun would be exact but panics in parallel tests. The least of some
	// attempts leaves out what other goroutines allocate.
	for range attempts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, ok := l.Get(k); ok {
				hits++
			}
		}
		runtime.ReadMemStats(&after)
		allocs = min(allocs, (after.Mallocs-before.Mallocs)/runs)
	}
	if hits != runs*attempts {
		t.Errorf("%d hits of %d", hits, runs*attempts)
	}
	if allocs > 0 && !raceEnabled {
		t.Errorf("a hit allocates %d times", allocs)
	}
}
