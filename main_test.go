package tiercache

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/tier/tiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEngine starts an engine that is closed, and checked, when the test ends.
func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.L1 == nil && cfg.L2 == nil {
		cfg.L1 = tiertest.NewMapLocal(1 << 20)
	}
	if cfg.Policy.TTL == 0 {
		cfg.Policy.TTL = time.Minute
	}
	e, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { closeEngine(t, e) })
	return e
}

// closeEngine drains the engine and checks what must hold after every test.
func closeEngine(t testing.TB, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, e.Close(ctx))
	require.Zero(t, e.flights.running(), "flights left behind")
}

// newCache returns a cache on an engine of its own.
func newCache[V any](t testing.TB, cfg Config, p Policy, opts ...Option[V]) *Cache[V] {
	t.Helper()
	c, err := NewCache(newEngine(t, cfg), "test", p, opts...)
	require.NoError(t, err)
	return c
}

// value is a compute that always gives v.
func value[V any](v V) ComputeFunc[V] {
	return func(context.Context, string) (V, error) { return v, nil }
}

// forbidden is a compute that must not run.
func forbidden[V any](t testing.TB) ComputeFunc[V] {
	return func(context.Context, string) (v V, _ error) {
		t.Error("computed")
		return v, nil
	}
}
