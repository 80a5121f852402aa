package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/go-redis/cache/v9"
	"github.com/maypok86/otter/v2"
	"github.com/viccon/sturdyc"
)

// longTTL is for entries that must not expire during a run.
const longTTL = time.Hour

// l1hit asks for values that are in memory, decoded where the system can hold them so.
func l1hit(c config) suite {
	const name1, nameAll, grain = "1 core", "all cores", 512
	keys := newKeys(keyPrefix, c.localKeys)
	t := timed{
		base: ristrettoGet(keys, 0),
		loads: []load{
			{name: name1, workers: 1, procs: 1, grain: grain},
			{name: nameAll, workers: runtime.GOMAXPROCS(0), grain: grain},
		},
		items:  len(keys),
		seq:    zipf(c.seed, len(keys), c.sequence),
		pairs:  c.pairs,
		inProc: true,
	}
	systems := []system{
		t.system("ristretto.Get", t.base),
		t.system("ristretto.Get, TTL", ristrettoGet(keys, longTTL)),
		t.system("otter.GetIfPresent", otterGetIfPresent(keys)),
		t.system("otter.Get", otterGet(keys, otter.Options[string, record]{})),
		t.system("otter.Get, TTL", otterGet(keys, otter.Options[string, record]{
			ExpiryCalculator: otter.ExpiryWriting[string, record](longTTL),
		})),
		t.system("otter.Get, TTL, refresh", otterGet(keys, otter.Options[string, record]{
			ExpiryCalculator:  otter.ExpiryWriting[string, record](longTTL),
			RefreshCalculator: otter.RefreshWriting[string, record](longTTL * 9 / 10),
		})),
		t.system("theine.Get, loading", theineGet(keys)),
		t.system("sturdyc.GetOrFetch", sturdycGet(keys)),
		t.system("sturdyc.GetOrFetch, early refresh", sturdycGet(keys,
			sturdyc.WithEarlyRefreshes(longTTL*7/10, longTTL*9/10, longTTL, time.Second))),
		t.system("go-redis/cache.Once, TinyLFU", redisCacheLocal(keys)),
		t.system("groupcache.Get", groupcacheGet(keys)),
	}
	return suite{
		name: "l1hit",
		groups: []group{{
			about:    fmt.Sprintf("time per call for a struct of 200 bytes in memory, %d keys by Zipf", len(keys)),
			cases:    []string{name1, nameAll},
			baseline: "ristretto.Get",
			systems:  append(systems, oursL1(t, keys)...),
		}},
	}
}

func checkRecord(r *record, err error, i int) error {
	if err == nil && r.ID != uint64(i) {
		return errWrongValue
	}
	return err
}

// ristrettoGet is the baseline: the fastest way to use the library below tiercache's L1.
func ristrettoGet(keys []string, ttl time.Duration) setupFunc {
	return func(context.Context, *env) (target, error) {
		c, err := newRistretto(keys, ttl)
		if err != nil {
			return target{}, err
		}
		return target{close: c.Close, op: func(i int) error {
			r, ok := c.Get(keys[i])
			if !ok {
				return errMissing
			}
			return checkRecord(&r, nil, i)
		}}, nil
	}
}

func newRistretto(keys []string, ttl time.Duration) (*ristretto.Cache[string, record], error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, record]{
		NumCounters:        10 * room(keys),
		MaxCost:            room(keys), // every item costs 1
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		// Sets are dropped when the buffer is full; waiting for it empties it.
		for !c.SetWithTTL(k, newRecord(i), 1, ttl) {
			c.Wait()
		}
	}
	c.Wait()
	return c, nil
}

// room is a capacity at which nothing is evicted: the suite is about hits.
func room(keys []string) int64 { return 2 * int64(len(keys)) }

func otterGetIfPresent(keys []string) setupFunc {
	return func(context.Context, *env) (target, error) {
		c, err := otter.New(&otter.Options[string, record]{MaximumSize: int(room(keys))})
		if err != nil {
			return target{}, err
		}
		for i, k := range keys {
			c.Set(k, newRecord(i))
		}
		return target{close: func() { c.StopAllGoroutines() }, op: func(i int) error {
			r, ok := c.GetIfPresent(keys[i])
			if !ok {
				return errMissing
			}
			return checkRecord(&r, nil, i)
		}}, nil
	}
}

func otterGet(keys []string, o otter.Options[string, record]) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		o.MaximumSize = int(room(keys))
		c, err := otter.New(&o)
		if err != nil {
			return target{}, err
		}
		loader := otter.LoaderFunc[string, record](e.source.record)
		op := func(i int) error {
			r, err := c.Get(ctx, keys[i], loader)
			return checkRecord(&r, err, i)
		}
		return target{op: op, close: func() { c.StopAllGoroutines() }}, e.fill(len(keys), 1, op)
	}
}

func theineGet(keys []string) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, err := theine.NewBuilder[string, record](room(keys)).Loading(
			func(ctx context.Context, key string) (theine.Loaded[record], error) {
				r, err := e.source.record(ctx, key)
				return theine.Loaded[record]{Value: r, Cost: 1, TTL: longTTL}, err
			}).Build()
		if err != nil {
			return target{}, err
		}
		op := func(i int) error {
			r, err := c.Get(ctx, keys[i])
			return checkRecord(&r, err, i)
		}
		return target{op: op, close: c.Close}, e.fill(len(keys), 1, op)
	}
}

const sturdycShards = 64

// sturdycGet captures the key in the closure, as its FetchFn wants it.
func sturdycGet(keys []string, options ...sturdyc.Option) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		// Its eviction loop has no end, so it stays off; its documentation advises that
		// anyway where the capacity is not exceeded.
		options := append([]sturdyc.Option{sturdyc.WithNoContinuousEvictions()}, options...)
		c := sturdyc.New[record](int(room(keys)), sturdycShards, longTTL, 10, options...)
		op := func(i int) error {
			key := keys[i]
			r, err := c.GetOrFetch(ctx, key, func(ctx context.Context) (record, error) {
				return e.source.record(ctx, key)
			})
			return checkRecord(&r, err, i)
		}
		return target{op: op, close: func() {}}, e.fill(len(keys), 1, op)
	}
}

func redisCacheLocal(keys []string) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c := cache.New(&cache.Options{LocalCache: cache.NewTinyLFU(int(room(keys)), longTTL)})
		op := func(i int) error {
			var r record
			err := c.Once(&cache.Item{Ctx: ctx, Key: keys[i], Value: &r, Do: func(item *cache.Item) (any, error) {
				return e.source.record(item.Context(), item.Key)
			}})
			return checkRecord(&r, err, i)
		}
		return target{op: op, close: func() {}}, e.fill(len(keys), 1, op)
	}
}
