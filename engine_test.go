package tiercache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

func TestCloseLandsWhatIsRunning(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		mem, _ := cfg.L2.(*tiertest.Memory)
		e, err := New(cfg)
		require.NoError(t, err)
		c, err := NewCache[string](e, "test", Policy{TTL: time.Hour})
		require.NoError(t, err)
		landed := make(chan string, 1)
		go func() {
			v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
				time.Sleep(time.Second)
				return "v", nil
			})
			assert.NoError(t, err)
			landed <- v
		}()
		synctest.Wait()
		require.NoError(t, e.Close(t.Context()))
		require.Equal(t, "v", <-landed)
		if mem != nil {
			require.Equal(t, 1, mem.Len(), "the value was on its way to L2")
		}
		require.NoError(t, e.Close(t.Context()), "a second Close does nothing")
		for name, call := range map[string]func() error{
			"GetOrCompute": func() error { _, err := c.GetOrCompute(t.Context(), "k", forbidden[string](t)); return err },
			"Many": func() error {
				_, err := c.GetOrComputeMany(t.Context(), []string{"k"}, (&echo{}).compute)
				return err
			},
			"Get":     func() error { _, err := c.Get(t.Context(), "k"); return err },
			"GetMany": func() error { _, err := c.GetMany(t.Context(), []string{"k"}); return err },
			"Refresh": func() error { _, err := c.Refresh(t.Context(), "k", forbidden[string](t)); return err },
			"Set":     func() error { return c.Set(t.Context(), "k", "v") },
			"Delete":  func() error { return c.Delete(t.Context(), "k") },
		} {
			require.ErrorIs(t, call(), ErrClosed, name)
		}
		require.Equal(t, Down, e.Health(t.Context()).Status)
	})
}

func TestCloseGivesUpAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(quiet())
		require.NoError(t, err)
		c, err := NewCache[string](e, "test", Policy{TTL: time.Hour})
		require.NoError(t, err)
		var wg sync.WaitGroup
		release := make(chan struct{})
		for name, compute := range map[string]ComputeFunc[string]{
			"obeys": func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) },
			"deaf":  func(context.Context, string) (string, error) { <-release; return "late", nil },
		} {
			wg.Go(func() {
				_, err := c.GetOrCompute(t.Context(), name, compute)
				assert.ErrorIs(t, err, ErrClosed, name)
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err = e.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "2 calls and flights")
		require.Equal(t, time.Second, time.Since(begun))
		wg.Wait()
		close(release)
	})
}

// Close beside everything else, on the real L1: no panic, no race, and every call is
// answered with a value or ErrClosed.
func TestCloseUnderLoad(t *testing.T) {
	for range 200 {
		local, err := l1.New(l1.Config{MaxBytes: 1 << 20})
		require.NoError(t, err)
		e, err := New(Config{L1: local, L2: tiertest.NewMemory(0)})
		require.NoError(t, err)
		c, err := NewCache[string](e, "test", Policy{TTL: time.Hour})
		require.NoError(t, err)
		fine := func(err error) bool { return err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrMiss) }
		var wg, running sync.WaitGroup
		running.Add(4)
		for i := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					if n == 10 {
						running.Done()
					}
					k := strconv.Itoa(n % 50)
					var err error
					switch (n + i) % 4 {
					case 0, 1:
						_, err = c.GetOrCompute(t.Context(), k, value("v"))
					case 2:
						err = c.Set(t.Context(), k, "v")
					case 3:
						err = c.Delete(t.Context(), k)
					}
					if !assert.True(t, fine(err), "%v", err) || errors.Is(err, ErrClosed) {
						return
					}
				}
			})
		}
		running.Wait()
		require.NoError(t, e.Close(t.Context()))
		wg.Wait() // they go on until they are told
		require.Zero(t, e.flights.running())
	}
}

