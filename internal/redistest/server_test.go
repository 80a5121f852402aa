package redistest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

// connect opens url the way the code under test would.
func connect(t *testing.T, url string, conf *tls.Config) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	require.NoError(t, err)
	if conf != nil {
		o.TLSConfig = conf
	}
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	c := redis.NewClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestServerAnswersAtItsURL(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	srv := redistest.Start(t)
	t.Logf("started in %v", time.Since(begin))
	require.Equal(t, "redis://"+srv.Addr()+"/0", srv.URL())
	require.Nil(t, srv.TLSConfig())
	require.Empty(t, srv.CAFile())
	require.NoError(t, connect(t, srv.URL(), nil).Set(t.Context(), "k", "v", 0).Err())
	v, err := srv.Client(t).Get(t.Context(), "k").Result()
	require.NoError(t, err)
	require.Equal(t, "v", v)
}

func TestRestartIsEmptyOnTheSamePort(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	db := srv.Client(t)
	for _, kill := range []bool{true, false} {
		require.NoError(t, db.Set(t.Context(), "k", "v", 0).Err())
		addr, pid := srv.Addr(), srv.PID()
		require.NotZero(t, pid)
		if kill {
			require.NoError(t, srv.Kill())
			require.NoError(t, srv.Kill(), "killing a dead server is fine")
			require.Zero(t, srv.PID())
			_, err := net.Dial("tcp", addr)
			require.ErrorContains(t, err, "refused")
		}
		require.NoError(t, srv.Restart())
		require.Equal(t, addr, srv.Addr())
		require.NotEqual(t, pid, srv.PID())
		n, err := db.DBSize(t.Context()).Result()
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

// A client that has failed for a while must see a restart at once, or tests
// would fail right after Restart.
func TestClientSeesRestartAtOnce(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	db := srv.Client(t)
	require.NoError(t, srv.Kill())
	for range 100 {
		require.Error(t, db.Ping(t.Context()).Err())
	}
	require.NoError(t, srv.Restart())
	require.NoError(t, db.Ping(t.Context()).Err())
}

func TestStopHangsUntilContinue(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	db := srv.Client(t)
	require.NoError(t, db.Ping(t.Context()).Err())
	require.NoError(t, srv.Stop())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var timeout net.Error // the socket's or the context's, whichever is first
	require.ErrorAs(t, db.Ping(ctx).Err(), &timeout)
	require.True(t, timeout.Timeout())
	require.NoError(t, srv.Continue())
	require.NoError(t, db.Ping(t.Context()).Err())
}

func TestStoppedServerCanBeKilledRestartedAndClosed(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	require.NoError(t, srv.Stop())
	require.NoError(t, srv.Kill())
	require.NoError(t, srv.Restart())
	require.NoError(t, srv.Client(t).Ping(t.Context()).Err())
	require.NoError(t, srv.Stop())
	require.NoError(t, srv.Restart())
	require.NoError(t, srv.Client(t).Ping(t.Context()).Err())
	require.NoError(t, srv.Stop()) // and the test's cleanup has to end it
}

func TestLifecycleIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	srv, err := redistest.Launch(t.Context(), redistest.Options{TLS: true})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				// Whether Stop and Continue find a process depends on the others.
				_ = srv.Stop()
				_ = srv.Continue()
				_ = srv.Kill()
				_ = srv.Restart()
				_ = srv.PID()
			}
		})
	}
	wg.Wait()
	require.NoError(t, srv.Restart())
	require.NoError(t, srv.Close())
	require.NoError(t, srv.Close(), "closing twice is fine")
	require.Zero(t, srv.PID())
	require.ErrorContains(t, srv.Restart(), "closed")
	require.NoDirExists(t, filepath.Dir(srv.CAFile()))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.WithTLS())
	require.Equal(t, "rediss://"+srv.Addr()+"/0", srv.URL())
	require.NoError(t, srv.Client(t).Ping(t.Context()).Err())
	require.NoError(t, connect(t, srv.URL(), srv.TLSConfig()).Ping(t.Context()).Err())

	pem, err := os.ReadFile(srv.CAFile())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	require.NoError(t, connect(t, srv.URL(), conf).Ping(t.Context()).Err())

	require.Error(t, connect(t, "redis://"+srv.Addr(), nil).Ping(t.Context()).Err(), "plain TCP")
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, connect(t, srv.URL(), nil).Ping(t.Context()).Err(), &unknown)
	other := redistest.Start(t, redistest.WithTLS())
	require.ErrorAs(t, connect(t, srv.URL(), other.TLSConfig()).Ping(t.Context()).Err(), &unknown)

	require.NoError(t, srv.Restart())
	require.NoError(t, connect(t, srv.URL(), srv.TLSConfig()).Ping(t.Context()).Err())
}

func TestACL(t *testing.T) {
	t.Parallel()
	const password = `p@ss "w/o'rd #1`
	srv := redistest.Start(t,
		redistest.WithACL("app", password, "~app:*", "+@read", "+set"),
		redistest.WithACL("other", "else"))

	app := connect(t, srv.URL(), nil)
	require.NoError(t, app.Set(t.Context(), "app:k", "v", 0).Err())
	require.ErrorContains(t, app.Set(t.Context(), "k", "v", 0).Err(), "NOPERM")
	require.ErrorContains(t, app.FlushAll(t.Context()).Err(), "NOPERM")

	require.ErrorContains(t, connect(t, "redis://"+srv.Addr(), nil).Ping(t.Context()).Err(), "NOAUTH")
	require.ErrorContains(t, connect(t, "redis://app:wrong@"+srv.Addr(), nil).Ping(t.Context()).Err(), "WRONGPASS")
	require.NoError(t, connect(t, "redis://other:else@"+srv.Addr(), nil).FlushAll(t.Context()).Err())

	require.NoError(t, srv.Client(t).FlushAll(t.Context()).Err(), "the test itself may do everything")
	require.NoError(t, srv.Restart())
	require.NoError(t, app.Set(t.Context(), "app:k", "v", 0).Err())
}

func TestConfig(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t,
		redistest.WithConfig("maxmemory", "4mb"),
		redistest.WithConfig("client-output-buffer-limit", "pubsub 1mb 1mb 1"),
		redistest.WithConfig("notify-keyspace-events", ""))
	for range 2 {
		conf, err := srv.Client(t).ConfigGet(t.Context(), "maxmemory").Result()
		require.NoError(t, err)
		require.Equal(t, "4194304", conf["maxmemory"])
		require.NoError(t, srv.Restart())
	}
}

func TestManyServersAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	servers := make([]*redistest.Server, 12)
	for i := range servers {
		wg.Go(func() { servers[i] = redistest.Start(t) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, s := range servers {
		require.NotNil(t, s)
		require.False(t, seen[s.Addr()])
		seen[s.Addr()] = true
	}
}
