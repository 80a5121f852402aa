package tiercache

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// numbered is a compute that gives "v1", "v2", …, each after the given time.
func numbered(n *atomic.Int32, takes time.Duration) ComputeFunc[string] {
	return func(context.Context, string) (string, error) {
		i := n.Add(1)
		time.Sleep(takes)
		return fmt.Sprintf("v%d", i), nil
	}
}

// inTiers runs a test with L1, with L2, and with both, in a bubble each.
func inTiers(t *testing.T, test func(t *testing.T, cfg Config)) {
	for name, cfg := range map[string]func() Config{
		"L1":      quiet,
		"L2":      func() Config { c := quiet(); c.L1, c.L2 = nil, tiertest.NewMemory(0); return c },
		"L1 + L2": func() Config { c := quiet(); c.L2 = tiertest.NewMemory(0); return c },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, cfg()) })
		})
	}
}

func TestValueLivesForItsTTL(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, Jitter: -1})
		var n atomic.Int32
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "v1"}, {59 * time.Second, "v1"}, {2 * time.Second, "v2"}} {
			time.Sleep(step.after)
			v, err := c.GetOrCompute(t.Context(), "k", numbered(&n, 0))
			require.NoError(t, err)
			require.Equal(t, step.want, v)
			synctest.Wait()
		}
	})
}

func TestJitterSpreadsLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{TTL: 100 * time.Second, Jitter: 0.5})
		left := make(map[time.Duration]bool)
		for i := range 50 {
			r, err := c.Lookup(t.Context(), fmt.Sprint(i), value("v"))
			require.NoError(t, err)
			require.LessOrEqual(t, r.TTL, 100*time.Second)
			require.Greater(t, r.TTL, 49*time.Second)
			left[r.TTL.Truncate(time.Second)] = true
		}
		require.Greater(t, len(left), 20)
	})
}

// With reads all the time, a value is renewed before it expires and no caller waits.
func TestEarlyRefreshMakesNobodyWait(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		// With Beta 3, no refresh before it would be too late has a chance of e^-43.
		c := newCache[string](t, cfg, Policy{TTL: 10 * time.Second, Jitter: -1, Beta: 3})
		var n atomic.Int32
		for i := range 10_000 {
			begun := time.Now()
			_, err := c.GetOrCompute(t.Context(), "k", numbered(&n, 100*time.Millisecond))
			require.NoError(t, err)
			if i > 0 {
				require.Zero(t, time.Since(begun), "call %d", i)
			}
			time.Sleep(5 * time.Millisecond)
		}
		// 50 s of reads, a life of 10 s less about 1.4 s of earliness each.
		stats := c.e.Stats().Total
		require.InDelta(t, 6.8, n.Load(), 1.5)
		require.EqualValues(t, n.Load()-1, stats.EarlyRefreshes)
		require.EqualValues(t, n.Load(), stats.Computes)
	})
}

// A refresh that is still running when its value expires: from then on callers wait for it,
// unless the policy lets them have stale values.
func TestSlowEarlyRefreshDoesNotStretchTheTTL(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: 10 * time.Second, Jitter: -1})
		var n atomic.Int32
		_, err := c.GetOrCompute(t.Context(), "k", numbered(&n, 2*time.Second))
		require.NoError(t, err)
		for c.e.Stats().Total.EarlyRefreshes == 0 {
			r, err := c.Lookup(t.Context(), "k", numbered(&n, 20*time.Second))
			require.NoError(t, err)
			require.Equal(t, "v1", r.Value)
			require.Positive(t, r.TTL)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		begun := time.Now()
		v, err := c.GetOrCompute(t.Context(), "k", forbidden[string](t))
		require.NoError(t, err)
		require.Equal(t, "v2", v)
		require.Greater(t, time.Since(begun), time.Second)
	})
}

// Two processes over one L2: a process whose copy wants renewing takes what the other has
// computed meanwhile.
func TestEarlyRefreshTakesANewerVersionFromL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewMemory(0)
		var caches []*Cache[string]
		for range 2 {
			c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2}, Policy{TTL: 10 * time.Second, Jitter: -1})
			caches = append(caches, c)
		}
		var n atomic.Int32
		compute := numbered(&n, 100*time.Millisecond)
		for range 2000 {
			for _, c := range caches {
				_, err := c.GetOrCompute(t.Context(), "k", compute)
				require.NoError(t, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		// 10 s: one renewal, begun by each process at most once, mostly by one.
		require.LessOrEqual(t, n.Load(), int32(3))
		require.GreaterOrEqual(t, n.Load(), int32(2))
	})
}

