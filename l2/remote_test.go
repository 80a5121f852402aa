package l2

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// rights are those of the package documentation: the suite runs as a user who has no others.
var rights = []string{
	"~tc:*", "&tc:*", "+get", "+set", "+getrange", "+setrange", "+unlink", "+del", "+hget", "+hset", "+hkeys",
	"+pexpire", "+pttl", "+time", "+eval", "+evalsha", "+script|load", "+publish", "+subscribe", "+ping",
}

func conform(t *testing.T, open func(*testing.T) *Remote) {
	noLeaks(t)
	tiertest.TestRemote(t, func(t *testing.T) tier.Remote { return open(t) })
}

func TestConformanceStandalone(t *testing.T) {
	srv := redistest.Start(t)
	conform(t, func(t *testing.T) *Remote { return open(t, srv.URL(), Config{}) })
}

func TestConformanceTLS(t *testing.T) {
	srv := redistest.Start(t, redistest.WithTLS())
	conform(t, func(t *testing.T) *Remote { return open(t, srv.URL(), Config{TLS: srv.TLSConfig()}) })
}

func TestConformanceLeastRights(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", "p@ss:w/rd?#%", rights...))
	conform(t, func(t *testing.T) *Remote { return open(t, srv.URL(), Config{}) })
}

func TestConformanceUnixSocket(t *testing.T) {
	socket := t.TempDir() + "/redis.sock"
	redistest.Start(t, redistest.WithConfig("unixsocket", socket))
	conform(t, func(t *testing.T) *Remote { return open(t, "unix://"+socket+"?db=2", Config{}) })
}

// A client made with the defaults of the library does not honour deadlines.
func TestConformanceGuarded(t *testing.T) {
	srv := redistest.Start(t)
	conform(t, func(t *testing.T) *Remote {
		client := redis.NewClient(&redis.Options{Addr: srv.Addr()})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		r, err := New(client, Config{CallTimeout: 5 * time.Second})
		require.NoError(t, err)
		require.NotNil(t, r.guard)
		return r
	})
}

func TestConformanceRing(t *testing.T) {
	a, b := redistest.Start(t), redistest.Start(t)
	conform(t, func(t *testing.T) *Remote {
		ring := redis.NewRing(&redis.RingOptions{
			Addrs:                 map[string]string{"a": a.Addr(), "b": b.Addr()},
			ContextTimeoutEnabled: true,
		})
		t.Cleanup(func() { require.NoError(t, ring.Close()) })
		r, err := New(ring, Config{CallTimeout: 5 * time.Second})
		require.NoError(t, err)
		require.Nil(t, r.guard)
		return r
	})
}

func TestConformanceSentinel(t *testing.T) {
	s := redistest.StartSentinel(t)
	conform(t, func(t *testing.T) *Remote { return open(t, s.URL(), Config{}) })
}

func TestConformanceCluster(t *testing.T) {
	// Reads of the topology come on top of the rights for one server.
	c := redistest.StartCluster(t, redistest.WithACL("app", "secret", append(rights, "+cluster|slots")...))
	conform(t, func(t *testing.T) *Remote { return open(t, c.URL(), Config{}) })
}

// Nothing that the client sends by itself, when it connects or before a command, is refused
// to a user with the least rights: a refusal costs a round trip and fills the server's log.
func TestNothingIsRefused(t *testing.T) {
	least := append(rights, "+cluster|slots")
	srv := redistest.Start(t, redistest.WithACL("app", "secret", least...))
	c := redistest.StartCluster(t, redistest.WithACL("app", "secret", least...))
	for url, servers := range map[string][]*redistest.Server{srv.URL(): {srv}, c.URL(): c.Nodes()} {
		for _, s := range servers {
			require.NoError(t, s.Client(t).ConfigResetStat(t.Context()).Err())
		}
		r := open(t, url, Config{})
		for name, call := range calls(r) {
			if err := call(t.Context()); !errors.Is(err, tier.ErrMiss) {
				require.NoError(t, err, name)
			}
		}
		for _, s := range servers {
			refused, err := s.Client(t).Info(t.Context(), "errorstats").Result()
			require.NoError(t, err)
			for line := range strings.Lines(refused) {
				if strings.HasPrefix(line, "errorstat_") {
					require.Contains(t, line, "errorstat_NOSCRIPT:", "the first run of a script")
				}
			}
		}
	}
}

// The rights that the package documentation names for special settings are enough.
func TestRightsOfSpecialSettings(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", "secret", append(rights, "+select", "+client|setname")...))
	url := strings.TrimSuffix(srv.URL(), "/0") + "/3"
	require.NoError(t, open(t, url, Config{ClientName: "shop"}).Ping(t.Context()))
}

