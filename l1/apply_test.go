package l1

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// Ristretto drops about nine of ten Sets of new keys that come this fast.
func TestNoSetIsLost(t *testing.T) {
	const writers, each = 8, 25_000
	c := started(t, Config{MaxBytes: 1 << 30, Counters: 1 << 20})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				c.Set(entry(key(w*each+i), 1))
			}
		})
	}
	wg.Wait()
	for i := range writers * each {
		_, ok := c.Get(key(i))
		require.True(t, ok, "key %d", i)
	}
	c.applyAll()
	require.Equal(t, tier.Usage{
		Entries: writers * each, Bytes: writers * each * (100 + EntryOverhead), MaxBytes: 1 << 30,
	}, c.Usage())
	for i := range writers * each {
		require.NotNil(t, c.inStore(key(i)), "key %d", i)
	}
}

// A batch beyond the size of ristretto's buffer.
func TestChunksFitTheBuffer(t *testing.T) {
	const entries = 40_000
	c := manual(t, Config{MaxBytes: 1 << 30})
	c.maxStaged = 1 << 30
	for round := range 3 { // new, then twice there already
		for i := range entries {
			c.Set(entry(key(i), uint64(round)))
		}
		c.applyAll()
		require.Zero(t, c.staging.bytes.Load())
		for i := range entries {
			require.NotNil(t, c.inStore(key(i)), "key %d", i)
		}
	}
}

// Without an owner goroutine, writers must keep the staging in bounds by themselves.
func TestStagingIsBounded(t *testing.T) {
	const writers = 8
	for name, size := range map[string]int64{"small": 1, "large": 100_000} {
		t.Run(name, func(t *testing.T) {
			c := manual(t, Config{})
			bound := c.maxStaged + writers*(size+EntryOverhead)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range 5_000 {
						e := entry(key(w*5_000+i), 1)
						e.Size = size
						c.Set(e)
						if staged := c.staging.bytes.Load(); staged > bound {
							t.Errorf("%d bytes are staged, at most %d may be", staged, bound)
							return
						}
					}
				})
			}
			wg.Wait()
			require.LessOrEqual(t, c.Usage().Bytes, c.Usage().MaxBytes)
		})
	}
}

// TestNothingIsMissingWhileItMoves lets one writer and many readers work on few keys. The
// budget fits all, so what is set must be there until it is deleted, and what is deleted
// must be gone until it is set.
func TestNothingIsMissingWhileItMoves(t *testing.T) {
	const keys, readers = 64, 4
	c := started(t, Config{})
	// state of a key: even when settled. state%4 == 2 means it is set, with stamp state.
	var state [keys]atomic.Uint64
	var wg sync.WaitGroup
	var done atomic.Bool
	for range readers {
		wg.Go(func() {
			for i := 0; !done.Load(); i = (i + 1) % keys {
				if i == 0 {
					runtime.Gosched()
				}
				before := state[i].Load()
				e, ok := c.Get(key(i))
				if before%2 != 0 || state[i].Load() != before {
					continue // a write was under way
				}
				if set := before%4 == 2; ok != set || ok && e.Stamp != before {
					t.Errorf("key %d: found %v, state %d, entry %+v", i, ok, before, e)
					return
				}
			}
		})
	}
	for n := range 30_000 {
		i := rand.IntN(keys)
		was := state[i].Add(1) - 1
		if was%4 == 0 {
			c.Set(entry(key(i), was+2))
		} else {
			c.Delete(key(i))
		}
		state[i].Add(1)
		if n%16 == 0 {
			runtime.Gosched()
		}
	}
	done.Store(true)
	wg.Wait()
}

// Ristretto takes an update of any size without making room for it.
func TestGrowingEntriesStayInBudget(t *testing.T) {
	c := manual(t, Config{MaxBytes: 1 << 20})
	for _, size := range []int64{100, 2_000, 20_000, 100} {
		for i := range 1000 {
			e := entry(key(i), 1)
			e.Size = size
			c.Set(e)
		}
		c.applyAll()
		require.GreaterOrEqual(t, c.store.rc.RemainingCost(), int64(0), "size %d", size)
		c.wantExactUsage(t)
	}
}

// An update that does not grow is never refused, however unpopular its key.
func TestUpdatesOfAFullCacheAreKept(t *testing.T) {
	c := manual(t, Config{MaxBytes: 1 << 20})
	for i := range 10_000 {
		c.Get(key(i))
		c.Set(entry(key(i), 1))
	}
	c.applyAll()
	updated := 0
	for i := range 10_000 {
		if c.inStore(key(i)) == nil {
			continue
		}
		updated++
		e := entry(key(i), 2)
		c.Set(e)
		c.applyAll()
		require.Same(t, e, c.inStore(key(i)))
	}
	require.NotZero(t, updated)
}

func TestUsageIsExact(t *testing.T) {
	c := manual(t, Config{MaxBytes: 1 << 20})
	const sets = 20_000
	for i := range sets {
		e := entry(key(i), 1)
		e.Size = rand.Int64N(1000)
		c.Set(e)
	}
	c.applyAll()
	u := c.wantExactUsage(t)
	require.NotZero(t, u.Evicted+u.Rejected)
	require.EqualValues(t, sets, u.Entries+u.Evicted+u.Rejected)
	for range sets {
		if k := key(rand.IntN(sets)); rand.IntN(2) == 0 {
			c.Delete(k)
		} else {
			c.Set(&tier.Entry{Key: k, Size: rand.Int64N(5000) - 10})
		}
	}
	c.applyAll()
	c.wantExactUsage(t)
}

// Ristretto reports an eviction twice now and then, most when there is little to choose from.
func TestEvictionsAreCountedOnce(t *testing.T) {
	c := manual(t, Config{MaxBytes: 10_000, MaxEntryBytes: 8_000})
	sets := int64(0)
	for range 200 {
		for _, size := range []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 8_000} {
			e := entry(key(int(sets)), 1)
			e.Size = size
			c.Set(e)
			c.applyAll()
			sets++
		}
	}
	u := c.wantExactUsage(t)
	require.Equal(t, sets, u.Entries+u.Evicted+u.Rejected)
}

// wantExactUsage compares the counters with what ristretto holds; nothing may be staged.
func (c *Cache) wantExactUsage(t *testing.T) tier.Usage {
	t.Helper()
	var entries, bytes int64
	c.store.rc.IterValues(func(e *tier.Entry) bool {
		entries++
		bytes += cost(e)
		return false
	})
	u := c.Usage()
	assert.Equal(t, entries, u.Entries)
	assert.Equal(t, bytes, u.Bytes)
	assert.Equal(t, bytes, c.store.rc.MaxCost()-c.store.rc.RemainingCost())
	assert.LessOrEqual(t, u.Bytes, u.MaxBytes)
	return u
}
