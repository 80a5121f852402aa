package tiercache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

const (
	faultyBudget  = 100 * time.Millisecond // Config.L2Budget
	faultyCompute = 30 * time.Millisecond  // what a compute takes
)

// faulty is a cache over an L2 that can be made to fail, in a synctest bubble.
type faulty struct {
	*Cache[string]

	l2     *tiertest.Faulty
	memory *tiertest.Memory
}

func newFaulty(t *testing.T, local tier.Local, p Policy) *faulty {
	t.Helper()
	f := &faulty{memory: tiertest.NewMemory(0)}
	f.l2 = tiertest.NewFaulty(f.memory, 1)
	f.Cache = newCache[string](t, Config{L1: local, L2: f.l2, L2Budget: faultyBudget}, p)
	return f
}

// slowly is a compute that takes as long as one does here.
func slowly(_ context.Context, key string) (string, error) {
	time.Sleep(faultyCompute)
	return "value of " + key, nil
}

func slowlyMany(ctx context.Context, keys []string) (map[string]string, error) {
	time.Sleep(faultyCompute)
	got := make(map[string]string)
	for _, key := range keys {
		got[key] = "value of " + key
	}
	return got, ctx.Err()
}

// timed returns how long f takes by the clock of the bubble, which is exact.
func timed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

func (f *faulty) ask(t *testing.T, key string) {
	t.Helper()
	got, err := f.GetOrCompute(t.Context(), key, slowly)
	assert.NoError(t, err)
	assert.Equal(t, "value of "+key, got)
}

// A read takes what L2 takes, or its budget, and a compute. A write takes nothing at all:
// callers have been answered before it begins.
func TestFaultyL2CostsNoMoreThanItsBudget(t *testing.T) {
	failure := errors.New("no")
	for name, c := range map[string]struct {
		ops   []tiertest.Op
		fault tiertest.Fault
		want  time.Duration // of L2's share in the call
	}{
		"reads hang":            {[]tiertest.Op{tiertest.OpGet}, tiertest.Fault{Hang: true}, faultyBudget},
		"reads are slow":        {[]tiertest.Op{tiertest.OpGet}, tiertest.Fault{Delay: 80 * time.Millisecond}, 80 * time.Millisecond},
		"reads are too slow":    {[]tiertest.Op{tiertest.OpGet}, tiertest.Fault{Delay: time.Hour}, faultyBudget},
		"reads fail":            {[]tiertest.Op{tiertest.OpGet}, tiertest.Fault{Err: failure}, 0},
		"reads fail slowly":     {[]tiertest.Op{tiertest.OpGet}, tiertest.Fault{Err: failure, Delay: 50 * time.Millisecond}, 50 * time.Millisecond},
		"writes hang":           {[]tiertest.Op{tiertest.OpSet}, tiertest.Fault{Hang: true}, 0},
		"writes are slow":       {[]tiertest.Op{tiertest.OpSet}, tiertest.Fault{Delay: time.Hour}, 0},
		"writes fail":           {[]tiertest.Op{tiertest.OpSet}, tiertest.Fault{Err: failure}, 0},
		"writes are lost":       {[]tiertest.Op{tiertest.OpSet}, tiertest.Fault{Lost: true}, 0},
		"everything hangs":      {nil, tiertest.Fault{Hang: true}, faultyBudget},
		"everything fails":      {nil, tiertest.Fault{Err: failure}, 0},
		"everything is refused": {nil, tiertest.Fault{Err: tier.ErrClosed}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFaulty(t, nil, Policy{})
				f.l2.Always(c.fault, c.ops...)
				var wg sync.WaitGroup
				for caller := range 100 {
					wg.Go(func() {
						for round := range 2 {
							key := fmt.Sprint("k", round)
							got := timed(func() { f.ask(t, key) })
							assert.Equal(t, c.want+faultyCompute, got, "caller %d, round %d", caller, round)
						}
					})
				}
				wg.Wait()
				time.Sleep(faultyBudget)
				synctest.Wait()
				s := f.e.Stats()
				assert.Zero(t, s.Flights, "a flight ends with its write's budget")
				assert.EqualValues(t, 2, s.Total.Computes)
				assert.Zero(t, s.Total.Failed)
			})
		})
	}
}

// The budget is for the call, however many keys it has, and whether L2 takes batches or not.
func TestFaultyL2CostsABatchOneBudget(t *testing.T) {
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	for name, hide := range map[string]func(tier.Remote) tier.Remote{
		"batches":  func(r tier.Remote) tier.Remote { return r },
		"one each": func(r tier.Remote) tier.Remote { return struct{ tier.Remote }{r} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l2 := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
				l2.Always(tiertest.Fault{Hang: true})
				c := newCache[string](t, Config{L2: hide(l2), L2Budget: faultyBudget}, Policy{})
				took := timed(func() {
					got, err := c.GetOrComputeMany(t.Context(), keys, slowlyMany)
					require.NoError(t, err)
					require.Len(t, got, len(keys))
				})
				require.Equal(t, faultyBudget+faultyCompute, took)
				time.Sleep(faultyBudget)
				synctest.Wait()
				require.Zero(t, c.e.Stats().Flights)

				took = timed(func() {
					got, err := c.GetMany(t.Context(), keys)
					require.NoError(t, err, "a failing L2 is no error")
					require.Empty(t, got)
				})
				require.Equal(t, faultyBudget, took)
			})
		})
	}
}

