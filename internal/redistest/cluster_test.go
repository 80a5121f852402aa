package redistest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

func TestClusterForms(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	c := redistest.StartCluster(t)
	t.Logf("started in %v", time.Since(begin))

	require.Len(t, c.Addrs(), 6)
	require.Equal(t, c.Addrs()[:3], addrs(c.Masters()))
	require.Equal(t, c.Addrs()[3:], addrs(c.Replicas()))
	require.Regexp(t, `^redis\+cluster://127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+){5}$`, c.URL())

	db := c.Client(t)
	for i := range 100 {
		require.NoError(t, db.Set(t.Context(), fmt.Sprint("key:", i), i, 0).Err())
	}
	for i := range 10 {
		key := fmt.Sprintf("{tag%d}:rest", i)
		require.NoError(t, db.Set(t.Context(), key, "v", 0).Err())
		require.NoError(t, c.Owner(key).Client(t).Get(t.Context(), key).Err(), "the owner serves the key itself")
	}
}

func TestClusterMoveSlots(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	db := c.Client(t)
	for i := range 1000 {
		require.NoError(t, db.Set(t.Context(), fmt.Sprint("key:", i), i, 0).Err())
	}
	from, to := c.Masters()[0], c.Masters()[1]
	keys := func(s *redistest.Server) int64 {
		n, err := s.Client(t).DBSize(t.Context()).Result()
		require.NoError(t, err)
		return n
	}
	fromKeys, toKeys := keys(from), keys(to)

	// Clients go on meanwhile.
	ctx, cancel := context.WithCancel(t.Context())
	reader := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i = (i + 1) % 1000 {
			if err := db.Get(context.WithoutCancel(ctx), fmt.Sprint("key:", i)).Err(); err != nil {
				reader <- err
				return
			}
		}
		reader <- nil
	}()

	begin := time.Now()
	require.NoError(t, c.MoveSlots(from, to, 500))
	t.Logf("moved 500 slots in %v", time.Since(begin))
	cancel()
	require.NoError(t, <-reader)
	moved := fromKeys - keys(from)
	require.Positive(t, moved)
	require.Equal(t, toKeys+moved, keys(to))
	require.NoError(t, c.WaitReady(t.Context()))
	for i := range 1000 {
		got, err := db.Get(t.Context(), fmt.Sprint("key:", i)).Int()
		require.NoError(t, err)
		require.Equal(t, i, got)
	}

	// An emptied master stays one and can get slots back.
	begin = time.Now()
	require.NoError(t, c.MoveSlots(from, to, 16384/3-500))
	t.Logf("moved the rest in %v", time.Since(begin))
	require.NoError(t, c.WaitReady(t.Context()))
	require.Zero(t, keys(from))
	require.Contains(t, addrs(c.Masters()), from.Addr())
	require.NoError(t, c.MoveSlots(to, from, 10))
	require.NoError(t, c.WaitReady(t.Context()))
}

func TestClusterMasterDies(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	db := c.Client(t)
	require.NoError(t, db.Set(t.Context(), "k", "v", 0).Err())
	victim := c.Owner("k")
	require.NoError(t, victim.Client(t).Wait(t.Context(), 1, time.Second).Err())

	begin := time.Now()
	require.NoError(t, victim.Kill())
	require.NoError(t, c.WaitReady(t.Context()))
	t.Logf("failed over in %v", time.Since(begin))
	require.Len(t, c.Masters(), 3)
	require.NotContains(t, addrs(c.Masters()), victim.Addr())
	require.NotSame(t, victim, c.Owner("k"))
	eventually(t, 5*time.Second, func(ctx context.Context) bool {
		v, err := db.Get(ctx, "k").Result()
		return err == nil && v == "v"
	}, "the promoted replica serves the key")

	begin = time.Now()
	require.NoError(t, victim.Restart())
	require.NoError(t, c.WaitReady(t.Context()))
	t.Logf("rejoined in %v", time.Since(begin))
	require.Contains(t, addrs(c.Replicas()), victim.Addr())
}

func TestClusterMasterHangs(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	victim := c.Masters()[2]
	require.NoError(t, victim.Stop())
	require.NotContains(t, addrs(c.Masters()), victim.Addr())
	require.NoError(t, c.WaitReady(t.Context()))
	require.Len(t, c.Masters(), 3)

	require.NoError(t, victim.Continue())
	require.NoError(t, c.WaitReady(t.Context()))
	require.Contains(t, addrs(c.Replicas()), victim.Addr())
}

func TestClusterWithTLSAndACL(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, redistest.WithTLS(), redistest.WithACL("app", "secret", "~app:*", "+@all"))
	require.Regexp(t, `^rediss\+cluster://app:secret@127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+){5}$`, c.URL())
	db := c.Client(t)
	for i := range 100 {
		require.NoError(t, db.Set(t.Context(), fmt.Sprint("app:", i), i, 0).Err())
	}
	require.NoError(t, c.MoveSlots(c.Masters()[0], c.Masters()[1], 500))
	require.NoError(t, c.WaitReady(t.Context()))

	app := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: c.Addrs(), Username: "app", Password: "secret", TLSConfig: c.Nodes()[0].TLSConfig(),
	})
	defer app.Close()
	for i := range 100 {
		require.NoError(t, app.Get(t.Context(), fmt.Sprint("app:", i)).Err())
	}
	require.ErrorContains(t, app.Get(t.Context(), "other").Err(), "NOPERM")
}

// Without a test behind it a cluster only returns its errors.
func TestLaunchedClusterReturnsErrors(t *testing.T) {
	t.Parallel()
	c, err := redistest.LaunchCluster(t.Context(), redistest.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	require.ErrorContains(t, c.MoveSlots(c.Nodes()[0], c.Nodes()[1], 16384), "slots only")

	require.NoError(t, c.Nodes()[0].Kill())
	require.NoError(t, c.Nodes()[3].Kill()) // nobody left to take over
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.WaitReady(ctx), context.DeadlineExceeded)
}
