package tiercache

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier/tiertest"
)

const crowd = 1000

// gather has many goroutines ask for one key and returns what each was told.
func gather(ctx context.Context, c *Cache[string], n int, compute ComputeFunc[string]) (values []string, errs []error) {
	values, errs = make([]string, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { values[i], errs[i] = c.GetOrCompute(ctx, "k", compute) })
	}
	wg.Wait()
	return values, errs
}

func quiet() Config {
	return Config{L1: tiertest.NewMapLocal(1 << 20), Logger: slog.New(slog.DiscardHandler)}
}

func TestFlightComputesOnceForACrowd(t *testing.T) {
	topologies := map[string]func() Config{
		"L1":      func() Config { return Config{L1: tiertest.NewMapLocal(1 << 20)} },
		"L2":      func() Config { return Config{L2: tiertest.NewMemory(0)} },
		"L1 + L2": func() Config { return Config{L1: tiertest.NewMapLocal(1 << 20), L2: tiertest.NewMemory(0)} },
	}
	for name, cfg := range topologies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache[string](t, cfg(), Policy{})
				var computes atomic.Int32
				values, errs := gather(t.Context(), c, crowd, func(context.Context, string) (string, error) {
					computes.Add(1)
					time.Sleep(time.Second)
					return "v", nil
				})
				for i := range crowd {
					require.NoError(t, errs[i])
					require.Equal(t, "v", values[i])
				}
				require.EqualValues(t, 1, computes.Load())
				require.EqualValues(t, crowd, c.e.Stats().Total.Computed)
			})
		})
	}
}

// A caller that comes between the landing and the end of the write to L2 finds no tier
// holding the value. It must be given the landed one.
func TestFlightIsJoinableUntilL2HasTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		slow.Always(tiertest.Fault{Delay: 50 * time.Millisecond}, tiertest.OpSet)
		c := newCache[string](t, Config{L2: slow}, Policy{})
		_, err := c.GetOrCompute(t.Context(), "k", value("v"))
		require.NoError(t, err)
		v, err := c.GetOrCompute(t.Context(), "k", forbidden[string](t))
		require.NoError(t, err)
		require.Equal(t, "v", v)
	})
}

func TestCallerLeavesOnItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{})
		release := make(chan struct{})
		landed := make(chan string)
		go func() {
			v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
				<-release
				return "v", nil
			})
			assert.NoError(t, err)
			landed <- v
		}()
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err := c.GetOrCompute(ctx, "k", forbidden[string](t))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(begun), 301*time.Millisecond)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun = time.Now()
		_, err = c.GetOrCompute(ctx, "k", forbidden[string](t))
		require.ErrorIs(t, err, context.Canceled)
		require.Less(t, time.Since(begun), 1001*time.Millisecond)

		close(release)
		require.Equal(t, "v", <-landed)
	})
}

func TestLeaderLeavingHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{})
		var computes atomic.Int32
		compute := func(ctx context.Context, _ string) (string, error) {
			computes.Add(1)
			select {
			case <-time.After(time.Second):
				return "v", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		leader, leave := context.WithCancel(t.Context())
		go func() {
			_, err := c.GetOrCompute(leader, "k", compute)
			assert.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		go func() {
			time.Sleep(500 * time.Millisecond)
			leave()
		}()
		values, errs := gather(t.Context(), c, crowd, compute)
		for i := range crowd {
			require.NoError(t, errs[i])
			require.Equal(t, "v", values[i])
		}
		require.EqualValues(t, 1, computes.Load())
	})
}

type ctxKey struct{}

func TestComputeKeepsValuesAndNotTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{ComputeTimeout: 5 * time.Second})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, "traced"), time.Millisecond)
		defer cancel()
		done := make(chan struct{})
		_, err := c.GetOrCompute(ctx, "k", func(ctx context.Context, _ string) (string, error) {
			defer close(done)
			assert.Equal(t, "traced", ctx.Value(ctxKey{}))
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 5*time.Second, time.Until(deadline))
			time.Sleep(time.Second)
			assert.NoError(t, ctx.Err())
			return "v", nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		<-done
		synctest.Wait()
		v, err := c.Get(t.Context(), "k")
		require.NoError(t, err, "the value of a flight without callers is kept")
		require.Equal(t, "v", v)
	})
}

