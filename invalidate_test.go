package tiercache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

func TestDeleteRemovesFromAllTiers(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		for _, k := range []string{"a", "b", "c"} {
			require.NoError(t, c.Set(t.Context(), k, k))
		}
		require.NoError(t, c.Delete(t.Context(), "a", "b", "a", "none"))
		require.NoError(t, c.Delete(t.Context()))
		for k, want := range map[string]error{"a": ErrMiss, "b": ErrMiss, "c": nil} {
			_, err := c.Get(t.Context(), k)
			require.ErrorIs(t, err, want)
		}
		require.EqualValues(t, 3, c.e.Stats().Total.Deletes)
	})
}

// A reader that starts while a Delete is on its way to L2 may still read the old value
// there. It must not stay in L1: hence the second invalidation, after the reply.
func TestDeleteForgetsWhatWasReadWhileItWasOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: slow}, Policy{})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		slow.Always(tiertest.Fault{Delay: 50 * time.Millisecond}, tiertest.OpDelete)
		deleted := make(chan error)
		go func() { deleted <- c.Delete(t.Context(), "k") }()
		synctest.Wait()
		v, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "old", v, "the call overlaps the Delete")
		require.NoError(t, <-deleted)
		_, err = c.Get(t.Context(), "k")
		require.ErrorIs(t, err, ErrMiss)
	})
}

func TestDeleteWithoutL2TakesEffectHereAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: down}, Policy{})
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		cause := errors.New("no route")
		down.Always(tiertest.Fault{Err: cause})
		for _, err := range []error{c.Delete(t.Context(), "k"), c.Set(t.Context(), "k", "new"), c.With(Policy{StaleFor: time.Hour}).Expire(t.Context(), "k")} {
			require.ErrorIs(t, err, ErrNotPropagated)
			require.ErrorIs(t, err, cause)
		}
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, ErrMiss)
		require.EqualValues(t, 4, c.e.Stats().Total.L2Errors)
	})
}

func TestExpireLeavesAFallback(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{TTL: time.Hour, StaleFor: time.Minute, Jitter: -1})
		require.NoError(t, c.Set(t.Context(), "k", "v1"))
		require.NoError(t, c.Expire(t.Context(), "k", "none"))
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, ErrMiss, "Get gives fresh values only")
		r, err := c.Lookup(t.Context(), "k", nil)
		require.NoError(t, err)
		require.True(t, r.Stale)
		require.Equal(t, "v1", r.Value)

		r, err = c.Lookup(t.Context(), "k", func(context.Context, string) (string, error) { return "", errors.New("down") })
		require.NoError(t, err)
		require.Equal(t, "v1", r.Value)
		time.Sleep(59 * time.Second)
		r, err = c.Lookup(t.Context(), "k", nil)
		require.NoError(t, err)
		require.Equal(t, "v1", r.Value)
		time.Sleep(time.Second)
		_, err = c.Lookup(t.Context(), "k", nil)
		require.ErrorIs(t, err, ErrMiss)
	})
}

// A full Redis refuses to change a value and accepts to delete it.
func TestExpireDeletesWhereItCannotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
		c := newCache[string](t, Config{L2: full}, Policy{StaleFor: time.Hour})
		require.NoError(t, c.Set(t.Context(), "k", "v"))
		full.FailNext(tiertest.OpExpire, 1, errors.New("OOM"))
		require.NoError(t, c.Expire(t.Context(), "k"))
		_, err := c.Lookup(t.Context(), "k", nil)
		require.ErrorIs(t, err, ErrMiss)
	})
}

func TestExpireIsDeleteWithoutAStaleWindow(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		require.NoError(t, c.Set(t.Context(), "k", "v"))
		require.NoError(t, c.Expire(t.Context(), "k"))
		_, err := c.Lookup(t.Context(), "k", nil)
		require.ErrorIs(t, err, ErrMiss)
	})
}

// A compute that began before an Expire must not bring its value back as fresh.
func TestExpireFencesComputesUnderWay(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{StaleFor: time.Hour})
		release := make(chan struct{})
		go func() {
			_, _ = c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
				<-release
				return "old", nil
			})
		}()
		synctest.Wait()
		require.NoError(t, c.Expire(t.Context(), "k"))
		close(release)
		synctest.Wait()
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, ErrMiss)
	})
}

