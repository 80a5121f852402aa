package l1_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/tier"
)

// The benchmarks compare a hit and a set with ristretto's own, keyed by string as most
// users key it. All read the same ids, 100,000 of them in a Zipf 1.01 order, and the
// cache holds them all. The ids looked up are other strings than those stored, as they are
// in life.
//
// "ristretto" returns a pointer and does not look at what it points to; "ristretto-used"
// reads a field of the entry, as every caller does in the end. Ours has looked at it: it
// has compared the key in full, where theirs compares 128 bits of hashes.

const benchIDs = 100_000

// zipf returns ids and an order to read them in; its length is a power of two.
func zipf() (ids []string, order []uint32) {
	ids = make([]string, benchIDs)
	for i := range ids {
		ids[i] = fmt.Sprintf("user:%08d", i)
	}
	z := rand.NewZipf(rand.New(rand.NewSource(1)), 1.01, 1, benchIDs-1)
	order = make([]uint32, 1<<20)
	for i := range order {
		order[i] = uint32(z.Uint64())
	}
	return ids, order
}

func rawCache(b *testing.B) *ristretto.Cache[string, *tier.Entry] {
	c, err := ristretto.NewCache(&ristretto.Config[string, *tier.Entry]{
		NumCounters: 1 << 20, MaxCost: 1 << 30, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

func ourCache(b *testing.B) *l1.Cache {
	c, err := l1.New(l1.Config{MaxBytes: 1 << 30, Counters: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// each runs op with the numbers 0, 1, 2 … of a walk through the order, in one goroutine
// and in several.
func each(b *testing.B, name string, op func(i int)) {
	b.Run(name+"/serial", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			op(i)
		}
	})
	b.Run(name+"/parallel", func(b *testing.B) {
		b.ReportAllocs()
		var walkers atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(walkers.Add(1)) * 99_991; pb.Next(); i++ {
				op(i)
			}
		})
	})
}

func BenchmarkGet(b *testing.B) {
	ids, order := zipf()
	mask := len(order) - 1
	space := tier.NewSpace("users")
	ours, raw := ourCache(b), rawCache(b)
	keys := make([]tier.Key, len(ids))
	for i, id := range ids {
		keys[i] = space.Key(id)
		stored := space.Key(strings.Clone(id))
		e := &tier.Entry{Key: stored, Value: i, Size: 100}
		ours.Set(e)
		for !raw.Set(id, e, 1) {
			raw.Wait()
		}
	}
	raw.Wait()

	each(b, "ristretto", func(i int) {
		if _, ok := raw.Get(ids[order[i&mask]]); !ok {
			b.Error("miss")
		}
	})
	each(b, "ristretto-used", func(i int) {
		if e, ok := raw.Get(ids[order[i&mask]]); !ok || e.Size != 100 {
			b.Error("miss")
		}
	})
	// From the id, like the one above: the hash of the key is part of it.
	each(b, "l1", func(i int) {
		if _, ok := ours.Get(space.Key(ids[order[i&mask]])); !ok {
			b.Error("miss")
		}
	})
	// As the engine calls it: it has hashed the key already, for its fences.
	each(b, "l1-hashed", func(i int) {
		if _, ok := ours.Get(keys[order[i&mask]]); !ok {
			b.Error("miss")
		}
	})
	each(b, "l1-absent", func(i int) {
		if _, ok := ours.Get(tier.Key{Space: "none", ID: "none", Hash: uint64(i)}); ok {
			b.Error("hit")
		}
	})
}

// BenchmarkGetRatio alternates between the two in short turns and reports the median of the
// ratios, which other programs on the machine disturb much less than they do nanoseconds.
func BenchmarkGetRatio(b *testing.B) {
	ids, order := zipf()
	space := tier.NewSpace("users")
	ours, raw := ourCache(b), rawCache(b)
	for _, id := range ids {
		e := &tier.Entry{Key: space.Key(strings.Clone(id)), Size: 100}
		ours.Set(e)
		for !raw.Set(id, e, 1) {
			raw.Wait()
		}
	}
	raw.Wait()
	var read int64
	turn := func(op func(id string)) float64 {
		start := time.Now()
		for range 20_000 {
			op(ids[order[read%int64(len(order))]])
			read++
		}
		return float64(time.Since(start))
	}
	var size int64
	var bare, used []float64
	for b.Loop() {
		// Every turn follows one of the other, so all find the processor's caches as cold.
		get := func(id string) { e, _ := ours.Get(space.Key(id)); size += e.Size }
		bare = append(bare, turn(get)/turn(func(id string) { raw.Get(id) }))
		used = append(used, turn(get)/turn(func(id string) { e, _ := raw.Get(id); size += e.Size }))
	}
	slices.Sort(bare)
	slices.Sort(used)
	b.ReportMetric(bare[len(bare)/2], "×ristretto")
	b.ReportMetric(used[len(used)/2], "×ristretto-used")
}

// BenchmarkGetPopular reads few keys over and over.
func BenchmarkGetPopular(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		ours, raw := ourCache(b), rawCache(b)
		space := tier.NewSpace("users")
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("user:%08d", i)
			e := &tier.Entry{Key: space.Key(ids[i]), Value: i, Size: 100}
			ours.Set(e)
			raw.Set(ids[i], e, 1)
		}
		raw.Wait()
		each(b, fmt.Sprintf("ristretto/%d", n), func(i int) { raw.Get(ids[i%n]) })
		each(b, fmt.Sprintf("l1/%d", n), func(i int) { ours.Get(space.Key(ids[i%n])) })
	}
}

