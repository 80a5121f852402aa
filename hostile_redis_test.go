package tiercache

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/l2"
)

// attacked is an engine on a real server, together with what looks behind its back. There
// is no L1, and time-outs are long: a busy machine must not turn a miss into a time-out.
type attacked struct {
	g    goldenFile
	e    *Engine
	c    hidden
	db   *redis.Client
	name string // of the value in Redis
}

const patientBudget = 10 * time.Second

func newAttacked(t *testing.T, g goldenFile, srv *redistest.Server, maxFrame int) *attacked {
	t.Helper()
	remote, err := l2.Open(t.Context(), srv.URL(), l2.Config{
		CallTimeout: patientBudget, DialTimeout: patientBudget, MaxFrameBytes: maxFrame,
	})
	require.NoError(t, err)
	a := &attacked{g: g, db: srv.Client(t)}
	a.e, a.c = g.engine(t, func(cfg *Config) { cfg.L2, cfg.L2Budget = remote, patientBudget })
	require.NoError(t, a.db.FlushDB(t.Context()).Err())
	_, err = a.c.getOrCompute(t.Context())
	require.NoError(t, err)
	a.settle(t)
	names, err := a.db.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Len(t, names, 1)
	a.name = names[0]
	return a
}

// settle waits until no flight has anything left to write.
func (a *attacked) settle(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for begun := time.Now(); a.e.flights.running() > 0; <-tick.C {
		require.Less(t, time.Since(begun), 2*patientBudget, "flights do not end")
	}
}

// meets checks that what put has left under the name is a counted miss, and overwritten.
func (a *attacked) meets(t *testing.T, put func(ctx context.Context, name string) error, note ...any) {
	t.Helper()
	require.NoError(t, a.db.Del(t.Context(), a.name).Err(), note...)
	require.NoError(t, put(t.Context(), a.name), note...)
	before := a.e.Stats().Total
	_, err := a.c.get(t.Context())
	require.ErrorIs(t, err, ErrMiss, note...)
	got, err := a.c.getOrCompute(t.Context())
	require.NoError(t, err, note...)
	require.True(t, sameValue(a.g.other, got), note...)
	a.settle(t)
	after := a.e.Stats().Total
	require.EqualValues(t, 2, after.Corrupt-before.Corrupt, note...)
	require.Equal(t, before.L2Errors, after.L2Errors, note...)
	got, err = a.c.get(t.Context())
	require.NoError(t, err, "it has been overwritten")
	require.True(t, sameValue(a.g.other, got), note...)
}

func (a *attacked) put(b []byte) func(context.Context, string) error {
	return func(ctx context.Context, name string) error { return a.db.Set(ctx, name, b, time.Hour).Err() }
}

func TestHostileBytesInRedis(t *testing.T) {
	srv := redistest.Start(t)
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			a, frame := newAttacked(t, g, srv, 0), g.frame(t)
			for bit := 3; bit < len(frame)*8; bit += 61 {
				switch fateOfFlip(frame, bit) {
				case discarded:
					a.meets(t, a.put(flipped(frame, bit)), "bit %d", bit)
				default: // the other tests have them
				}
			}
			for n := 1; n < len(frame); n += 17 { // an empty string is no value to Redis
				a.meets(t, a.put(frame[:n]), "cut to %d", n)
			}
			bad := newer(frame, 2)
			require.NoError(t, a.db.Set(t.Context(), a.name, bad, time.Hour).Err())
			got, err := a.c.getOrCompute(t.Context())
			require.NoError(t, err)
			require.True(t, sameValue(a.g.other, got))
			a.settle(t)
			stored, err := a.db.Get(t.Context(), a.name).Bytes()
			require.NoError(t, err)
			require.Equal(t, bad, stored, "a newer version must be left alone")
		})
	}
}

// Other clients can put anything under the name: other types, and more than fits.
func TestForeignTypesInRedis(t *testing.T) {
	srv := redistest.Start(t)
	const huge, capped = 32 << 20, 1 << 20
	g := goldens()[0]
	types := map[string]func(ctx context.Context, db *redis.Client, name string) error{
		"list": func(ctx context.Context, db *redis.Client, name string) error {
			return db.RPush(ctx, name, "a", "b").Err()
		},
		"hash": func(ctx context.Context, db *redis.Client, name string) error {
			return db.HSet(ctx, name, "f", "v").Err()
		},
		"set": func(ctx context.Context, db *redis.Client, name string) error { return db.SAdd(ctx, name, "a").Err() },
		"sorted set": func(ctx context.Context, db *redis.Client, name string) error {
			return db.ZAdd(ctx, name, redis.Z{Score: 1, Member: "a"}).Err()
		},
		"stream": func(ctx context.Context, db *redis.Client, name string) error {
			return db.XAdd(ctx, &redis.XAddArgs{Stream: name, Values: []string{"f", "v"}}).Err()
		},
		"counter": func(ctx context.Context, db *redis.Client, name string) error { return db.Incr(ctx, name).Err() },
		"bitmap": func(ctx context.Context, db *redis.Client, name string) error {
			return db.SetBit(ctx, name, 4000, 1).Err()
		},
		"string of 32 MiB": func(ctx context.Context, db *redis.Client, name string) error {
			return db.SetRange(ctx, name, huge-1, "x").Err()
		},
		"envelope followed by 32 MiB": func(ctx context.Context, db *redis.Client, name string) error {
			return errors.Join(db.Set(ctx, name, g.frame(t), time.Hour).Err(), db.SetRange(ctx, name, huge-1, "x").Err())
		},
	}
	for limits, maxFrame := range map[string]int{"with the default cap": 0, "with a cap of 1 MiB": capped} {
		a := newAttacked(t, g, srv, maxFrame)
		for name, put := range types {
			t.Run(name+" "+limits, func(t *testing.T) {
				spent := allocated(func() {
					a.meets(t, func(ctx context.Context, name string) error { return put(ctx, a.db, name) })
				})
				t.Logf("%d bytes allocated", spent)
				if maxFrame == capped {
					// Twice read, and the client's buffers; 32 MiB is what it must not be.
					require.Less(t, spent, int64(8*capped))
				}
			})
		}
	}
}

// Values that a client has copied or renamed in Redis are of another key now.
func TestRenamedInRedis(t *testing.T) {
	srv := redistest.Start(t)
	remote, err := l2.Open(t.Context(), srv.URL(), l2.Config{CallTimeout: patientBudget, DialTimeout: patientBudget})
	require.NoError(t, err)
	c := newCache[string](t, Config{L2: remote, L2Budget: patientBudget}, Policy{})
	db := srv.Client(t)
	require.NoError(t, c.Set(t.Context(), "alice", "value of alice"))
	names, err := db.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Len(t, names, 1)
	bob := strings.Replace(names[0], "alice", "bob", 1)
	require.NotEqual(t, names[0], bob)
	require.NoError(t, db.Rename(t.Context(), names[0], bob).Err())

	_, err = c.Get(t.Context(), "bob")
	require.ErrorIs(t, err, ErrMiss)
	require.EqualValues(t, 1, c.e.Stats().Total.Corrupt)
	got, err := c.GetOrCompute(t.Context(), "bob", value("value of bob"))
	require.NoError(t, err)
	require.Equal(t, "value of bob", got)
	got, err = c.GetOrCompute(t.Context(), "alice", value("computed"))
	require.NoError(t, err)
	require.Equal(t, "computed", got)
}
