package tiercache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier/tiertest"
)

var errSource = errors.New("source down")

func failing(context.Context, string) (string, error) { return "", errSource }

func TestStrictFollowerIsNotGivenAStaleValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, soft := range []bool{false, true} {
			lax := newCache[string](t, Config{}, Policy{TTL: time.Second, StaleFor: time.Hour, Jitter: -1, Beta: -1, SoftTimeout: 100 * time.Millisecond})
			strict := lax.With(Policy{StaleFor: -1})
			require.NoError(t, lax.Set(t.Context(), "k", "old"))
			time.Sleep(2 * time.Second)
			takes := 50 * time.Millisecond
			if soft {
				takes = time.Second
			}
			slow := func(context.Context, string) (string, error) { time.Sleep(takes); return "", errSource }
			go func() { _, _ = lax.GetOrCompute(context.Background(), "k", slow) }()
			synctest.Wait()
			v, err := strict.GetOrCompute(t.Context(), "k", slow)
			if err == nil {
				t.Errorf("soft=%t: strict handle got stale %q", soft, v)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

func TestFollowerFallsBackOnItsOwnStaleValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lax := newCache[string](t, Config{}, Policy{TTL: time.Second, StaleFor: time.Hour, Jitter: -1, Beta: -1, SoftTimeout: -1})
		strict := lax.With(Policy{StaleFor: -1})
		require.NoError(t, lax.Set(t.Context(), "k", "old"))
		time.Sleep(2 * time.Second)
		slow := func(context.Context, string) (string, error) { time.Sleep(50 * time.Millisecond); return "", errSource }
		go func() { _, _ = strict.GetOrCompute(context.Background(), "k", slow) }()
		synctest.Wait()
		v, err := lax.GetOrCompute(t.Context(), "k", slow)
		require.NoError(t, err)
		require.Equal(t, "old", v)
	})
}

func TestNobodyIsServedPastTheStaleWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{TTL: time.Second, StaleFor: time.Second, Jitter: -1, Beta: -1, SoftTimeout: 100 * time.Millisecond})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		time.Sleep(1900 * time.Millisecond)
		var n atomic.Int32
		slow := func(context.Context, string) (string, error) {
			n.Add(1)
			time.Sleep(20 * time.Second)
			return "new", nil
		}
		go func() { _, _ = c.GetOrCompute(context.Background(), "k", slow) }()
		time.Sleep(10 * time.Second) // 10 s past the end of the window
		r, err := c.Lookup(t.Context(), "k", slow)
		require.NoError(t, err)
		if r.Value == "old" {
			t.Errorf("got %q, stale=%t, age=%v, TTL+StaleFor is 2s", r.Value, r.Stale, r.Age)
		}
		time.Sleep(time.Minute)
	})
}

func TestL1TTLLeavesTheFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewMemory(0)
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2}, Policy{TTL: time.Minute, StaleFor: time.Hour, L1TTL: time.Second, SoftTimeout: -1, Jitter: -1, Beta: -1})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		time.Sleep(2 * time.Minute)
		v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { time.Sleep(2 * time.Second); return "", errSource })
		require.NoError(t, err)
		require.Equal(t, "old", v)
	})
}

func TestL1TTLIsThatOfTheHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := tiertest.NewMemory(0)
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: mem}, Policy{TTL: time.Hour})
		d := newCache[string](t, Config{L2: mem}, Policy{TTL: time.Hour})
		require.NoError(t, c.Set(t.Context(), "k", "v1"))
		require.NoError(t, d.Set(t.Context(), "k", "v2"))
		time.Sleep(time.Minute)
		v, err := c.With(Policy{L1TTL: time.Second}).Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "v2", v)
	})
}

func TestAbsenceIsNotFallenBackOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{TTL: time.Hour, AbsentTTL: time.Second, StaleFor: 24 * time.Hour, Jitter: -1})
		_, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { return "", ErrNotFound })
		require.ErrorIs(t, err, ErrNotFound)
		time.Sleep(20 * time.Hour)
		_, err = c.GetOrCompute(t.Context(), "k", failing)
		require.ErrorIs(t, err, errSource)
	})
}

func TestErrorTTLDoesNotStandInForBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{TTL: time.Second, StaleFor: time.Hour, ErrorTTL: time.Minute, Backoff: -1, Jitter: -1})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		time.Sleep(2 * time.Second)
		var n atomic.Int32
		f := func(context.Context, string) (string, error) { n.Add(1); return "", errSource }
		for range 3 {
			_, err := c.GetOrCompute(t.Context(), "k", f)
			require.NoError(t, err)
		}
		require.EqualValues(t, 3, n.Load())
	})
}

func TestBadHandleStaysBad(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	_, err := c.With(Policy{TTL: -1}).With(Policy{Jitter: 0.2}).GetOrCompute(t.Context(), "k", value("v"))
	require.Error(t, err)
}

func TestFailureCountDecays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := tiertest.NewMemory(0)
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: mem}, Policy{TTL: time.Second, StaleFor: time.Hour, Jitter: -1, Beta: -1})
		other := newCache[string](t, Config{L2: mem}, Policy{TTL: time.Second, StaleFor: time.Hour, Jitter: -1, Beta: -1})
		var n atomic.Int32
		f := func(context.Context, string) (string, error) { n.Add(1); return "", errSource }
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		for range 6 {
			time.Sleep(40 * time.Second)
			_, err := c.GetOrCompute(t.Context(), "k", f)
			require.NoError(t, err)
		}
		// the source is well for a week; another process computes, this one reads L2
		for range 7 {
			time.Sleep(24 * time.Hour)
			require.NoError(t, other.Set(t.Context(), "k", "new"))
			_, err := c.GetOrCompute(t.Context(), "k", f)
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Second)
		n.Store(0)
		_, _ = c.GetOrCompute(t.Context(), "k", f) // first failure after a week
		time.Sleep(5 * time.Second)
		_, _ = c.GetOrCompute(t.Context(), "k", f)
		require.EqualValues(t, 2, n.Load(), "Backoff is 1 s after a first failure")
	})
}
