package tiercache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

type slowSet struct {
	*tiertest.Memory
	hold chan struct{}
	in   chan struct{}
}

func (s *slowSet) Set(ctx context.Context, k tier.Key, f []byte, ttl time.Duration) error {
	select {
	case s.in <- struct{}{}:
	default:
	}
	<-s.hold
	return s.Memory.Set(ctx, k, f, ttl)
}

// A value that is on its way to L2 must not arrive there after what a Delete, Set or Expire
// of the same process does to its key.
func TestWritesWaitForAValueOnItsWayToL2(t *testing.T) {
	for name, write := range map[string]func(context.Context, *Cache[string]) error{
		"Delete": func(ctx context.Context, c *Cache[string]) error { return c.Delete(ctx, "k") },
		"Set":    func(ctx context.Context, c *Cache[string]) error { return c.Set(ctx, "k", "new") },
		"Expire": func(ctx context.Context, c *Cache[string]) error { return c.Expire(ctx, "k") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l2 := &slowSet{tiertest.NewMemory(0), make(chan struct{}), make(chan struct{}, 1)}
				c := newCache[string](t, Config{L2: l2}, Policy{StaleFor: time.Hour})
				_, err := c.GetOrCompute(t.Context(), "k", value("old"))
				require.NoError(t, err)
				<-l2.in
				time.AfterFunc(50*time.Millisecond, func() { close(l2.hold) }) // within the L2 budget
				require.NoError(t, write(t.Context(), c))
				synctest.Wait()
				v, err := c.GetOrCompute(t.Context(), "k", value("new"))
				require.NoError(t, err)
				require.Equal(t, "new", v)
			})
		})
	}
}

func TestRefreshUnderWayKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{L2: tiertest.NewMemory(0)}, Policy{StaleFor: time.Hour})
		require.NoError(t, c.Set(t.Context(), "k", "fresh"))
		slow := func(context.Context, string) (string, error) { time.Sleep(5 * time.Second); return "", errSource }
		go func() { _, _ = c.Refresh(context.Background(), "k", slow) }()
		synctest.Wait()
		begun := time.Now()
		v, err := c.GetOrCompute(t.Context(), "k", slow)
		t.Log(time.Since(begun), v, err)
		require.NoError(t, err)
	})
}

func TestBatchLetsGoOfWhatItFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string](t, Config{L2: tiertest.NewMemory(0)}, Policy{})
		require.NoError(t, c.Set(t.Context(), "a", "1"))
		other := newCache[string](t, Config{L2: c.e.l2}, Policy{})
		go func() {
			_, _ = c.GetOrComputeMany(context.Background(), []string{"a", "b"}, func(context.Context, []string) (map[string]string, error) {
				time.Sleep(20 * time.Second)
				return map[string]string{"b": "2"}, nil
			})
		}()
		synctest.Wait()
		require.NoError(t, other.Set(t.Context(), "a", "2")) // another process
		v, _ := c.Get(t.Context(), "a")
		require.Equal(t, "2", v)
		time.Sleep(10 * time.Second)
		v, _ = c.GetOrCompute(t.Context(), "a", value("x"))
		if v != "2" {
			t.Errorf("GetOrCompute gives %q, 10 s after L2 holds 2 (L2 only)", v)
		}
		begun := time.Now()
		_, err := c.Refresh(t.Context(), "a", value("3"))
		if d := time.Since(begun); d > time.Second {
			t.Errorf("Refresh of a waited %v for the compute of b: %v", d, err)
		}
		time.Sleep(time.Minute)
	})
}

func TestKeysOfOneBatchDoNotFenceEachOther(t *testing.T) {
	c := newCache[int](t, Config{L1: tiertest.NewMapLocal(1 << 26)}, Policy{})
	m := map[string]int{}
	for i := range 2000 {
		m[fmt.Sprint("k", i)] = i
	}
	require.NoError(t, c.SetMany(t.Context(), m))
	lost := 0
	for k := range m {
		if _, err := c.Get(t.Context(), k); err != nil {
			lost++
		}
	}
	require.Zero(t, lost)
}

type slowGet struct {
	*tiertest.Memory
	mu   sync.Mutex
	hold chan struct{}
}

func (s *slowGet) Get(ctx context.Context, k tier.Key) ([]byte, error) {
	b, err := s.Memory.Get(ctx, k)
	s.mu.Lock()
	h := s.hold
	s.hold = nil
	s.mu.Unlock()
	if h != nil {
		<-h
	}
	return b, err
}

