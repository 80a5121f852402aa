package tiercache

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

func ids(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

// echo computes every missing id as itself and notes what it was asked for.
type echo struct {
	mu struct {
		sync.Mutex
		asked [][]string
	}
	takes time.Duration
}

func (e *echo) compute(_ context.Context, missing []string) (map[string]string, error) {
	e.mu.Lock()
	e.mu.asked = append(e.mu.asked, slices.Clone(missing))
	e.mu.Unlock()
	time.Sleep(e.takes)
	out := make(map[string]string)
	for _, id := range missing {
		out[id] = "v" + id
	}
	return out, nil
}

func TestManyComputesJustTheMissing(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		require.NoError(t, c.Set(t.Context(), "1", "v1"))
		var e echo
		got, err := c.GetOrComputeMany(t.Context(), []string{"0", "1", "2", "1"}, e.compute)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"0": "v0", "1": "v1", "2": "v2"}, got)
		require.Equal(t, [][]string{{"0", "2"}}, e.mu.asked)
		synctest.Wait()
		got, err = c.GetOrComputeMany(t.Context(), ids(0, 3), e.compute)
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Len(t, e.mu.asked, 1)
		for _, id := range ids(0, 3) {
			v, err := c.GetOrCompute(t.Context(), id, forbidden[string](t))
			require.NoError(t, err)
			require.Equal(t, "v"+id, v)
		}
	})
}

func TestManySharesFlightsKeyByKey(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		e := echo{takes: time.Second}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				got, err := c.GetOrComputeMany(t.Context(), ids(i, i+10), e.compute)
				assert.NoError(t, err)
				assert.Len(t, got, 10)
			})
			wg.Go(func() {
				v, err := c.GetOrCompute(t.Context(), strconv.Itoa(i), func(_ context.Context, key string) (string, error) {
					m, err := e.compute(t.Context(), []string{key})
					return m[key], err
				})
				assert.NoError(t, err)
				assert.Equal(t, "v"+strconv.Itoa(i), v)
			})
		}
		wg.Wait()
		var all []string
		for _, batch := range e.mu.asked {
			all = append(all, batch...)
		}
		slices.Sort(all)
		require.Len(t, slices.Compact(slices.Clone(all)), len(all), "an id was computed twice")
		require.Len(t, all, 29)
	})
}

func TestManyLeavesOutWhatDoesNotExist(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		var calls atomic.Int32
		compute := func(_ context.Context, missing []string) (map[string]string, error) {
			calls.Add(1)
			return map[string]string{"a": "v", "unasked": "x"}, nil
		}
		for range 2 {
			got, err := c.GetOrComputeMany(t.Context(), []string{"a", "gone"}, compute)
			require.NoError(t, err)
			require.Equal(t, map[string]string{"a": "v"}, got)
			synctest.Wait()
		}
		require.EqualValues(t, 1, calls.Load(), "absence is remembered")
		_, err := c.Get(t.Context(), "gone")
		require.ErrorIs(t, err, ErrNotFound)
		_, err = c.Get(t.Context(), "unasked")
		require.ErrorIs(t, err, ErrMiss)
	})
}

func TestManyKeepsTheGoodPartOfAFailure(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		require.NoError(t, c.Set(t.Context(), "have", "v"))
		got, err := c.GetOrComputeMany(t.Context(), []string{"have", "good", "bad1", "bad2"}, func(context.Context, []string) (map[string]string, error) {
			return map[string]string{"good": "v"}, io.EOF
		})
		require.ErrorIs(t, err, io.EOF)
		require.ErrorContains(t, err, "2 of 4 keys failed")
		require.Equal(t, map[string]string{"have": "v", "good": "v"}, got)
		synctest.Wait()
		v, err := c.Get(t.Context(), "good")
		require.NoError(t, err)
		require.Equal(t, "v", v)
		_, err = c.Get(t.Context(), "bad1")
		require.ErrorIs(t, err, ErrMiss)
	})
}