func TestDatabasesAndPrefixesAreApart(t *testing.T) {
	srv := redistest.Start(t)
	a := open(t, "redis://"+srv.Addr()+"/0", Config{})
	others := []*Remote{
		open(t, "redis://"+srv.Addr()+"/1", Config{}),
		open(t, "redis://"+srv.Addr(), Config{Prefix: "other"}),
	}
	require.NoError(t, a.Set(t.Context(), key("x"), []byte("a"), time.Minute))
	for _, r := range others {
		_, err := r.Get(t.Context(), key("x"))
		require.ErrorIs(t, err, tier.ErrMiss)
	}
	names, err := srv.Client(t).Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Equal(t, []string{"tc:0:1:v:{space:x}"}, names)
}

func TestTTLReachesTheServer(t *testing.T) {
	srv, r := start(t, Config{})
	db := srv.Client(t)
	require.NoError(t, r.Set(t.Context(), key("x"), []byte("a"), time.Hour+time.Microsecond))
	ttl, err := db.PTTL(t.Context(), r.names.value(key("x"))).Result()
	require.NoError(t, err)
	require.LessOrEqual(t, ttl, time.Hour)
	require.Greater(t, ttl, time.Hour-time.Minute)
}

// Every call makes what a list, a hash or a stranger's string is: corrupt, and replaceable.
func TestWrongTypeIsCorruptAndOverwritten(t *testing.T) {
	srv, r := start(t, Config{})
	ctx, db, name := t.Context(), srv.Client(t), r.names.value(key("x"))
	require.NoError(t, db.RPush(ctx, name, "a").Err())

	_, err := r.Get(ctx, key("x"))
	require.ErrorIs(t, err, tier.ErrCorrupt)
	replies := r.GetMany(ctx, []tier.Key{key("miss"), key("x"), key("miss")})
	require.ErrorIs(t, replies[0].Err, tier.ErrMiss)
	require.ErrorIs(t, replies[1].Err, tier.ErrCorrupt)
	require.ErrorIs(t, replies[2].Err, tier.ErrMiss)
	require.NoError(t, r.Expire(ctx, time.Now(), key("x"), key("miss")))

	require.NoError(t, r.Set(ctx, key("x"), []byte("frame"), time.Minute))
	got, err := r.Get(ctx, key("x"))
	require.NoError(t, err)
	require.Equal(t, "frame", string(got))

	require.NoError(t, db.Del(ctx, name).Err())
	require.NoError(t, db.RPush(ctx, name, "a").Err())
	require.NoError(t, r.Delete(ctx, key("x")))
	_, err = r.Get(ctx, key("x"))
	require.ErrorIs(t, err, tier.ErrMiss)
}

func TestMaxFrameBytesIsTheLongest(t *testing.T) {
	srv, r := start(t, Config{MaxFrameBytes: 1000})
	ctx, db := t.Context(), srv.Client(t)
	require.NoError(t, r.Set(ctx, key("x"), pattern(1000), time.Minute))
	got, err := r.Get(ctx, key("x"))
	require.NoError(t, err)
	require.Equal(t, pattern(1000), got)
	require.ErrorContains(t, r.Set(ctx, key("x"), pattern(1001), time.Minute), "MaxFrameBytes")

	require.NoError(t, db.Set(ctx, r.names.value(key("x")), pattern(1001), 0).Err())
	_, err = r.Get(ctx, key("x"))
	require.ErrorIs(t, err, tier.ErrCorrupt)
	require.ErrorIs(t, r.GetMany(ctx, []tier.Key{key("x")})[0].Err, tier.ErrCorrupt)
}

// A value that somebody else put under the key must not cost its length in memory.
func TestHugeForeignValueIsNotTransferred(t *testing.T) {
	const limit, huge = 1 << 20, 32 << 20
	srv, r := start(t, Config{MaxFrameBytes: limit})
	require.NoError(t, srv.Client(t).SetRange(t.Context(), r.names.value(key("x")), huge-1, "x").Err())
	_, err := r.Get(t.Context(), key("miss"))
	require.ErrorIs(t, err, tier.ErrMiss)
	for name, get := range map[string]func() error{
		"Get":     func() error { _, err := r.Get(t.Context(), key("x")); return err },
		"GetMany": func() error { return r.GetMany(t.Context(), []tier.Key{key("x")})[0].Err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := get()
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, tier.ErrCorrupt, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*limit), name)
	}
}

