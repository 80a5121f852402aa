package redistest_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := redistest.StartSentinel(t)
	t.Logf("started in %v", time.Since(begin))

	require.Equal(t, "mymaster", s.MasterName())
	require.Len(t, s.SentinelAddrs(), 3)
	require.Regexp(t, `^redis\+sentinel://127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+){2}/mymaster/0$`, s.URL())
	require.Same(t, s.Nodes()[0], s.Master())

	db := s.Client(t)
	require.NoError(t, db.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, s.Master().Client(t).Wait(t.Context(), 2, time.Second).Err())

	for range 2 {
		old := s.Master()
		begin = time.Now()
		require.NoError(t, s.Failover())
		t.Logf("failed over in %v", time.Since(begin))
		require.NotSame(t, old, s.Master())
		eventually(t, 5*time.Second, func(ctx context.Context) bool {
			return db.Set(ctx, "k", "after", 0).Err() == nil
		}, "the client writes to the new master")
	}
}

func TestSentinelMasterDies(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	old := s.Master()
	begin := time.Now()
	require.NoError(t, old.Kill())
	require.NoError(t, s.WaitReady(t.Context()))
	t.Logf("failed over in %v", time.Since(begin))
	require.NotSame(t, old, s.Master())

	begin = time.Now()
	require.NoError(t, old.Restart())
	require.NoError(t, s.WaitReady(t.Context()))
	t.Logf("rejoined in %v", time.Since(begin))
	require.NotSame(t, old, s.Master())
}

func TestSentinelDies(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	require.NoError(t, s.Sentinels()[0].Kill())
	require.NoError(t, s.Failover(), "two of three are a quorum")
	require.NoError(t, s.Sentinels()[0].Restart())
	require.NoError(t, s.WaitReady(t.Context()))
	require.NotSame(t, s.Nodes()[0], s.Master())
}

func TestSentinelWithTLSAndACL(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, redistest.WithTLS(), redistest.WithACL("app", "secret"))
	require.Regexp(t, `^rediss\+sentinel://app:secret@.*/mymaster/0$`, s.URL())
	require.NoError(t, s.Client(t).Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, s.Failover())

	app := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: s.MasterName(), SentinelAddrs: s.SentinelAddrs(),
		Username: "app", Password: "secret", TLSConfig: s.Nodes()[0].TLSConfig(),
	})
	defer app.Close()
	eventually(t, 5*time.Second, func(ctx context.Context) bool {
		return app.Set(ctx, "k", "v", 0).Err() == nil
	}, "the user writes to the new master")
}