func TestManySurvivesPanicGoexitAndTimeout(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{ComputeTimeout: time.Second})
		release := make(chan struct{})
		for name, compute := range map[string]func(context.Context, []string) (map[string]string, error){
			"panic":  func(context.Context, []string) (map[string]string, error) { panic("boom") },
			"goexit": func(context.Context, []string) (map[string]string, error) { runtime.Goexit(); return nil, nil },
		} {
			got, err := c.GetOrComputeMany(t.Context(), ids(0, 3), compute)
			var p *PanicError
			require.ErrorAs(t, err, &p, name)
			require.Empty(t, got)
		}
		_, err := c.GetOrComputeMany(t.Context(), ids(0, 3), func(context.Context, []string) (map[string]string, error) {
			<-release
			return map[string]string{"0": "late"}, nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var e echo
		got, err := c.GetOrComputeMany(t.Context(), ids(0, 3), e.compute)
		require.NoError(t, err)
		require.Len(t, got, 3)
		close(release)
		synctest.Wait()
		v, err := c.Get(t.Context(), "0")
		require.NoError(t, err)
		require.Equal(t, "v0", v)
	})
}

func TestManyLeavesOnItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{})
		require.NoError(t, c.Set(t.Context(), "have", "v"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		e := echo{takes: time.Second}
		begun := time.Now()
		got, err := c.GetOrComputeMany(ctx, []string{"have", "a", "b"}, e.compute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, map[string]string{"have": "v"}, got)
		require.Less(t, time.Since(begun), 11*time.Millisecond)
		time.Sleep(2 * time.Second)
		v, err := c.Get(t.Context(), "a")
		require.NoError(t, err, "the flights have landed")
		require.Equal(t, "va", v)
	})
}

func TestManyRefreshesEarlyInOneCompute(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		// With Beta 3, no refresh before it would be too late has a chance of e^-43.
		c := newCache[string](t, cfg, Policy{TTL: 10 * time.Second, Jitter: -1, Beta: 3})
		e := echo{takes: 200 * time.Millisecond}
		keys := ids(0, 20)
		_, err := c.GetOrComputeMany(t.Context(), keys, e.compute)
		require.NoError(t, err)
		for range 5000 { // 50 s
			time.Sleep(10 * time.Millisecond)
			begun := time.Now()
			got, err := c.GetOrComputeMany(t.Context(), keys, e.compute)
			require.NoError(t, err)
			require.Len(t, got, 20)
			require.Zero(t, time.Since(begun), "a caller waited")
		}
		require.Positive(t, c.e.Stats().Total.EarlyRefreshes)
	})
}

func TestManyFallsBackOnStale(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Minute, StaleFor: time.Hour, Jitter: -1})
		require.NoError(t, c.SetMany(t.Context(), map[string]string{"a": "1", "b": "2"}))
		time.Sleep(2 * time.Minute)
		for range 2 { // the second meets the back-off
			got, err := c.GetOrComputeMany(t.Context(), []string{"a", "b"}, func(context.Context, []string) (map[string]string, error) {
				return nil, io.EOF
			})
			require.NoError(t, err)
			require.Equal(t, map[string]string{"a": "1", "b": "2"}, got)
		}
		require.EqualValues(t, 4, c.e.Stats().Total.Stale)
	})
}

func TestManyRefusesBadKeysBeforeDoingAnything(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	var e echo
	_, err := c.GetOrComputeMany(t.Context(), []string{"a", ""}, e.compute)
	require.ErrorIs(t, err, ErrBadKey)
	require.ErrorContains(t, err, "number 2 of 2")
	require.Empty(t, e.mu.asked)
	_, err = c.GetOrComputeMany(t.Context(), []string{"a"}, nil)
	require.ErrorIs(t, err, errNilCompute)
	got, err := c.GetOrComputeMany(t.Context(), nil, e.compute)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Empty(t, e.mu.asked)
}

// A Remote without batches, and one whose batch fails as a whole.
func TestManyWithoutBatchesAndWithoutL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := tiertest.NewMemory(0)
		c := newCache[string](t, Config{L2: struct{ tier.Remote }{mem}}, Policy{})
		var e echo
		for range 2 {
			got, err := c.GetOrComputeMany(t.Context(), ids(0, 50), e.compute)
			require.NoError(t, err)
			require.Len(t, got, 50)
			synctest.Wait()
		}
		require.Len(t, e.mu.asked, 1)
		require.Equal(t, 50, mem.Len())

		down := tiertest.NewFaulty(mem, 1)
		down.Always(tiertest.Fault{Err: errors.New("down")})
		d := newCache[string](t, Config{L2: down}, Policy{})
		got, err := d.GetOrComputeMany(t.Context(), ids(0, 50), e.compute)
		require.NoError(t, err)
		require.Len(t, got, 50)
	})
}