func TestSoftTimeoutAnswersStaleAndGoesOn(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, StaleFor: time.Hour, SoftTimeout: 100 * time.Millisecond, Jitter: -1, Beta: -1})
		var n atomic.Int32
		compute := numbered(&n, time.Second)
		_, err := c.GetOrCompute(t.Context(), "k", compute)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)

		begun := time.Now()
		r, err := c.Lookup(t.Context(), "k", compute)
		require.NoError(t, err)
		require.Equal(t, "v1", r.Value)
		require.True(t, r.Stale)
		require.Negative(t, r.TTL)
		require.Equal(t, 100*time.Millisecond, time.Since(begun))

		begun = time.Now()
		r, err = c.Lookup(t.Context(), "k", compute)
		require.NoError(t, err)
		require.True(t, r.Stale)
		require.Zero(t, time.Since(begun), "a late caller of the same flight does not wait anew")

		time.Sleep(time.Second)
		v, err := c.GetOrCompute(t.Context(), "k", compute)
		require.NoError(t, err)
		require.Equal(t, "v2", v)
		require.EqualValues(t, 2, n.Load())
		require.EqualValues(t, 2, c.e.Stats().Total.Stale)
	})
}

func TestSoftTimeoutOffWaitsForTheFlight(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, StaleFor: time.Hour, SoftTimeout: -1, Jitter: -1})
		var n atomic.Int32
		for _, want := range []string{"v1", "v2"} {
			v, err := c.GetOrCompute(t.Context(), "k", numbered(&n, 5*time.Second))
			require.NoError(t, err)
			require.Equal(t, want, v)
			time.Sleep(2 * time.Minute)
		}
	})
}

func TestStaleOnErrorBacksOff(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		told := make(chan string, 100)
		cfg.Observer = &Observer{OnError: func(ev ErrorEvent) { told <- ev.Op + ": " + ev.Err.Error() }}
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, StaleFor: time.Hour, Backoff: time.Second, Jitter: -1})
		_, err := c.GetOrCompute(t.Context(), "k", value("v1"))
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)

		var attempts atomic.Int32
		failing := func(context.Context, string) (string, error) {
			attempts.Add(1)
			return "", io.ErrUnexpectedEOF
		}
		for range 7000 { // 7 s of reads: attempts at 0, 1, 3 and, but for rounding, 7 s
			r, err := c.Lookup(t.Context(), "k", failing)
			require.NoError(t, err)
			require.Equal(t, "v1", r.Value)
			require.True(t, r.Stale)
			time.Sleep(time.Millisecond)
		}
		require.EqualValues(t, 3, attempts.Load())
		require.Equal(t, "compute: unexpected EOF", <-told)

		time.Sleep(10 * time.Second)
		v, err := c.GetOrCompute(t.Context(), "k", value("v2"))
		require.NoError(t, err)
		require.Equal(t, "v2", v)
		require.False(t, c.e.failures.any.Load(), "success clears the record")
	})
}

func TestStaleEndsWithItsWindow(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, StaleFor: time.Minute, Jitter: -1})
		_, err := c.GetOrCompute(t.Context(), "k", value("v1"))
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		_, err = c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { return "", io.EOF })
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestErrorsAreRememberedOnlyWhenAsked(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		var attempts atomic.Int32
		failing := func(context.Context, string) (string, error) {
			attempts.Add(1)
			return "", io.EOF
		}
		for range 5 {
			_, err := c.GetOrCompute(t.Context(), "k", failing)
			require.ErrorIs(t, err, io.EOF)
		}
		require.EqualValues(t, 5, attempts.Load())

		asked := c.With(Policy{ErrorTTL: time.Second})
		for range 5 {
			_, err := asked.GetOrCompute(t.Context(), "k2", failing)
			require.ErrorIs(t, err, io.EOF)
		}
		require.EqualValues(t, 6, attempts.Load())
		time.Sleep(time.Second)
		_, err := asked.GetOrCompute(t.Context(), "k2", failing)
		require.ErrorIs(t, err, io.EOF)
		require.EqualValues(t, 7, attempts.Load())
		require.NoError(t, asked.Delete(t.Context(), "k2"))
		_, _ = asked.GetOrCompute(t.Context(), "k2", failing)
		require.EqualValues(t, 8, attempts.Load(), "an invalidation clears the record")
	})
}

func TestAbsentIsRememberedForAbsentTTL(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Hour, AbsentTTL: 10 * time.Second, Jitter: -1})
		var asked atomic.Int32
		absent := func(context.Context, string) (string, error) {
			asked.Add(1)
			return "ignored", fmt.Errorf("user: %w", ErrNotFound)
		}
		for range 3 {
			v, err := c.GetOrCompute(t.Context(), "k", absent)
			require.ErrorIs(t, err, ErrNotFound)
			require.Empty(t, v)
			synctest.Wait()
			_, err = c.Get(t.Context(), "k")
			require.ErrorIs(t, err, ErrNotFound)
			require.NotErrorIs(t, err, ErrMiss)
		}
		require.EqualValues(t, 1, asked.Load())
		time.Sleep(10 * time.Second)
		v, err := c.GetOrCompute(t.Context(), "k", value("v"))
		require.NoError(t, err)
		require.Equal(t, "v", v)

		off := c.With(Policy{AbsentTTL: -1})
		for range 2 {
			_, err = off.GetOrCompute(t.Context(), "k2", absent)
			require.ErrorIs(t, err, ErrNotFound)
		}
		require.EqualValues(t, 3, asked.Load())
	})
}