func TestStatsAddUp(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{StaleFor: time.Hour, TTL: time.Minute, Jitter: -1})
		asked := uint64(0)
		for i := range 200 {
			asked++
			k := strconv.Itoa(i % 7)
			switch i % 5 {
			case 0, 1:
				_, _ = c.GetOrCompute(t.Context(), k, value("v"))
			case 2:
				_, _ = c.Get(t.Context(), k)
			case 3:
				_, _ = c.Lookup(t.Context(), k, func(context.Context, string) (string, error) { return "", io.EOF })
			case 4:
				_, _ = c.GetOrComputeMany(t.Context(), []string{k, "x"}, (&echo{}).compute)
				asked++
			}
			if i%20 == 19 {
				time.Sleep(2 * time.Minute)
			}
			synctest.Wait()
		}
		s := c.e.Stats()
		require.Equal(t, asked, s.Total.Calls())
		require.Equal(t, s.Total, s.Spaces["test"])
		require.Positive(t, s.Total.Stale)
		require.Positive(t, s.Total.Computed)
		require.Zero(t, s.Flights)
	})
}

func TestObserverIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		note := func(s string) { mu.Lock(); told = append(told, s); mu.Unlock() }
		cfg := quiet()
		cfg.L2 = tiertest.NewMemory(0)
		cfg.Observer = &Observer{
			OnHit:     func(h HitEvent) { note("hit " + h.Key + " " + h.Source.String()) },
			OnMiss:    func(m MissEvent) { note("miss " + m.Space + " " + m.Key) },
			OnCompute: func(c ComputeEvent) { note("compute " + c.Key + " " + c.Duration.String()) },
		}
		c := newCache[string](t, cfg, Policy{})
		_, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			return "v", nil
		})
		require.NoError(t, err)
		_, _ = c.GetOrCompute(t.Context(), "k", forbidden[string](t))
		synctest.Wait()
		c.e.fence.raiseFloor()
		_, _ = c.GetOrCompute(t.Context(), "k", forbidden[string](t))
		require.Equal(t, []string{"miss test k", "compute k 1s", "hit k l1", "miss test k", "hit k l2"}, told)
	})
}

func TestPanicsAreLoggedWithoutKeysAndValues(t *testing.T) {
	var log bytes.Buffer
	cfg := Config{L1: tiertest.NewMapLocal(1 << 20), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	c := newCache[string](t, cfg, Policy{})
	_, err := c.GetOrCompute(t.Context(), "canary-key", func(context.Context, string) (string, error) { panic("canary-value") })
	require.Error(t, err)
	require.Contains(t, log.String(), "a compute panicked")
	require.Contains(t, log.String(), "space=test")
	require.NotContains(t, log.String(), "canary")
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		both := newEngine(t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2})
		h := both.Health(t.Context())
		require.Equal(t, Health{Status: Healthy, L1: TierHealth{Status: Healthy}, L2: TierHealth{Status: Healthy}}, h)

		l2.Always(tiertest.Fault{Err: errors.New("refused")})
		h = both.Health(t.Context())
		require.Equal(t, Degraded, h.Status)
		require.Equal(t, TierHealth{Status: Down, Reason: "refused"}, h.L2)

		l2.Heal()
		l2.Always(tiertest.Fault{Lost: true}, tiertest.OpSet)
		h = both.Health(t.Context())
		require.Equal(t, Down, h.L2.Status, "a tier that loses writes is not healthy")

		l2.Heal()
		l2.Always(tiertest.Fault{Hang: true})
		begun := time.Now()
		h = both.Health(t.Context())
		require.Equal(t, Down, h.L2.Status)
		require.Equal(t, 100*time.Millisecond, time.Since(begun), "within the L2 budget")

		only := newEngine(t, Config{L2: l2})
		h = only.Health(t.Context())
		require.Equal(t, Down, h.Status)
		require.Equal(t, Off, h.L1.Status)
		require.Equal(t, []string{"off", "healthy", "degraded", "down"}, []string{Off.String(), Healthy.String(), Degraded.String(), Down.String()})
	})
}

