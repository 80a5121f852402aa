package l1

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func expiring(i int, at time.Time) *tier.Entry {
	e := entry(key(i), 1)
	e.Expiry = at.UnixNano()
	return e
}

func TestSweepFreesExpiredEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := started(t, Config{})
		never, late := entry(key(1), 1), expiring(2, time.Now().Add(time.Hour))
		c.Set(never)
		c.Set(late)
		for i := range 5000 { // more than one chunk
			c.Set(expiring(10+i, time.Now().Add(30*time.Second)))
		}
		synctest.Wait()
		require.EqualValues(t, 5002, c.Usage().Entries)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 2, c.Usage().Entries)
		require.Zero(t, c.Usage().Evicted, "expiring is not evicting")
		wantHit(t, c, never, "without an expiry")
		wantHit(t, c, late, "not expired yet")
	})
}

func TestSweepGoesByTheClockItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := started(t, Config{SweepEvery: time.Second, Now: func() int64 { return 1000 }})
		past, future := entry(key(1), 1), entry(key(2), 1)
		past.Expiry, future.Expiry = 1000, 1001
		c.Set(past)
		c.Set(future)
		time.Sleep(time.Second)
		synctest.Wait()
		wantMiss(t, c, key(1), "expired")
		wantHit(t, c, future, "not expired")
	})
}

func TestSweepCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := started(t, Config{SweepEvery: -1})
		c.Set(expiring(1, time.Now().Add(time.Second)))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.EqualValues(t, 1, c.Usage().Entries)
	})
}

// The sweep has found an expired entry; before it drops it, a fresh one is set and applied.
func TestSweepSparesAFreshEntry(t *testing.T) {
	c := manual(t, Config{})
	expired, fresh := expiring(1, time.Unix(1, 0)), expiring(1, time.Now().Add(time.Hour))
	c.Set(expired)
	c.applyAll()
	c.Set(fresh)
	c.applyAll()
	c.dropAll([]*tier.Entry{expired})
	wantHit(t, c, fresh, "after the sweep")
	require.Same(t, fresh, c.inStore(key(1)))
}

// Close must not return while its goroutine runs. Here it hangs in the clock.
func TestCloseWaitsForTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := started(t, Config{SweepEvery: time.Second, Now: func() int64 { <-release; return 0 }})
		time.Sleep(time.Second)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			_ = c.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close has returned")
		default:
		}
		close(release)
		<-closed
	})
}