func TestLargeBatchesGoOutInChunks(t *testing.T) {
	srv, r := start(t, Config{})
	ctx, db := t.Context(), srv.Client(t)
	keys := keysOf(2*chunkCommands + 7)
	items := make([]tier.Item, len(keys))
	for i, k := range keys {
		items[i] = tier.Item{Key: k, Frame: []byte(k.ID), TTL: time.Minute}
	}
	items[3].TTL = 0
	for i, err := range r.SetMany(ctx, items) {
		require.Equal(t, i == 3, err != nil)
	}
	for i, reply := range r.GetMany(ctx, keys) {
		if i == 3 {
			require.ErrorIs(t, reply.Err, tier.ErrMiss)
			continue
		}
		require.NoError(t, reply.Err)
		require.Equal(t, keys[i].ID, string(reply.Frame))
	}
	require.NoError(t, r.Delete(ctx, keys...))
	require.Zero(t, db.DBSize(ctx).Val())
}

func TestChunksOfAPipeline(t *testing.T) {
	sizes := func(n int, size ...int) (chunks []int) {
		p := pipeline{}
		for i := range n {
			p.add(nil, size[i%len(size)])
		}
		start := 0
		for _, end := range append(p.chunks, len(p.cmds)) {
			chunks = append(chunks, end-start)
			start = end
		}
		return chunks
	}
	require.Equal(t, []int{0}, sizes(0))
	require.Equal(t, []int{chunkCommands}, sizes(chunkCommands, 0))
	require.Equal(t, []int{chunkCommands, 1}, sizes(chunkCommands+1, 0))
	require.Equal(t, []int{1, 1, 1}, sizes(3, 5*chunkBytes))
	require.Equal(t, []int{4, 4, 1}, sizes(9, chunkBytes/4))
	require.Equal(t, []int{1, 1, 1, 1}, sizes(4, 1, chunkBytes))
}

func envelope(k tier.Key, soft int64) []byte {
	return tier.AppendEnvelope(nil, &tier.Envelope{SoftExpiry: soft, KeyDigest: k.Digest(), Payload: []byte("payload")})
}

func softExpiry(t *testing.T, r *Remote, k tier.Key) int64 {
	t.Helper()
	b, err := r.Get(t.Context(), k)
	require.NoError(t, err)
	e, err := tier.ParseEnvelope(b)
	require.NoError(t, err)
	return e.SoftExpiry
}

func TestShortestEnvelope(t *testing.T) {
	require.Len(t, tier.AppendEnvelope(nil, &tier.Envelope{}), minEnvelope)
}

func TestExpireMovesOnlyForward(t *testing.T) {
	srv, r := start(t, Config{})
	ctx, k := t.Context(), key("x")
	// Neighbours differ in every byte: a comparison that gets one of them wrong shows.
	times := []int64{0, 1, 0x7f, 0x80, 0xff, 0x100, 0x17fff, 0x18000, 0xffff_ffff, 0x1_0000_0000, 0x80_0000_0000, 1_800_000_000_000}
	for _, stored := range times {
		for _, at := range times {
			require.NoError(t, r.Set(ctx, k, envelope(k, stored), time.Minute))
			require.NoError(t, r.Expire(ctx, time.UnixMilli(at), k))
			require.Equal(t, min(stored, at), softExpiry(t, r, k), "stored %d, expired at %d", stored, at)
		}
	}
	require.NoError(t, r.Set(ctx, k, envelope(k, 1000), time.Minute))
	require.NoError(t, r.Expire(ctx, time.Unix(1<<40, 0), k))
	require.EqualValues(t, 1000, softExpiry(t, r, k))
	require.NoError(t, r.Expire(ctx, time.Time{}, k)) // before 1970: as early as an envelope can say
	require.Zero(t, softExpiry(t, r, k))
	require.Positive(t, srv.Client(t).PTTL(ctx, r.names.value(k)).Val())
}

// During a deploy an old process must be able to expire what a new one has stored.
func TestExpireOfANewerVersion(t *testing.T) {
	_, r := start(t, Config{})
	ctx, k := t.Context(), key("x")
	frame := envelope(k, 1<<40)
	frame[2]++
	require.NoError(t, r.Set(ctx, k, frame, time.Minute))
	require.NoError(t, r.Expire(ctx, time.UnixMilli(5), k))
	got, err := r.Get(ctx, k)
	require.NoError(t, err)
	require.EqualValues(t, 5, binary.BigEndian.Uint64(got[tier.SoftExpiryOffset:]))

	frame[2] = 0 // no version at all
	require.NoError(t, r.Set(ctx, k, frame, time.Minute))
	require.NoError(t, r.Expire(ctx, time.UnixMilli(5), k))
	got, err = r.Get(ctx, k)
	require.NoError(t, err)
	require.Equal(t, frame, got)
}

