package redistest_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

func TestMissingBinaryIsFatal(t *testing.T) {
	t.Setenv("REDISTEST_SERVER", "no-such-redis-server")
	for _, start := range []func(redistest.TB){
		func(tb redistest.TB) { redistest.Start(tb) },
		func(tb redistest.TB) { redistest.StartCluster(tb) },
		func(tb redistest.TB) { redistest.StartSentinel(tb) },
	} {
		msg := fatal(t, start)
		require.Contains(t, msg, "apt-get install redis-server")
		require.Contains(t, msg, "brew install redis")
		require.Contains(t, msg, "make test")
	}
	_, err := redistest.Launch(t.Context(), redistest.Options{})
	require.ErrorIs(t, err, redistest.ErrNotInstalled)
}

func TestBadConfigShowsTheLog(t *testing.T) {
	t.Parallel()
	msg := fatal(t, func(tb redistest.TB) { redistest.Start(tb, redistest.WithConfig("no-such-setting", "1")) })
	require.Contains(t, msg, "FATAL CONFIG FILE ERROR")
	require.Contains(t, msg, "no-such-setting")
}

func TestOptionsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, opt := range []redistest.Option{
		redistest.WithConfig("", "1"),
		redistest.WithConfig("maxmemory", "1\nsave 1 1"),
		redistest.WithACL("", "x"),
		redistest.WithACL("default", "x"),
		redistest.WithACL("a b", "x"),
		redistest.WithACL("a", "x", "+@all\nuser b on"),
	} {
		require.Contains(t, fatal(t, func(tb redistest.TB) { redistest.Start(tb, opt) }), "redistest: ")
	}
}

// A test that ignores the result of a call fails all the same.
func TestErrorsReachTheTest(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	srv := redistest.Start(tb)
	require.NoError(t, srv.Kill())
	require.Error(t, srv.Stop())
	require.Error(t, srv.Continue())
	require.Len(t, tb.mu.errors, 2)
	require.Contains(t, tb.mu.errors[0], "stop "+srv.Addr())
	tb.finish()
	require.Len(t, tb.mu.errors, 2, "the cleanup has nothing to complain about")
}

func TestLaunchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := redistest.Launch(ctx, redistest.Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = redistest.LaunchCluster(ctx, redistest.Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = redistest.LaunchSentinel(ctx, redistest.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestRestartOnAStolenPort(t *testing.T) {
	t.Parallel()
	srv, err := redistest.Launch(t.Context(), redistest.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	require.NoError(t, srv.Kill())
	thief, err := net.Listen("tcp", srv.Addr())
	require.NoError(t, err)
	require.ErrorContains(t, srv.Restart(), "port taken")
	require.NoError(t, thief.Close())
	require.NoError(t, srv.Restart())
}
