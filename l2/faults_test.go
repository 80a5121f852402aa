package l2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/tier"
)

// atOnce is far above the call time-out of 100 ms and far below the five seconds that a
// client with the defaults of the library spends on a server that hangs.
const atOnce = time.Second

// defaults opens srv as a service would, with nothing set.
func defaults(t *testing.T, srv *redistest.Server) *Remote {
	t.Helper()
	r, err := Open(t.Context(), srv.URL(), Config{TLS: srv.TLSConfig()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// calls are all methods, each with one error.
func calls(r *Remote) map[string]func(context.Context) error {
	keys := keysOf(1200)
	items := make([]tier.Item, len(keys))
	for i, k := range keys {
		items[i] = tier.Item{Key: k, Frame: pattern(1000), TTL: time.Minute}
	}
	return map[string]func(context.Context) error{
		"Get":     func(ctx context.Context) error { _, err := r.Get(ctx, keys[0]); return err },
		"Set":     func(ctx context.Context) error { return r.Set(ctx, keys[0], items[0].Frame, time.Minute) },
		"Delete1": func(ctx context.Context) error { return r.Delete(ctx, keys[0]) },
		"Delete":  func(ctx context.Context) error { return r.Delete(ctx, keys...) },
		"Expire":  func(ctx context.Context) error { return r.Expire(ctx, time.UnixMilli(1), keys...) },
		"Ping":    func(ctx context.Context) error { return r.Ping(ctx) },
		"GetMany": func(ctx context.Context) error { return r.GetMany(ctx, keys)[len(keys)-1].Err },
		"SetMany": func(ctx context.Context) error { return r.SetMany(ctx, items)[len(keys)-1] },
	}
}

// requireAtOnce makes every call and fails unless it ends in time with a time-out.
func requireAtOnce(t *testing.T, r *Remote) {
	t.Helper()
	for name, call := range calls(r) {
		var err error
		d := took(func() { err = call(t.Context()) })
		require.Less(t, d, atOnce, name)
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		t.Logf("%s: %v, %v", name, d.Round(time.Millisecond), err)
	}
}

func TestHungServer(t *testing.T) {
	for name, opts := range map[string][]redistest.Option{"plain": nil, "tls": {redistest.WithTLS()}} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			srv := redistest.Start(t, opts...)
			r := defaults(t, srv)
			eventually(t, func() error { return r.Ping(t.Context()) })
			require.NoError(t, srv.Stop())
			requireAtOnce(t, r)

			// More callers than connections: those in the queue leave in time as well.
			var wg sync.WaitGroup
			d := took(func() {
				for range 200 {
					wg.Go(func() { _, _ = r.Get(t.Context(), key("x")) })
				}
				wg.Wait()
			})
			require.Less(t, d, 2*atOnce)
			require.NoError(t, srv.Continue())
			eventually(t, func() error { return r.Ping(t.Context()) })
		})
	}
}

// The deadline of the caller counts if it is the earlier one, and the error says so.
func TestCallersDeadline(t *testing.T) {
	srv, r := start(t, Config{CallTimeout: 10 * time.Second})
	require.NoError(t, r.Ping(t.Context()))
	require.NoError(t, srv.Stop())
	defer srv.Continue()
	for name, call := range calls(r) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		d := took(func() { require.ErrorIs(t, call(ctx), context.DeadlineExceeded, name) })
		cancel()
		require.Less(t, d, atOnce, name)
	}
}

// A server that was never there: the address accepts and says nothing, or refuses.
func TestOpenWithoutServer(t *testing.T) {
	noLeaks(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())
	for _, addr := range []string{silent.Addr().String(), refusing.Addr().String()} {
		for _, url := range []string{"redis://%s", "rediss://%s", "redis+cluster://%s", "redis+sentinel://%s/m"} {
			var r *Remote
			d := took(func() { r, err = Open(t.Context(), fmt.Sprintf(url, addr), Config{}) })
			require.NoError(t, err, url)
			require.Less(t, d, atOnce, url)
			d = took(func() { require.Error(t, r.Ping(t.Context())) })
			require.Less(t, d, atOnce, url)
			_, err = r.Get(t.Context(), key("x"))
			require.Error(t, err)
			require.NotErrorIs(t, err, tier.ErrMiss)
			require.NoError(t, r.Close())
		}
	}
}

func TestKilledAndRestartedServer(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	r := defaults(t, srv)
	eventually(t, func() error { return r.Set(t.Context(), key("x"), []byte("a"), time.Minute) })
	require.NoError(t, srv.Kill())
	for name, call := range calls(r) {
		d := took(func() { require.Error(t, call(t.Context()), name) })
		require.Less(t, d, atOnce, name)
	}
	require.NoError(t, srv.Restart())
	eventually(t, func() error { return r.Ping(t.Context()) })
	_, err := r.Get(t.Context(), key("x"))
	require.ErrorIs(t, err, tier.ErrMiss)
	// The new process has never seen the script.
	require.NoError(t, r.Set(t.Context(), key("x"), envelope(key("x"), 1<<40), time.Minute))
	eventually(t, func() error { return r.Expire(t.Context(), time.UnixMilli(5), key("x")) })
	require.EqualValues(t, 5, softExpiry(t, r, key("x")))
}

// Connections that the server closed while they were idle cost a retry, not an error.
func TestIdleConnectionsClosedByTheServer(t *testing.T) {
	srv, r := start(t, Config{})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { _ = r.Ping(t.Context()) })
	}
	wg.Wait()
	require.NoError(t, srv.Client(t).ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err())
	for range 10 {
		require.NoError(t, r.Ping(t.Context()))
	}
}

func TestCancelledContext(t *testing.T) {
	srv, r := start(t, Config{CallTimeout: 500 * time.Millisecond})
	require.NoError(t, r.Ping(t.Context()))
	require.NoError(t, srv.Stop())
	defer srv.Continue()
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() {
		_, err := r.Get(ctx, key("x"))
		errs <- err
	}()
	eventually(t, func() error {
		if r.client.PoolStats().IdleConns > 0 {
			return errors.New("the call is not on its way yet")
		}
		return nil
	})
	cancel()
	// The read runs on to the call's own deadline, but the error is the caller's doing.
	err := <-errs
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "l2: get: cancelled by the caller")
	_, err = r.Get(ctx, key("x"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestFullServer(t *testing.T) {
	srv, r := start(t, Config{})
	ctx, db := t.Context(), srv.Client(t)
	require.NoError(t, r.Set(ctx, key("x"), envelope(key("x"), 1<<40), time.Minute))
	require.NoError(t, db.ConfigSet(ctx, "maxmemory", "1").Err())
	err := r.Set(ctx, key("y"), []byte("a"), time.Minute)
	require.ErrorContains(t, err, "OOM")
	require.True(t, redis.IsOOMError(err))
	require.ErrorContains(t, r.SetMany(ctx, []tier.Item{{Key: key("y"), Frame: []byte("a"), TTL: time.Minute}})[0], "OOM")
	require.ErrorContains(t, r.Expire(ctx, time.UnixMilli(5), key("x")), "OOM")
	_, err = r.Get(ctx, key("x"))
	require.NoError(t, err)
	require.NoError(t, r.Delete(ctx, key("x")))
	_, err = r.Get(ctx, key("x"))
	require.ErrorIs(t, err, tier.ErrMiss)
}