func TestPanicReachesEveryCaller(t *testing.T) {
	boom := errors.New("boom")
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, quiet(), Policy{})
		values, errs := gather(t.Context(), c, crowd, func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			panic(boom)
		})
		for i := range crowd {
			var p *PanicError
			require.ErrorAs(t, errs[i], &p)
			require.ErrorIs(t, errs[i], boom)
			require.Contains(t, string(p.Stack), "TestPanicReachesEveryCaller")
			require.Empty(t, values[i])
		}
		v, err := c.GetOrCompute(t.Context(), "k", value("v"))
		require.NoError(t, err)
		require.Equal(t, "v", v)
	})
}

func TestGoexitReachesEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, quiet(), Policy{})
		_, errs := gather(t.Context(), c, crowd, func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			runtime.Goexit()
			return "", nil
		})
		for i := range crowd {
			var p *PanicError
			require.ErrorAs(t, errs[i], &p)
			require.True(t, p.Goexit)
		}
		v, err := c.GetOrCompute(t.Context(), "k", value("v"))
		require.NoError(t, err)
		require.Equal(t, "v", v)
	})
}

// Whatever a compute does, its key is free at the hard limit, and what it returns later is
// dropped.
func TestKeyIsFreeAtTheHardLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{ComputeTimeout: time.Second})
		release := make(chan struct{})
		begun := time.Now()
		_, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
			<-release // deaf to its context
			return "late", nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "ComputeTimeout (1s)")
		require.Equal(t, time.Second, time.Since(begun))

		v, err := c.GetOrCompute(t.Context(), "k", value("next"))
		require.NoError(t, err)
		require.Equal(t, "next", v)
		v, err = c.Refresh(t.Context(), "k", value("forced"))
		require.NoError(t, err)
		require.Equal(t, "forced", v)

		close(release)
		synctest.Wait()
		v, err = c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "forced", v)
	})
}

// A caller that comes after an invalidation must not join a compute that began before it:
// what that read may be older than the invalidation.
func TestFencedFlightIsNotJoinable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: tiertest.NewMemory(0)}, Policy{})
		release := make(chan struct{})
		early := make(chan string)
		go func() {
			v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
				<-release
				return "old", nil
			})
			assert.NoError(t, err)
			early <- v
		}()
		synctest.Wait()
		require.NoError(t, c.Delete(t.Context(), "k"))

		v, err := c.GetOrCompute(t.Context(), "k", value("new"))
		require.NoError(t, err)
		require.Equal(t, "new", v)
		close(release)
		require.Equal(t, "old", <-early, "a call that overlaps the invalidation may get either")
		synctest.Wait()

		v, err = c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "new", v, "the late value is in no L1")
		require.NoError(t, c.Delete(t.Context(), "other"))
		c.e.fence.raiseFloor()
		v, err = c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "new", v, "nor in L2")
		require.EqualValues(t, 1, c.e.Stats().Total.Fenced)
	})
}

// The second look of a flight into L1: a caller that missed before another's flight landed
// and leads one after it must find the value.
func TestFlightLooksIntoL1Again(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	k := c.space.Key("k")
	entry, v := c.e.lookup(c.rules, k)
	require.Equal(t, miss, v)
	_, err := c.GetOrCompute(t.Context(), "k", value("v"))
	require.NoError(t, err)
	r, err := c.lookupSlow(t.Context(), k, forbidden[string](t), entry, v)
	require.NoError(t, err)
	require.Equal(t, "v", r.Value)
	require.Equal(t, FromL1, r.Source)
}

func TestRefreshComputesThoughThereIsAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: tiertest.NewMemory(0)}, Policy{})
		require.NoError(t, c.Set(t.Context(), "k", "v1"))
		var computes atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				v, err := c.Refresh(t.Context(), "k", func(context.Context, string) (string, error) {
					computes.Add(1)
					time.Sleep(time.Second)
					return "v2", nil
				})
				assert.NoError(t, err)
				assert.Equal(t, "v2", v)
			})
		}
		synctest.Wait()
		v, err := c.GetOrCompute(t.Context(), "k", forbidden[string](t))
		require.NoError(t, err)
		require.Equal(t, "v1", v, "others go on with what there is")
		wg.Wait()
		require.EqualValues(t, 1, computes.Load())
		v, err = c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "v2", v)

		_, err = c.Refresh(t.Context(), "k", func(context.Context, string) (string, error) { return "", io.EOF })
		require.ErrorIs(t, err, io.EOF, "a failing Refresh does not pretend")
	})
}