func TestMemoize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int](t, Config{}, Policy{})
		calls := 0
		square := Memoize(c, strconv.Itoa, func(_ context.Context, n int) (int, error) { calls++; return n * n, nil })
		for range 3 {
			v, err := square(t.Context(), 7)
			require.NoError(t, err)
			require.Equal(t, 49, v)
		}
		require.Equal(t, 1, calls)
	})
}

func TestClockNapsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() { c.run(stop); close(done) }()
		read := func() {
			t.Helper()
			late := time.Duration(time.Now().UnixNano() - c.coarse())
			assert.GreaterOrEqual(t, late, time.Duration(0))
			assert.LessOrEqual(t, late, tickEvery+time.Nanosecond) // the tick is even
		}
		for range 300 {
			read()
			time.Sleep(700 * time.Microsecond)
		}
		require.NotZero(t, c.tick.Load())
		time.Sleep(time.Second)
		require.Zero(t, c.tick.Load(), "nobody reads: the goroutine sleeps")
		read()
		time.Sleep(5 * time.Millisecond)
		require.NotZero(t, c.tick.Load(), "a reader has woken it")
		read()
		close(stop)
		<-done
		time.Sleep(time.Hour)
		read()
	})
}

func TestFailuresAreBounded(t *testing.T) {
	var f failures
	r := Policy{TTL: 1, Backoff: time.Second}.settle()
	for i := range maxFailures + 100 {
		f.note(tier.NewKey("s", strconv.Itoa(i)), io.EOF, 0, r)
	}
	require.Len(t, f.mu.byKey, maxFailures)
	require.True(t, f.resting(tier.NewKey("s", strconv.Itoa(maxFailures+99)), int64(time.Second)-1))
	require.False(t, f.resting(tier.NewKey("s", strconv.Itoa(maxFailures+99)), int64(time.Second)))
}

func TestEstimateSize(t *testing.T) {
	type node struct {
		Name string
		Next *node
		Tags []string
		M    map[string]int
	}
	deep := &node{Name: "0123456789"}
	deep.Next = deep // a cycle
	long := make([]string, 1_000_000)
	for i := range long {
		long[i] = "0123456789"
	}
	for _, c := range []struct {
		name     string
		v        any
		min, max int64
	}{
		{"nil", nil, 0, 0},
		{"int", 7, 8, 8},
		{"string", "0123456789", 26, 26},
		{"bytes", make([]byte, 1000), 1024, 1024},
		{"nil pointer", (*node)(nil), 8, 8},
		{"struct", node{Name: "0123456789", Tags: []string{"ab", "cd"}, M: map[string]int{"k": 1}}, 100, 200},
		{"cycle", deep, 58, 10_000},
		{"long slice, sampled", long, 26_000_000, 26_000_100},
		{"array of pointers", [2]*node{{}, {}}, 16, 1000},
	} {
		got := estimateSize(c.v)
		assert.GreaterOrEqual(t, got, c.min, c.name)
		assert.LessOrEqual(t, got, c.max, c.name)
	}
}

func TestWithSizeOfSetsTheWeight(t *testing.T) {
	local := tiertest.NewMapLocal(10_000)
	c := newCache(t, Config{L1: local}, Policy{}, WithSizeOf(func(v string) int { return 4000 }))
	for _, k := range []string{"a", "b", "c"} {
		require.NoError(t, c.Set(t.Context(), k, "tiny"))
	}
	u := local.Usage()
	require.EqualValues(t, 2, u.Entries)
	require.EqualValues(t, 2*(4000+5), u.Bytes)
}

// Values of an interface type may be nil, and nil is a value.
func TestNilInterfaceIsAValue(t *testing.T) {
	c := newCache[error](t, Config{}, Policy{})
	for range 2 {
		v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (error, error) { return nil, nil })
		require.NoError(t, err)
		require.NoError(t, v)
	}
	require.EqualValues(t, 1, c.e.Stats().Total.Computes)
}
