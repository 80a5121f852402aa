package l1

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShutWaitsForReaders(t *testing.T) {
	var g gate
	inside := g.lane()
	require.True(t, inside.enter())
	shut := make(chan struct{})
	go func() {
		g.shut()
		close(shut)
	}()
	for inside.inside.Load() > 0 { // until the gate is shut
		runtime.Gosched()
	}
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case <-shut:
		t.Fatal("shut has returned with a reader inside")
	default:
	}
	require.False(t, g.lane().enter(), "a reader got in")
	g.lane().leave()
	inside.leave()
	<-shut
}

// Close must not close ristretto under the feet of a reader, or of a round.
func TestCloseWaitsForThoseInside(t *testing.T) {
	t.Run("reader", func(t *testing.T) {
		c := manual(t, Config{})
		inside := c.gate.lane()
		require.True(t, inside.enter())
		c.closesOnlyAfter(t, inside.leave)
	})
	t.Run("round", func(t *testing.T) {
		c := manual(t, Config{})
		c.round.Lock()
		c.closesOnlyAfter(t, c.round.Unlock)
	})
}

// Close is held up by one reader: no other may go into ristretto any more.
func TestNobodyEntersOnceCloseHasBegun(t *testing.T) {
	c := manual(t, Config{})
	c.Set(entry(key(1), 1))
	c.applyAll()
	inside := c.gate.lane()
	require.True(t, inside.enter())
	closed := make(chan struct{})
	go func() {
		_ = c.Close()
		close(closed)
	}()
	for i := range c.gate.lanes {
		for c.gate.lanes[i].inside.Load() >= 0 {
			runtime.Gosched()
		}
	}
	require.NotNil(t, c.inStore(key(1)))
	_, ok := c.Get(key(1))
	inside.leave()
	<-closed
	require.False(t, ok, "a hit while Close waits")
}

func (c *Cache) closesOnlyAfter(t *testing.T, leave func()) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		_ = c.Close()
		close(closed)
	}()
	for range 50_000 { // plenty of time for Close to return if it does not wait
		runtime.Gosched()
		select {
		case <-closed:
			t.Fatal("Close has returned")
		default:
		}
	}
	leave()
	<-closed
}

// Ristretto panics, and the race detector reports, when its Close meets any other call.
func TestCloseBesideEverything(t *testing.T) {
	for range 300 {
		c := started(t, Config{MaxBytes: 1 << 20})
		for i := range 100 {
			c.Set(entry(key(i), 1))
		}
		c.applyAll()
		var wg, running sync.WaitGroup
		start := make(chan struct{})
		for w := range 4 {
			running.Add(1)
			wg.Go(func() {
				running.Done()
				<-start
				for i := range 400 {
					c.Get(key(i % 100))
					switch i % 8 {
					case w:
						c.Set(entry(key(i), 2))
					case w + 4:
						c.Delete(key(i))
					case 7:
						c.Usage()
					}
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				<-start
				runtime.Gosched()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				wantMiss(t, c, key(1), "after Close")
			})
		}
		running.Wait()
		close(start)
		wg.Wait()
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	c := started(t, Config{})
	for i := range 1000 {
		c.Set(entry(key(i), 1))
	}
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	c.Set(entry(key(1), 2))
	c.Delete(key(2))
	wantMiss(t, c, key(1), "after Close")
	u := c.Usage()
	require.Zero(t, u.Entries)
	require.Zero(t, u.Bytes)
	require.Zero(t, u.Evicted, "closing is not evicting")
}