func BenchmarkSet(b *testing.B) {
	ids, order := zipf()
	mask := len(order) - 1
	space := tier.NewSpace("users")
	entries := make([]*tier.Entry, len(ids))
	for i, id := range ids {
		entries[i] = &tier.Entry{Key: space.Key(id), Value: i, Size: 100}
	}
	ours, raw := ourCache(b), rawCache(b)
	each(b, "ristretto", func(i int) { raw.Set(ids[order[i&mask]], entries[order[i&mask]], 1) })
	each(b, "l1", func(i int) { ours.Set(entries[order[i&mask]]) })
}

func BenchmarkDelete(b *testing.B) {
	space := tier.NewSpace("users")
	ours := ourCache(b)
	k := space.Key("absent")
	each(b, "l1-absent", func(int) { ours.Delete(k) })
}

// BenchmarkHitRatio reads a million keys in a Zipf 1.01 order through a cache that holds
// about 10,000 of them, sets what it misses, and reports the share of hits. The popularity
// of keys shifts all the time. Run it with -benchtime=4000000x.
func BenchmarkHitRatio(b *testing.B) {
	const held, counters = 10_000, 1 << 17
	run := func(b *testing.B, get func(k tier.Key) bool, set func(e *tier.Entry)) {
		z := rand.NewZipf(rand.New(rand.NewSource(7)), 1.01, 1, 1_000_000)
		space := tier.NewSpace("users")
		hits := 0
		for i := range b.N {
			k := space.Key(strconv.FormatUint(z.Uint64()+uint64(i/300), 10))
			if get(k) {
				hits++
			} else {
				set(&tier.Entry{Key: k, Size: 100})
			}
		}
		b.ReportMetric(100*float64(hits)/float64(b.N), "%hits")
	}
	b.Run("ristretto", func(b *testing.B) {
		c, err := ristretto.NewCache(&ristretto.Config[uint64, *tier.Entry]{
			NumCounters: counters, MaxCost: held, BufferItems: 64, IgnoreInternalCost: true,
		})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		run(b, func(k tier.Key) bool { _, ok := c.Get(k.Hash); return ok },
			func(e *tier.Entry) { c.Set(e.Key.Hash, e, 1); c.Wait() })
	})
	b.Run("l1", func(b *testing.B) {
		c, err := l1.New(l1.Config{MaxBytes: held * (100 + l1.EntryOverhead) * 16 / 15, Counters: counters})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		run(b, func(k tier.Key) bool { _, ok := c.Get(k); return ok }, c.Set)
	})
}
