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

// readyClient wraps a client made with the defaults of the library, but for its pool.
func readyClient(t *testing.T, srv *redistest.Server, cfg Config) (*Remote, *redis.Client) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: srv.Addr(), PoolSize: 5})
	t.Cleanup(func() { _ = client.Close() })
	r, err := New(client, cfg)
	require.NoError(t, err)
	return r, client
}

func TestGuardedCallsLeaveAHungServer(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	r, _ := readyClient(t, srv, Config{})
	require.Equal(t, 20, cap(r.guard.places))
	require.NoError(t, r.Ping(t.Context()))
	require.NoError(t, srv.Stop())
	requireAtOnce(t, r)

	// Cancelling frees the caller at once, which an unguarded client cannot do.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	d := took(func() { require.Error(t, r.Ping(ctx)) })
	require.Less(t, d, atOnce)

	require.NoError(t, srv.Continue())
	eventually(t, func() error { return r.Ping(t.Context()) })
	eventually(t, func() error {
		if len(r.guard.places) > 0 {
			return errors.New("places are still taken")
		}
		return nil
	})
}

// slowDial is a client whose connection comes up when the test says so.
func slowDial(t *testing.T, srv *redistest.Server) (client *redis.Client, dial chan struct{}) {
	dial = make(chan struct{})
	o := srv.Client(t).Options()
	client = redis.NewClient(&redis.Options{
		Addr:      o.Addr,
		OnConnect: func(context.Context, *redis.Conn) error { <-dial; return nil },
	})
	t.Cleanup(func() { _ = client.Close() })
	return client, dial
}

// The caller leaves and reuses its buffer before the client has sent a byte. Without a copy
// the race detector complains, or the wrong bytes are stored.
func TestGuardedSetCopiesTheFrame(t *testing.T) {
	srv := redistest.Start(t)
	for name, set := range map[string]func(*Remote, tier.Key, []byte) error{
		"Set": func(r *Remote, k tier.Key, frame []byte) error {
			return r.Set(t.Context(), k, frame, time.Minute)
		},
		"SetMany": func(r *Remote, k tier.Key, frame []byte) error {
			return r.SetMany(t.Context(), []tier.Item{{Key: k, Frame: frame, TTL: time.Minute}})[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, dial := slowDial(t, srv)
			r, err := New(client, Config{CallTimeout: 20 * time.Millisecond})
			require.NoError(t, err)
			frame := pattern(100_000)
			require.ErrorIs(t, set(r, key(name), frame), context.DeadlineExceeded)
			clear(frame)
			close(dial)
			eventually(t, func() error {
				if len(r.guard.places) > 0 {
					return errors.New("still sending")
				}
				return nil
			})
			got, err := srv.Client(t).Get(t.Context(), r.names.value(key(name))).Bytes()
			if !errors.Is(err, redis.Nil) { // it may also not have been sent at all
				require.NoError(t, err)
				require.Equal(t, pattern(100_000), got)
			}
		})
	}
}

// scribbler is a hook that works on the commands of a pipeline until it is told to stop.
type scribbler struct {
	redis.Hook
	stop chan struct{}
}

var errScribble = errors.New("not meant to be seen")

func (scribbler) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (scribbler) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (s scribbler) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		for {
			select {
			case <-s.stop:
				return nil
			default:
				cmds[0].SetErr(errScribble)
			}
		}
	}
}

// Commands that a caller has left behind still belong to the client. The race detector
// complains if they are looked at.
func TestGuardedBatchIsNotTouchedAfterLeaving(t *testing.T) {
	noLeaks(t)
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	stop := make(chan struct{})
	defer close(stop)
	client.AddHook(scribbler{stop: stop})
	r, err := New(client, Config{CallTimeout: 20 * time.Millisecond})
	require.NoError(t, err)
	for _, reply := range r.GetMany(t.Context(), keysOf(3)) {
		require.ErrorIs(t, reply.Err, context.DeadlineExceeded)
		require.NotErrorIs(t, reply.Err, errScribble)
	}
}

// A client that never gives up must not collect a goroutine for each call.
func TestGuardBoundsGoroutines(t *testing.T) {
	noLeaks(t)
	const limit = 3
	g, free := newGuard(limit), make(chan struct{})
	var inside atomic.Int64
	call := func() (bool, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return g.run(ctx, func(context.Context) error {
			inside.Add(1)
			<-free
			return nil
		})
	}
	for i := range 2 * limit {
		left, err := call()
		require.Equal(t, i < limit, left)
		require.Equal(t, i >= limit, errors.Is(err, errNoPlace))
	}
	require.LessOrEqual(t, inside.Load(), int64(limit))
	close(free)
	eventually(t, func() error { _, err := call(); return err })
}

func TestWhichClientsAreGuarded(t *testing.T) {
	single := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	defer single.Close()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, ContextTimeoutEnabled: true})
	defer cluster.Close()
	plainCluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer plainCluster.Close()
	for _, test := range []struct {
		client redis.UniversalClient
		guard  bool
	}{{single, false}, {cluster, false}, {plainCluster, true}, {wrapper{single}, true}} {
		r, err := New(test.client, Config{})
		require.NoError(t, err)
		require.Equal(t, test.guard, r.guard != nil, "%T", test.client)
	}
}

// wrapper is a client of a type that nobody knows.
type wrapper struct{ redis.UniversalClient }

func TestUnknownClientWorks(t *testing.T) {
	srv := redistest.Start(t)
	r, err := New(wrapper{srv.Client(t)}, Config{CallTimeout: 5 * time.Second})
	require.NoError(t, err)
	for name, call := range calls(r) {
		if err := call(t.Context()); err != nil {
			require.ErrorIs(t, err, tier.ErrMiss, name)
		}
	}
}
