package l1

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// makeHot puts an entry that is in ristretto into its hot place.
func (c *Cache) makeHot(t *testing.T, e *tier.Entry) {
	t.Helper()
	hot := c.hot.place(e.Key.Hash)
	hot.offer(e, hot.version.Load())
	require.Same(t, e, hot.get(e.Key))
}

func TestPopularEntriesGetHot(t *testing.T) {
	c := manual(t, Config{})
	e := entry(key(1), 1)
	c.Set(e)
	c.applyAll()
	hot := c.hot.place(e.Key.Hash)
	for range 10_000 {
		wantHit(t, c, e, "always")
	}
	require.Same(t, e, hot.get(e.Key))
}

func TestWhatLeavesRistrettoLeavesTheHotPlace(t *testing.T) {
	for name, leave := range map[string]func(c *Cache){
		"delete": func(c *Cache) { c.Delete(key(1)) },
		"set":    func(c *Cache) { c.Set(entry(key(1), 2)) },
		"close":  func(c *Cache) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := manual(t, Config{})
			e := entry(key(1), 1)
			c.Set(e)
			c.applyAll()
			c.makeHot(t, e)
			leave(c)
			if got, ok := c.Get(key(1)); ok {
				require.EqualValues(t, 2, got.Stamp)
			}
			c.applyAll()
			require.Nil(t, c.hot.place(e.Key.Hash).entry.Load())
			if got, ok := c.Get(key(1)); ok {
				require.EqualValues(t, 2, got.Stamp)
			}
		})
	}
}

// A Get has found the entry in ristretto; before it puts it into the hot place, the key is
// deleted and the tombstone applied.
func TestLateOfferIsRefused(t *testing.T) {
	c := manual(t, Config{})
	e := entry(key(1), 1)
	c.Set(e)
	c.applyAll()
	hot := c.hot.place(e.Key.Hash)
	version := hot.version.Load()
	require.Same(t, e, c.inStore(key(1)))
	c.Delete(key(1))
	c.applyAll()
	hot.offer(e, version)
	for range 100 {
		wantMiss(t, c, key(1), "after Delete")
	}
}

// Entries that have been evicted must not live on in hot places: they would hold memory
// that nobody counts.
func TestHotEntriesAreInTheStore(t *testing.T) {
	c := started(t, Config{MaxBytes: 1 << 20})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50_000 {
				k := key((i*7 + w) % 5_000)
				if _, ok := c.Get(k); !ok {
					c.Set(entry(k, 1))
				}
				if i%100 == 0 {
					c.Delete(k)
				}
			}
		})
	}
	wg.Wait()
	c.applyAll()
	hot := 0
	for i := range c.hot {
		if e := c.hot[i].entry.Load(); e != nil {
			hot++
			require.Same(t, e, c.inStore(e.Key))
		}
	}
	require.NotZero(t, hot)
	require.NotZero(t, c.Usage().Evicted)
}

func TestGetDoesNotAllocate(t *testing.T) {
	c := manual(t, Config{})
	e := entry(key(1), 1)
	c.Set(e)
	absent := key(2)
	hit := func() {
		if _, ok := c.Get(e.Key); !ok {
			t.Error("a miss")
		}
	}
	require.Zero(t, testing.AllocsPerRun(1000, hit), "a hit in the staging")
	c.applyAll()
	if raceEnabled {
		return // see TestHotEntriesAreNotEvicted
	}
	require.Zero(t, testing.AllocsPerRun(1000, hit), "a hit in ristretto")
	require.Zero(t, testing.AllocsPerRun(1000, func() { c.Get(absent) }), "a miss")
}
