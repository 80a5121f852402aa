package tiercache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// What changes data is told the truth, within the budget, and takes effect here in any case.
func TestFaultyL2AndWrites(t *testing.T) {
	failure := errors.New("no")
	faults := map[string]struct {
		fault   tiertest.Fault
		took    time.Duration
		cause   error
		applied bool
	}{
		"hang":             {tiertest.Fault{Hang: true}, faultyBudget, context.DeadlineExceeded, false},
		"too slow":         {tiertest.Fault{Delay: time.Hour}, faultyBudget, context.DeadlineExceeded, false},
		"fail":             {tiertest.Fault{Err: failure}, 0, failure, false},
		"lose the answer":  {tiertest.Fault{Err: failure, Applied: true}, 0, failure, true},
		"answer, but late": {tiertest.Fault{Delay: 70 * time.Millisecond}, 70 * time.Millisecond, nil, true},
	}
	writes := map[string]struct {
		do func(ctx context.Context, c *Cache[string]) error
		// What is found in L2 when the write has reached it: nothing if it is empty.
		leaves string
		stale  bool
	}{
		"Delete": {do: func(ctx context.Context, c *Cache[string]) error { return c.Delete(ctx, "k") }},
		"Set":    {do: func(ctx context.Context, c *Cache[string]) error { return c.Set(ctx, "k", "newer") }, leaves: "newer"},
		"Expire": {do: func(ctx context.Context, c *Cache[string]) error { return c.Expire(ctx, "k") }, leaves: "old", stale: true},
		"SetMany": {do: func(ctx context.Context, c *Cache[string]) error {
			return c.SetMany(ctx, map[string]string{"k": "newer", "l": "l"})
		}, leaves: "newer"},
		"Delete of many": {do: func(ctx context.Context, c *Cache[string]) error {
			return c.Delete(ctx, "k", "l", "m")
		}},
	}
	for fault, ft := range faults {
		for write, w := range writes {
			t.Run(write+", "+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					local := tiertest.NewMapLocal(1 << 20)
					f := newFaulty(t, local, Policy{TTL: time.Hour, StaleFor: time.Hour})
					require.NoError(t, f.Set(t.Context(), "k", "old"))
					f.l2.Always(ft.fault)
					var err error
					require.Equal(t, ft.took, timed(func() { err = w.do(t.Context(), f.Cache) }))
					if ft.cause == nil {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, ErrNotPropagated)
						require.ErrorIs(t, err, ft.cause)
						require.EqualValues(t, 1, f.e.Stats().Total.L2Errors)
					}
					// This process does not serve the older value as if nothing had happened.
					if entry, ok := local.Get(f.space.Key("k")); ok && (ft.cause != nil || w.leaves == "") {
						require.True(t, w.stale, "%v is still in L1", entry.Value)
						require.LessOrEqual(t, entry.SoftExpiry, f.e.clock.precise())
					}
					f.l2.Heal()
					// And L2 has the write if it got there, the older value if it did not.
					want, stale := "old", false
					switch {
					case ft.applied && w.leaves != "" && ft.cause != nil:
						want = "" // deleted, because the write seemed to have failed
					case ft.applied:
						want, stale = w.leaves, w.stale
					}
					other := newCache[string](t, Config{L2: f.memory}, Policy{StaleFor: time.Hour})
					r, err := other.Lookup(t.Context(), "k", nil)
					if want == "" {
						require.ErrorIs(t, err, ErrMiss)
						return
					}
					require.NoError(t, err)
					require.Equal(t, want, r.Value)
					require.Equal(t, stale, r.Stale)
				})
			})
		}
	}
}

// Values that are not to be stored are deleted, all within the one budget of the call.
func TestFaultyL2AndVetoedValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l2 := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		l2.Always(tiertest.Fault{Hang: true})
		odd := WithStoreIf(func(key, _ string) bool { return key[1]%2 == 1 })
		c := newCache(t, Config{L2: l2, L2Budget: faultyBudget}, Policy{}, odd)
		values := make(map[string]string)
		for _, key := range []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6"} {
			values[key] = "v"
		}
		took := timed(func() { require.ErrorIs(t, c.SetMany(t.Context(), values), ErrNotPropagated) })
		require.Equal(t, faultyBudget, took)
	})
}

// Where expiring is not possible, or is refused as by a Redis that is full, L2 loses the
// value, and L1 keeps it to fall back on.
func TestExpireFallsBackOnDelete(t *testing.T) {
	refusing := func(r tier.Remote) tier.Remote {
		f := tiertest.NewFaulty(r, 1)
		f.Always(tiertest.Fault{Err: errors.New("full")}, tiertest.OpExpire)
		return f
	}
	for name, wrap := range map[string]func(tier.Remote) tier.Remote{
		"unable":   func(r tier.Remote) tier.Remote { return struct{ tier.Remote }{r} },
		"refusing": refusing,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := tiertest.NewMemory(0)
				c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: wrap(m)}, Policy{StaleFor: time.Hour})
				require.NoError(t, c.Set(t.Context(), "k", "old"))
				require.NoError(t, c.Expire(t.Context(), "k"))
				require.Zero(t, m.Len())
				r, err := c.Lookup(t.Context(), "k", nil)
				require.NoError(t, err)
				require.True(t, r.Stale)
				require.Equal(t, "old", r.Value)
			})
		})
	}
}

// Health tells what is wrong within the budget, and again when it is right.
func TestHealthOfAFaultyL2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t, tiertest.NewMapLocal(1<<20), Policy{})
		for name, fault := range map[string]tiertest.Fault{
			"hang": {Hang: true},
			"fail": {Err: errors.New("no")},
			"lost": {Lost: true},
		} {
			f.l2.Always(fault)
			var h Health
			took := timed(func() { h = f.e.Health(t.Context()) })
			require.LessOrEqual(t, took, faultyBudget, name)
			require.Equal(t, Degraded, h.Status, name)
			require.Equal(t, Down, h.L2.Status, name)
			require.NotEmpty(t, h.L2.Reason, name)
			f.l2.Heal()
			require.Equal(t, Healthy, f.e.Health(t.Context()).Status, name)
		}
	})
}