func TestSlowGetDoesNotReplaceALaterVersion(t *testing.T) {
	mem := tiertest.NewMemory(0)
	l2 := &slowGet{Memory: mem}
	warm := newCache[string](t, Config{L2: mem}, Policy{})
	require.NoError(t, warm.Set(t.Context(), "k", "v1"))
	c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: l2, L2Budget: time.Minute}, Policy{})
	h := make(chan struct{})
	l2.hold = h
	done := make(chan struct{})
	go func() { defer close(done); _, _ = c.Get(t.Context(), "k") }()
	require.Eventually(t, func() bool { l2.mu.Lock(); defer l2.mu.Unlock(); return l2.hold == nil }, time.Second, time.Millisecond)
	v, err := c.Refresh(t.Context(), "k", value("v2"))
	require.NoError(t, err)
	require.Equal(t, "v2", v)
	require.Eventually(t, func() bool { return c.e.Stats().Flights == 0 }, time.Second, time.Millisecond)
	close(h)
	<-done
	v, err = c.GetOrCompute(t.Context(), "k", value("x"))
	require.NoError(t, err)
	require.Equal(t, "v2", v, "for the rest of v1's TTL")
}

func TestCallerLeavingIsNoL2Error(t *testing.T) {
	f := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
	f.Always(tiertest.Fault{Hang: true}, tiertest.OpGet)
	c := newCache[string](t, Config{L2: f, L2Budget: time.Minute}, Policy{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Get(ctx, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, c.e.Stats().Total.L2Errors)
}

func TestBatchWithAnEndedContextComputesNothing(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.GetOrComputeMany(ctx, []string{"a"}, func(context.Context, []string) (map[string]string, error) { return nil, nil })
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, c.e.Stats().Total.Computes)
}

func TestVetoedRefreshDropsTheOlderValue(t *testing.T) {
	c := newCache[string](t, Config{}, Policy{AbsentTTL: -1})
	require.NoError(t, c.Set(t.Context(), "k", "old"))
	_, err := c.Refresh(t.Context(), "k", func(context.Context, string) (string, error) { return "", ErrNotFound })
	require.ErrorIs(t, err, ErrNotFound)
	v, err := c.Get(t.Context(), "k")
	require.ErrorIs(t, err, ErrMiss, "Refresh said it is gone; Get gives %q", v)
}

func TestGetFindsWhatHasJustLanded(t *testing.T) {
	l2 := &slowSet{tiertest.NewMemory(0), make(chan struct{}), make(chan struct{}, 1)}
	c := newCache[string](t, Config{L2: l2, L2Budget: time.Minute}, Policy{})
	_, err := c.GetOrCompute(t.Context(), "k", value("v"))
	require.NoError(t, err)
	_, err = c.Get(t.Context(), "k")
	close(l2.hold)
	require.NoError(t, err)
}

type hookLocal struct {
	*tiertest.MapLocal
	afterGet func()
}

func (h *hookLocal) Get(k tier.Key) (*tier.Entry, bool) {
	e, ok := h.MapLocal.Get(k)
	if f := h.afterGet; f != nil {
		h.afterGet = nil
		f()
	}
	return e, ok
}

func TestExpireDoesNotReviveWhatASetReplaced(t *testing.T) {
	l := &hookLocal{MapLocal: tiertest.NewMapLocal(1 << 20)}
	c := newCache[string](t, Config{L1: l, L2: tiertest.NewMemory(0)}, Policy{StaleFor: time.Hour, SoftTimeout: -1})
	require.NoError(t, c.Set(t.Context(), "k", "v1"))
	l.afterGet = func() { require.NoError(t, c.Set(t.Context(), "k", "v2")) }
	require.NoError(t, c.Expire(t.Context(), "k"))
	e, ok := l.MapLocal.Get(c.space.Key("k"))
	require.True(t, !ok || typed[string](e.Value) == "v2", "L1 falls back on v1 after Set(v2) returned")
}

func TestRefreshLeavesANewerVersionAlone(t *testing.T) {
	mem := tiertest.NewMemory(0)
	c := newCache[string](t, Config{L1: tiertest.NewMapLocal(1 << 20), L2: mem}, Policy{})
	k := c.space.Key("k")
	frame := append([]byte{'t', 'c', 2}, make([]byte, 100)...)
	mem.Put(k, frame, time.Hour)
	_, err := c.Refresh(t.Context(), "k", value("v"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.e.Stats().Flights == 0 }, time.Second, time.Millisecond)
	raw, _ := mem.Raw(k)
	require.Equal(t, frame, raw)
}
