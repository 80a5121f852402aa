package l2

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// sink keeps the compiler from leaving out what is measured.
var sink []byte

func BenchmarkGet(b *testing.B) {
	srv, r := start(b, Config{})
	for _, size := range []int{1 << 10, 64 << 10} {
		k := key(fmt.Sprint(size))
		require.NoError(b, r.Set(b.Context(), k, pattern(size), time.Hour))
		b.Run(fmt.Sprintf("Remote/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := r.Get(b.Context(), k)
				if err != nil {
					b.Fatal(err)
				}
				sink = got
			}
		})
	}
	b.Run("Remote/miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Get(b.Context(), key("miss")); err != tier.ErrMiss { //nolint:errorlint // as cheap as it gets
				b.Fatal(err)
			}
		}
	})
	_ = srv
}

// BenchmarkCommands compares the two ways to read on the bare client, without names,
// deadlines and errors of this package.
func BenchmarkCommands(b *testing.B) {
	_, r := start(b, Config{})
	ctx := b.Context()
	for _, size := range []int{1 << 10, 64 << 10, 0} {
		k := r.names.value(key(fmt.Sprint(size)))
		if size > 0 {
			require.NoError(b, r.client.Set(ctx, k, pattern(size), time.Hour).Err())
		}
		b.Run(fmt.Sprintf("GET/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink, _ = r.client.Get(ctx, k).Bytes()
			}
		})
		b.Run(fmt.Sprintf("GETRANGE/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cmd := redis.NewStringCmd(ctx, "getrange", k, "0", r.lastByte)
				_ = r.client.Process(ctx, cmd)
				sink, _ = cmd.Bytes()
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	_, r := start(b, Config{})
	frame := pattern(1 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Set(b.Context(), key("x"), frame, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch reads and writes 100 keys at once.
func BenchmarkBatch(b *testing.B) {
	_, r := start(b, Config{})
	keys := keysOf(100)
	items := make([]tier.Item, len(keys))
	for i, k := range keys {
		items[i] = tier.Item{Key: k, Frame: envelope(k, 1<<40), TTL: time.Hour}
	}
	b.Run("SetMany", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.SetMany(b.Context(), items)
		}
	})
	b.Run("GetMany", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.GetMany(b.Context(), keys)
		}
	})
	b.Run("Expire", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Expire(b.Context(), time.UnixMilli(1), keys...)
		}
	})
}

// BenchmarkGuard shows what a client without ContextTimeoutEnabled costs.
func BenchmarkGuard(b *testing.B) {
	srv, _ := start(b, Config{})
	client := redis.NewClient(&redis.Options{Addr: srv.Addr()})
	defer client.Close()
	r, err := New(client, Config{})
	require.NoError(b, err)
	require.NoError(b, r.Set(b.Context(), key("x"), pattern(1<<10), time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		sink, _ = r.Get(b.Context(), key("x"))
	}
}

func BenchmarkName(b *testing.B) {
	n, k := newNames("tc", 0), tier.NewKey("users", "user:1234567890")
	b.ReportAllocs()
	for b.Loop() {
		_ = n.value(k)
	}
}