func TestSetFencesComputesUnderWay(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		release := make(chan struct{})
		go func() {
			_, _ = c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
				<-release
				return "old", nil
			})
		}()
		synctest.Wait()
		require.NoError(t, c.Set(t.Context(), "k", "set"))
		close(release)
		synctest.Wait()
		c.e.fence.raiseFloor()
		v, err := c.Get(t.Context(), "k")
		if c.e.l2 == nil {
			require.ErrorIs(t, err, ErrMiss)
			return
		}
		require.NoError(t, err)
		require.Equal(t, "set", v)
	})
}

func TestSetIsReadableAtOnce(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache[string](t, cfg, Policy{})
		for _, want := range []string{"v1", "v2", "v3"} {
			require.NoError(t, c.Set(t.Context(), "k", want))
			v, err := c.Get(t.Context(), "k")
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		require.NoError(t, c.SetMany(t.Context(), map[string]string{"a": "1", "b": "2"}))
		got, err := c.GetMany(t.Context(), []string{"a", "b", "none", "a"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, got)
	})
}

func TestVetoedSetInvalidates(t *testing.T) {
	inTiers(t, func(t *testing.T, cfg Config) {
		c := newCache(t, cfg, Policy{}, WithStoreIf(func(_, v string) bool { return v != "veto" }))
		require.NoError(t, c.Set(t.Context(), "k", "old"))
		require.NoError(t, c.Set(t.Context(), "k", "veto"))
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, ErrMiss)
	})
}

// Two Sets of one key overlap; L2 applies them in an order the process cannot see. What L1
// keeps must be what L2 ended up with, or nothing.
func TestOverlappingSetsLeaveL1AndL2InAgreement(t *testing.T) {
	l2 := tiertest.NewMemory(0)
	c := newCache[int](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2}, Policy{})
	other := newCache[int](t, Config{L2: l2}, Policy{})
	var n atomic.Int64
	for range 2000 {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { require.NoError(t, c.Set(t.Context(), "k", int(n.Add(1)))) })
		}
		wg.Wait()
		here, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		there, err := other.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, there, here)
	}
}

// reordered is an L2 that lets a test decide what happens between the effect of a write
// and its reply.
type reordered struct {
	tier.Remote

	afterSet func()
}

func (r *reordered) Set(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
	err := r.Remote.Set(ctx, k, frame, ttl)
	if r.afterSet != nil {
		r.afterSet()
	}
	return err
}

// An invalidation that is handled between the effect of our Set on L2 and its reply has
// removed what we wrote: the value must not be kept in L1.
func TestInvalidationBeforeTheReplyOfASet(t *testing.T) {
	l2 := &reordered{Remote: tiertest.NewMemory(0)}
	c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: struct{ tier.Remote }{l2}}, Policy{})
	k := c.space.Key("k")
	l2.afterSet = func() {
		require.NoError(t, l2.Delete(t.Context(), k))
		c.e.fence.raise(k.Hash)
	}
	require.NoError(t, c.Set(t.Context(), "k", "v"))
	_, err := c.Get(t.Context(), "k")
	require.ErrorIs(t, err, ErrMiss)
}

func TestFence(t *testing.T) {
	f := new(fence)
	a := f.stamp()
	require.True(t, f.valid(1, a))
	f.raise(1)
	require.False(t, f.valid(1, a))
	require.True(t, f.valid(2, a))
	b := f.stamp()
	require.True(t, f.valid(1, b))
	f.raiseFloor()
	require.False(t, f.valid(1, b))
	require.False(t, f.valid(2, b))

	pre := f.raise(3)
	stamp, ok := f.own(3, pre)
	require.True(t, ok)
	require.True(t, f.valid(3, stamp))
	pre = f.raise(3)
	require.False(t, f.valid(3, stamp))
	f.raise(3)
	_, ok = f.own(3, pre)
	require.False(t, ok)

	var slot atomic.Uint64
	slot.Store(9)
	require.EqualValues(t, 9, raiseTo(&slot, 8), "a slot never moves back")
}
