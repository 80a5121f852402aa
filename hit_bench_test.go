package tiercache

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/l1"
)

// hitKeys are 100,000 keys and an order of reading them, Zipf-distributed with s = 1.01.
func hitKeys() (keys []string, order []int) {
	keys = make([]string, 100_000)
	for i := range keys {
		keys[i] = "user:" + strconv.Itoa(i)
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, uint64(len(keys)-1))
	order = make([]int, 1<<20)
	for i := range order {
		order[i] = int(zipf.Uint64())
	}
	return keys, order
}

// The cost of a hit beside that of the library underneath, in one run:
//
//	go test -run '^$' -bench Hit -benchmem -cpu 1,2 -count 5 .
func BenchmarkHit(b *testing.B) {
	keys, order := hitKeys()
	b.Run("ristretto.Get", func(b *testing.B) {
		c, err := ristretto.NewCache(&ristretto.Config[string, profile]{NumCounters: 1e6, MaxCost: 1 << 40, BufferItems: 64, IgnoreInternalCost: true})
		require.NoError(b, err)
		defer c.Close()
		for i, k := range keys {
			for !c.Set(k, profile{ID: int64(i)}, 1) {
			}
			c.Wait()
		}
		readAll(b, order, func(i int) profile { v, _ := c.Get(keys[i]); return v })
	})
	b.Run("tiercache.GetOrCompute", func(b *testing.B) {
		local, err := l1.New(l1.Config{MaxBytes: 256 << 20})
		require.NoError(b, err)
		c := newCache[profile](b, Config{L1: local}, Policy{TTL: time.Hour})
		compute := func(_ context.Context, key string) (profile, error) {
			i, err := strconv.Atoi(key[len("user:"):])
			return profile{ID: int64(i)}, err
		}
		for _, k := range keys {
			_, err := c.GetOrCompute(b.Context(), k, compute)
			require.NoError(b, err)
		}
		ctx := context.Background()
		readAll(b, order, func(i int) profile { v, _ := c.GetOrCompute(ctx, keys[i], compute); return v })
		require.EqualValues(b, len(keys), c.e.Stats().Total.Computes)
	})
}

func readAll(b *testing.B, order []int, read func(i int) profile) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for n := rand.IntN(len(order)); pb.Next(); n++ {
			i := order[n%len(order)]
			if v := read(i); v.ID != int64(i) {
				b.Error("wrong value")
				return
			}
		}
	})
}
