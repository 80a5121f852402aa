package l2

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/tier"
)

// By itself the client looks at the topology once a minute.
const failoverLimit = 20 * time.Second

func TestClusterFailsOverWhenAMasterDies(t *testing.T) {
	noLeaks(t)
	c := redistest.StartCluster(t)
	r, err := Open(t.Context(), c.URL(), Config{})
	require.NoError(t, err)
	defer r.Close()
	keys := keysOf(60) // of all masters
	set := func() error { return r.Set(t.Context(), keys[0], []byte("a"), time.Minute) }
	eventually(t, set)
	batch := func() error { return errors.Join(r.SetMany(t.Context(), itemsOf(keys))...) }
	eventually(t, batch)

	require.NoError(t, c.Owner(r.names.value(keys[0])).Kill())
	start := time.Now()
	require.Error(t, set())
	require.Eventually(t, func() bool { return set() == nil }, failoverLimit, 10*time.Millisecond)
	t.Logf("first write after %v", time.Since(start).Round(10*time.Millisecond))
	eventually(t, batch)
	for _, reply := range r.GetMany(t.Context(), keys) {
		require.NoError(t, reply.Err)
	}
	// The promoted replica does not know the script.
	require.NoError(t, r.Expire(t.Context(), time.Now(), keys...))
}

func TestClusterFailsOverWhenAMasterHangs(t *testing.T) {
	c := redistest.StartCluster(t)
	r, err := Open(t.Context(), c.URL(), Config{})
	require.NoError(t, err)
	defer r.Close()
	set := func() error { return r.Set(t.Context(), key("x"), []byte("a"), time.Minute) }
	eventually(t, set)
	owner := c.Owner(r.names.value(key("x")))
	require.NoError(t, owner.Stop())
	defer owner.Continue()
	start := time.Now()
	for time.Since(start) < failoverLimit {
		var err error
		require.Less(t, took(func() { err = set() }), atOnce)
		if err == nil {
			break
		}
	}
	require.NoError(t, set())
	t.Logf("first write after %v", time.Since(start).Round(10*time.Millisecond))
}

// The topology changes under traffic: nothing fails for good, nothing is lost.
func TestClusterSlotMigration(t *testing.T) {
	c := redistest.StartCluster(t)
	r := open(t, c.URL(), Config{})
	keys := keysOf(300)
	require.NoError(t, errors.Join(r.SetMany(t.Context(), itemsOf(keys))...))
	masters := c.Masters()
	done := make(chan error, 1)
	go func() { done <- c.MoveSlots(masters[0], masters[1], 400) }()
	for moving := true; moving; {
		select {
		case err := <-done:
			require.NoError(t, err)
			moving = false
		default:
		}
		for i, reply := range r.GetMany(t.Context(), keys) {
			require.NoError(t, reply.Err)
			require.Equal(t, keys[i].ID, string(reply.Frame))
		}
		require.NoError(t, r.Expire(t.Context(), time.Now(), keys...))
	}
	require.NoError(t, r.Delete(t.Context(), keys...))
	for _, reply := range r.GetMany(t.Context(), keys) {
		require.ErrorIs(t, reply.Err, tier.ErrMiss)
	}
}

func TestClusterPingReachesEveryMaster(t *testing.T) {
	c := redistest.StartCluster(t)
	r, err := Open(t.Context(), c.URL(), Config{CallTimeout: time.Second})
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Ping(t.Context()))
	for _, master := range c.Masters() {
		require.NoError(t, master.Stop())
		require.Error(t, r.Ping(t.Context()), "a master hangs")
		require.NoError(t, master.Continue())
		eventually(t, func() error { return r.Ping(t.Context()) })
	}
}

func TestSentinelFailover(t *testing.T) {
	noLeaks(t)
	s := redistest.StartSentinel(t)
	r, err := Open(t.Context(), s.URL(), Config{})
	require.NoError(t, err)
	defer r.Close()
	set := func() error { return r.Set(t.Context(), key("x"), envelope(key("x"), 1<<40), time.Minute) }
	eventually(t, set)
	require.NoError(t, s.Failover())
	eventually(t, set)
	eventually(t, func() error { return r.Expire(t.Context(), time.UnixMilli(5), key("x")) })
	require.EqualValues(t, 5, softExpiry(t, r, key("x")))

	require.NoError(t, s.WaitReady(t.Context()))
	require.NoError(t, s.Master().Kill())
	start := time.Now()
	eventually(t, set)
	t.Logf("first write after %v", time.Since(start).Round(10*time.Millisecond))
}

func TestReloaderPausesAndIgnoresAnswers(t *testing.T) {
	var reloads atomic.Int64
	l := newReloader(func(context.Context) { reloads.Add(1) })
	l.start = time.Now().Add(-time.Hour)
	l.notice(t.Context(), redis.ErrNoScript)
	require.Zero(t, reloads.Load())
	for range 100 {
		l.notice(t.Context(), errors.New("connection refused"))
	}
	require.EqualValues(t, 1, reloads.Load())
	l.next.Store(0) // the pause is over
	l.notice(t.Context(), context.DeadlineExceeded)
	require.EqualValues(t, 2, reloads.Load())
}

func itemsOf(keys []tier.Key) []tier.Item {
	items := make([]tier.Item, len(keys))
	for i, k := range keys {
		items[i] = tier.Item{Key: k, Frame: []byte(k.ID), TTL: time.Minute}
	}
	return items
}