// A caller's own deadline counts, whatever L2 does. The flight goes on for the others.
func TestFaultyL2AndACallerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t, tiertest.NewMapLocal(1<<20), Policy{})
		f.l2.Always(tiertest.Fault{Hang: true}, tiertest.OpGet)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		took := timed(func() {
			_, err := f.GetOrCompute(ctx, "k", slowly)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		require.Equal(t, 10*time.Millisecond, took)
		took = timed(func() { f.ask(t, "k") })
		require.Equal(t, faultyBudget+faultyCompute-10*time.Millisecond, took)
		require.EqualValues(t, 1, f.e.Stats().Total.Computes)
	})
}

// Nobody waits for L2 who can be given a stale value: not longer than SoftTimeout.
func TestFaultyL2AndAStaleValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const soft = 20 * time.Millisecond
		f := newFaulty(t, tiertest.NewMapLocal(1<<20), Policy{TTL: time.Minute, StaleFor: time.Hour, SoftTimeout: soft})
		require.NoError(t, f.Set(t.Context(), "k", "stale"))
		f.l2.Always(tiertest.Fault{Hang: true})
		time.Sleep(2 * time.Minute)
		took := timed(func() {
			got, err := f.GetOrCompute(t.Context(), "k", slowly)
			require.NoError(t, err)
			require.Equal(t, "stale", got)
		})
		require.Equal(t, soft, took)
		time.Sleep(faultyBudget + faultyCompute)
		synctest.Wait()
		took = timed(func() { f.ask(t, "k") })
		require.Zero(t, took, "the flight has renewed it meanwhile")
	})
}

// What L1 holds needs no L2. What only L2 would hold is computed again if that loses it.
func TestLostWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := tiertest.NewMemory(0)
		losing := tiertest.NewFaulty(memory, 1)
		losing.Always(tiertest.Fault{Lost: true}, tiertest.OpSet, tiertest.OpSetMany)
		a := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: losing}, Policy{})
		b := newCache[string](t, Config{L2: losing}, Policy{})
		for range 3 {
			for _, c := range []*Cache[string]{a, b} {
				got, err := c.GetOrCompute(t.Context(), "k", slowly)
				require.NoError(t, err)
				require.Equal(t, "value of k", got)
				synctest.Wait()
			}
		}
		require.Zero(t, memory.Len())
		require.EqualValues(t, 1, a.e.Stats().Total.Computes)
		require.EqualValues(t, 3, b.e.Stats().Total.Computes)
		require.Zero(t, b.e.Stats().Total.L2Errors, "a lost write looks like a good one")
	})
}

// All faults at once, at random: callers get the right values, no errors, and in time.
func TestL2AtItsWorst(t *testing.T) {
	for _, local := range []bool{false, true} {
		t.Run(fmt.Sprint("with L1 ", local), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l1 tier.Local
				if local {
					l1 = tiertest.NewMapLocal(1 << 10) // small, so that L2 is asked a lot
				}
				f := newFaulty(t, l1, Policy{TTL: time.Second})
				for _, fault := range []tiertest.Fault{
					{Rate: .1, Err: errors.New("no")},
					{Rate: .1, Err: errors.New("no"), Applied: true},
					{Rate: .1, Hang: true},
					{Rate: .1, Lost: true},
					{Rate: .2, Corrupt: true},
					{Rate: .2, Delay: 40 * time.Millisecond},
				} {
					f.l2.Always(fault)
				}
				var wg sync.WaitGroup
				for caller := range 20 {
					wg.Go(func() {
						random := rand.New(rand.NewPCG(1, uint64(caller)))
						for range 200 {
							key := fmt.Sprint("k", random.IntN(30))
							took := timed(func() {
								switch random.IntN(10) {
								case 0:
									_ = f.Delete(t.Context(), key)
								case 1:
									_ = f.Set(t.Context(), key, "value of "+key)
								case 2, 3:
									got, err := f.GetOrComputeMany(t.Context(), []string{key, "k0", "k1"}, slowlyMany)
									assert.NoError(t, err)
									assert.Equal(t, "value of "+key, got[key])
								default:
									f.ask(t, key)
								}
							})
							// A flight waits at most for the write of one before it.
							assert.LessOrEqual(t, took, 2*faultyBudget+faultyCompute)
							time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
						}
					})
				}
				wg.Wait()
				s := f.e.Stats().Total
				assert.Zero(t, s.Failed)
				assert.Zero(t, s.ComputeErrors)
				assert.Positive(t, s.L2Errors)
				assert.Positive(t, s.Corrupt)
				assert.Positive(t, s.L2Hits)
				t.Logf("%+v", s)
			})
		})
	}
}