func TestL1TTLLooksIntoL2Again(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewMemory(0)
		a := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2}, Policy{TTL: time.Hour, L1TTL: time.Second})
		b := newCache[string](t, Config{L2: l2}, Policy{TTL: time.Hour})
		require.NoError(t, a.Set(t.Context(), "k", "v1"))
		require.NoError(t, b.Set(t.Context(), "k", "v2"))
		v, err := a.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "v1", v)
		time.Sleep(time.Second)
		v, err = a.GetOrCompute(t.Context(), "k", forbidden[string](t))
		require.NoError(t, err)
		require.Equal(t, "v2", v)
	})
}

func TestValueChoosesItsLifetimeTagsAndStorage(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache(t, cfg, Policy{TTL: time.Hour, Jitter: -1},
			WithTTLOf(func(_ string, v string) time.Duration {
				return map[string]time.Duration{"short": time.Second, "never": -1}[v]
			}),
			WithTagsOf(func(key, v string) []string { return []string{key, "all"} }),
			WithStoreIf(func(_, v string) bool { return v != "veto" }))
		for _, step := range []struct {
			value string
			ttl   time.Duration
			kept  bool
		}{{"short", time.Second, true}, {"policy", time.Hour, true}, {"never", -1, false}, {"veto", time.Hour, false}} {
			r, err := c.Lookup(t.Context(), step.value, value(step.value))
			require.NoError(t, err)
			require.Equal(t, step.value, r.Value)
			require.Equal(t, step.ttl, r.TTL)
			synctest.Wait()
			r, err = c.Lookup(t.Context(), step.value, nil)
			if !step.kept {
				require.ErrorIs(t, err, ErrMiss)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, []string{step.value, "all"}, r.Tags)
		}
		require.EqualValues(t, 2, c.e.Stats().Total.NotStored)
	})
}

func TestRevalidateIsGivenTheOldValue(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache(t, cfg, Policy{TTL: time.Minute, StaleFor: time.Hour, Jitter: -1, Beta: -1},
			WithRevalidate(func(_ context.Context, key, old string) (string, error) {
				if key == "unchanged" {
					return old, nil
				}
				return old + "+", nil
			}))
		for key, want := range map[string][]string{"unchanged": {"v", "v"}, "changed": {"v", "v+", "v++"}} {
			for _, w := range want {
				r, err := c.Lookup(t.Context(), key, value("v"))
				require.NoError(t, err)
				require.Equal(t, w, r.Value)
				require.False(t, r.Stale)
				time.Sleep(90 * time.Second)
			}
		}
	})
}

// A panic in an option is the flight's, not the process's.
func TestPanicInAnOptionReachesTheCaller(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache(t, cfg, Policy{}, WithStoreIf(func(string, string) bool { panic("in option") }))
		_, err := c.GetOrCompute(t.Context(), "k", value("v"))
		var p *PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, "in option", p.Value)
		require.ErrorAs(t, c.Set(t.Context(), "k", "v"), &p)
	})
}

func TestOversizedValueIsReturnedAndNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewMemory(0)
		c := newCache[[]byte](t, Config{L2: l2, MaxValueBytes: 1000}, Policy{})
		v, err := c.GetOrCompute(t.Context(), "k", value(make([]byte, 1001)))
		require.NoError(t, err)
		require.Len(t, v, 1001)
		synctest.Wait()
		require.Zero(t, l2.Len())
		require.ErrorContains(t, c.Set(t.Context(), "k", make([]byte, 1001)), "Config.MaxValueBytes (1000)")
		require.EqualValues(t, 2, c.e.Stats().Total.NotStored)
	})
}

func TestUnencodableValueIsReturnedAndNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[chan int](t, Config{L2: tiertest.NewMemory(0)}, Policy{})
		v, err := c.GetOrCompute(t.Context(), "k", value(make(chan int)))
		require.NoError(t, err)
		require.NotNil(t, v)
		require.ErrorContains(t, c.Set(t.Context(), "k", v), "encode a chan int")
	})
}

func TestCloneGuardsTheCachedValue(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache(t, cfg, Policy{}, WithClone(func(v []byte) []byte { return append([]byte(nil), v...) }))
		for range 3 {
			v, err := c.GetOrCompute(t.Context(), "k", value([]byte("good")))
			require.NoError(t, err)
			require.Equal(t, "good", string(v))
			copy(v, "evil")
		}
	})
}

func TestSealedSpaceKeepsMeaningAcrossEngines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewMemory(0)
		ring, err := NewKeyRing(SealKey{ID: 1, Secret: make([]byte, 32)})
		require.NoError(t, err)
		type doc struct{ Title string }
		a := newCache[doc](t, Config{L2: l2, KeyRing: ring}, Policy{})
		_, err = a.GetOrCompute(t.Context(), "k", value(doc{"secret title"}))
		require.NoError(t, err)
		synctest.Wait()
		raw, ok := l2.Raw(tier.NewKey("test", "k"))
		require.True(t, ok)
		assert.NotContains(t, string(raw), "secret")

		b := newCache[doc](t, Config{L2: l2, KeyRing: ring}, Policy{})
		v, err := b.GetOrCompute(t.Context(), "k", forbidden[doc](t))
		require.NoError(t, err)
		require.Equal(t, "secret title", v.Title)
	})
}