func TestExpireSurvivesScriptFlush(t *testing.T) {
	srv, r := start(t, Config{})
	ctx, db, keys := t.Context(), srv.Client(t), keysOf(20)
	for range 2 {
		for _, k := range keys {
			require.NoError(t, r.Set(ctx, k, envelope(k, 1<<40), time.Minute))
		}
		require.NoError(t, r.Expire(ctx, time.UnixMilli(5), keys...))
		for _, k := range keys {
			require.EqualValues(t, 5, softExpiry(t, r, k))
		}
		require.NoError(t, db.ScriptFlush(ctx).Err())
	}
}

// A script that cannot read the key must not report that there was nothing to do.
func TestExpireWithoutRightsFails(t *testing.T) {
	_, r := start(t, Config{}, redistest.WithACL("app", "secret", "~tc:*", "+evalsha", "+eval", "+set"))
	require.NoError(t, r.Set(t.Context(), key("x"), envelope(key("x"), 1<<40), time.Minute))
	require.Error(t, r.Expire(t.Context(), time.UnixMilli(5), key("x")))
}

func TestClose(t *testing.T) {
	noLeaks(t)
	_, r := start(t, Config{})
	ctx := t.Context()
	require.NoError(t, r.Set(ctx, key("x"), []byte("a"), time.Minute))
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err := r.Get(ctx, key("x"))
	require.ErrorIs(t, err, tier.ErrClosed)
	require.ErrorIs(t, r.Set(ctx, key("x"), []byte("a"), time.Minute), tier.ErrClosed)
	require.ErrorIs(t, r.Delete(ctx, key("x")), tier.ErrClosed)
	require.ErrorIs(t, r.Delete(ctx, key("x"), key("y")), tier.ErrClosed)
	require.ErrorIs(t, r.Expire(ctx, time.Now(), key("x")), tier.ErrClosed)
	require.ErrorIs(t, r.Ping(ctx), tier.ErrClosed)
	require.ErrorIs(t, r.GetMany(ctx, keysOf(2))[1].Err, tier.ErrClosed)
	require.ErrorIs(t, r.SetMany(ctx, make([]tier.Item, 2))[1], tier.ErrClosed)
}

func TestCloseLeavesAReadyClientOpen(t *testing.T) {
	srv := redistest.Start(t)
	client := srv.Client(t)
	r, err := New(client, Config{})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, client.Ping(t.Context()).Err())
	require.ErrorIs(t, r.Ping(t.Context()), tier.ErrClosed)
}

// Calls that Close overtakes end with ErrClosed, not with what the sockets had to say.
func TestCloseDuringCalls(t *testing.T) {
	noLeaks(t)
	srv, r := start(t, Config{})
	require.NoError(t, r.Ping(t.Context()))
	require.NoError(t, srv.Stop())
	errs := make(chan error, 10)
	for range cap(errs) {
		go func() {
			_, err := r.Get(context.Background(), key("x"))
			errs <- err
		}()
	}
	client := r.client.(*redis.Client)
	eventually(t, func() error {
		if s := client.PoolStats(); s.TotalConns < 2 {
			return errors.New("no call is on its way")
		}
		return nil
	})
	require.NoError(t, r.Close())
	require.NoError(t, srv.Continue())
	for range cap(errs) {
		require.ErrorIs(t, <-errs, tier.ErrClosed)
	}
}

func TestCredentials(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", "secret"))
	r := open(t, "redis://nobody:wrong@"+srv.Addr(), Config{
		Credentials: func(context.Context) (string, string, error) { return "app", "secret", nil },
	})
	require.NoError(t, r.Ping(t.Context()))

	r = open(t, "redis://nobody:wrong@"+srv.Addr(), Config{Username: "app", Password: "secret"})
	require.NoError(t, r.Ping(t.Context()))

	broken := errors.New("vault says SEKRET")
	r = open(t, "redis://"+srv.Addr(), Config{
		Credentials: func(context.Context) (string, string, error) { return "", "", broken },
	})
	err := r.Ping(t.Context())
	require.ErrorIs(t, err, broken)
	require.NotContains(t, err.Error(), "SEKRET")
}

func TestClientName(t *testing.T) {
	srv, r := start(t, Config{ClientName: "shop"})
	require.NoError(t, r.Ping(t.Context()))
	require.Contains(t, srv.Client(t).ClientList(t.Context()).Val(), "name=shop")
}
