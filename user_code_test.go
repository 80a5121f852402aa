package tiercache

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier/tiertest"
)

func TestObserverPanicLeavesNoFlightBehind(t *testing.T) {
	c := newCache[string](t, Config{Logger: slog.New(slog.DiscardHandler), Observer: &Observer{OnMiss: func(m MissEvent) {
		if m.Key == "b" {
			panic("metrics")
		}
	}}}, Policy{})
	func() {
		defer func() { recover() }()
		_, _ = c.GetOrComputeMany(t.Context(), []string{"a", "b"}, func(_ context.Context, ids []string) (map[string]string, error) {
			return map[string]string{"a": "1", "b": "2"}, nil
		})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.GetOrCompute(ctx, "a", value("1"))
	require.NoError(t, err)
}

func TestObserverGoexitLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{Logger: slog.New(slog.DiscardHandler), Observer: &Observer{OnError: func(ErrorEvent) { runtime.Goexit() }}}, Policy{TTL: time.Second, StaleFor: time.Hour, SoftTimeout: -1, Jitter: -1})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		v, err := c.GetOrCompute(ctx, "k", failing)
		t.Log(v, err, time.Since(begun))
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestObserverPanicOnAFlightIsLogged(t *testing.T) {
	c := newCache[string](t, Config{Logger: slog.New(slog.DiscardHandler), Observer: &Observer{OnCompute: func(ComputeEvent) { panic("metrics") }}}, Policy{})
	_, err := c.GetOrCompute(t.Context(), "k", value("v"))
	t.Log(err)
}

func TestPanicInSizeOfWhileOpeningIsAMiss(t *testing.T) {
	l2 := tiertest.NewMemory(0)
	a := newCache[string](t, Config{L2: l2}, Policy{})
	require.NoError(t, a.Set(t.Context(), "k", "v"))
	b := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2}, Policy{}, WithSizeOf(func(string) int { panic("size") }))
	_, err := b.GetOrCompute(t.Context(), "k", value("x"))
	t.Log(err)
}

func TestPanicInCloneReachesTheCaller(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{}, WithClone(func(string) string { panic("clone") }))
	require.NotPanics(t, func() {
		_, err := c.GetOrCompute(t.Context(), "k", value("v"))
		var p *PanicError
		require.ErrorAs(t, err, &p)
	})
}

func TestPanicWithErrNotFoundIsAPanic(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	_, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { panic(fmt.Errorf("must: %w", ErrNotFound)) })
	var p *PanicError
	require.ErrorAs(t, err, &p)
}

func TestErrMissFromABatchComputeIsAnError(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	m, err := c.GetOrComputeMany(t.Context(), []string{"a"}, func(context.Context, []string) (map[string]string, error) {
		return nil, fmt.Errorf("reading the session cache: %w", ErrMiss)
	})
	require.Error(t, err, "%v", m)
}

func TestNilContextLeavesNothingBehind(t *testing.T) {
	e, _ := New(Config{L1: tiertest.NewMapLocal(1 << 20), Policy: Policy{TTL: time.Minute}})
	c, _ := NewCache[string](e, "s", Policy{})
	func() {
		defer func() { t.Log(recover()) }()
		_, _ = c.GetOrComputeMany(nil, []string{"a"}, func(context.Context, []string) (map[string]string, error) { return nil, nil }) //nolint:staticcheck // the point
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.GetOrCompute(ctx, "a", value("v"))
	cctx, cancel2 := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel2()
	cerr := e.Close(cctx)
	require.NoError(t, err)
	require.NoError(t, cerr)
}

type shortBatch struct{ *tiertest.Memory }

func TestShortBatchIsAFailureOfL2(t *testing.T) {
	c := newCache[string](t, Config{L2: shortBatch{tiertest.NewMemory(0)}}, Policy{})
	_, err := c.GetOrComputeMany(t.Context(), []string{"a"}, func(context.Context, []string) (map[string]string, error) {
		return map[string]string{"a": "1"}, nil
	})
	require.NoError(t, err)
}

func TestHardLimitIsAComputeError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{}, Policy{ComputeTimeout: time.Second})
		_, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { time.Sleep(2 * time.Second); return "v", nil })
		require.Error(t, err)
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 1, c.e.Stats().Total.ComputeErrors)
	})
}

func TestFailedBatchCountsEachCompute(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	_, _ = c.GetOrComputeMany(t.Context(), []string{"a", "b", "c"}, func(context.Context, []string) (map[string]string, error) { return nil, errSource })
	s := c.e.Stats().Total
	require.Equal(t, s.Computes, s.ComputeErrors)
}
