package main

import (
	"context"
	"time"

	"github.com/Yiling-J/theine-go"
	"github.com/go-redis/cache/v9"
	"github.com/golang/groupcache"
	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
	"github.com/viccon/sturdyc"
	"golang.org/x/sync/singleflight"
)

func herdRivals() []herdSystem {
	return []herdSystem{
		{name: "no protection over goredis", setup: withClient(herdNone)},
		{name: "x/sync singleflight over goredis", setup: withClient(herdSingleflight)},
		{name: "otter.Get, no L2", setup: herdOtter(false)},
		{name: "otter.Get, refresh, no L2", setup: herdOtter(true)},
		{name: "theine.Get, loading, no L2", setup: herdTheine},
		{name: "groupcache.Get, no L2", setup: herdGroupcache, noTTL: true},
		{name: "sturdyc.GetOrFetch, distributed", setup: withClient(herdSturdyc(false))},
		{name: "sturdyc.GetOrFetch, distributed, early refresh", setup: withClient(herdSturdyc(true))},
		{name: "go-redis/cache.Once", setup: withClient(herdRedisCache(false))},
		{name: "go-redis/cache.Once, TinyLFU", setup: withClient(herdRedisCache(true))},
		{name: "rockscache.Fetch2", setup: withClient(herdRockscache(false))},
		{name: "rockscache.Fetch2, strong", setup: withClient(herdRockscache(true))},
	}
}

type herdSetup = func(context.Context, *env, time.Duration, getFunc) (getFunc, func(), error)

// withClient gives a setup a go-redis client of its own.
func withClient(setup func(*redis.Client, time.Duration, getFunc) getFunc) herdSetup {
	return func(_ context.Context, e *env, ttl time.Duration, compute getFunc) (getFunc, func(), error) {
		client, err := e.store.newClient()
		if err != nil {
			return nil, nil, err
		}
		return setup(client, ttl, compute), func() { client.Close() }, nil
	}
}

// herdNone is the baseline: read, compute, store.
func herdNone(client *redis.Client, ttl time.Duration, compute getFunc) getFunc {
	return func(ctx context.Context, key string) ([]byte, error) {
		if b, err := client.Get(ctx, key).Bytes(); err == nil {
			return b, nil
		}
		b, err := compute(ctx, key)
		if err == nil {
			err = client.Set(ctx, key, b, ttl).Err()
		}
		return b, err
	}
}

// herdSingleflight is what most services write by hand.
func herdSingleflight(client *redis.Client, ttl time.Duration, compute getFunc) getFunc {
	var g singleflight.Group
	get := herdNone(client, ttl, compute)
	return func(ctx context.Context, key string) ([]byte, error) {
		b, err, _ := g.Do(key, func() (any, error) { return get(ctx, key) })
		if err != nil {
			return nil, err
		}
		return b.([]byte), nil
	}
}

func herdOtter(refresh bool) herdSetup {
	return func(_ context.Context, _ *env, ttl time.Duration, compute getFunc) (getFunc, func(), error) {
		o := otter.Options[string, []byte]{
			MaximumSize:      1000,
			ExpiryCalculator: otter.ExpiryWriting[string, []byte](ttl),
		}
		if refresh {
			o.RefreshCalculator = otter.RefreshWriting[string, []byte](ttl * 8 / 10)
		}
		c, err := otter.New(&o)
		if err != nil {
			return nil, nil, err
		}
		loader := otter.LoaderFunc[string, []byte](compute)
		return func(ctx context.Context, key string) ([]byte, error) { return c.Get(ctx, key, loader) },
			func() { c.StopAllGoroutines() }, nil
	}
}

func herdTheine(_ context.Context, _ *env, ttl time.Duration, compute getFunc) (getFunc, func(), error) {
	c, err := theine.NewBuilder[string, []byte](1000).Loading(
		func(ctx context.Context, key string) (theine.Loaded[[]byte], error) {
			b, err := compute(ctx, key)
			return theine.Loaded[[]byte]{Value: b, Cost: 1, TTL: ttl}, err
		}).Build()
	if err != nil {
		return nil, nil, err
	}
	return c.Get, c.Close, nil
}

func herdGroupcache(_ context.Context, _ *env, _ time.Duration, compute getFunc) (getFunc, func(), error) {
	group := newGroup(1<<20, func(ctx context.Context, key string, dest groupcache.Sink) error {
		b, err := compute(ctx, key)
		if err != nil {
			return err
		}
		return dest.SetBytes(b)
	})
	return func(ctx context.Context, key string) (b []byte, err error) {
		err = group.Get(ctx, key, groupcache.AllocatingByteSliceSink(&b))
		return b, err
	}, func() {}, nil
}

// herdSturdyc keeps entries in memory for a quarter of the TTL: it cannot see how old a
// value from Redis is, and would otherwise serve it for up to twice its time.
func herdSturdyc(early bool) func(*redis.Client, time.Duration, getFunc) getFunc {
	return func(client *redis.Client, ttl time.Duration, compute getFunc) getFunc {
		storage := &sturdycDeletions{sturdycStorage{client: client, ttl: ttl}}
		options := []sturdyc.Option{sturdyc.WithNoContinuousEvictions()}
		if early {
			options = append(options,
				// The delay before a refresh is tried again is also what keeps a second one
				// from starting beside the first, so it must exceed the compute.
				sturdyc.WithEarlyRefreshes(ttl/8, ttl/6, ttl/4, ttl/10),
				sturdyc.WithDistributedStorageEarlyRefreshes(storage, ttl*7/10))
		} else {
			options = append(options, sturdyc.WithDistributedStorage(storage))
		}
		c := sturdyc.New[[]byte](1000, 10, ttl/4, 10, options...)
		return func(ctx context.Context, key string) ([]byte, error) {
			return c.GetOrFetch(ctx, key, func(ctx context.Context) ([]byte, error) { return compute(ctx, key) })
		}
	}
}

func herdRedisCache(local bool) func(*redis.Client, time.Duration, getFunc) getFunc {
	return func(client *redis.Client, ttl time.Duration, compute getFunc) getFunc {
		o := &cache.Options{Redis: client}
		if local {
			o.LocalCache = cache.NewTinyLFU(1000, ttl/4) // as for sturdyc
		}
		c := cache.New(o)
		return func(ctx context.Context, key string) (b []byte, err error) {
			err = c.Once(&cache.Item{Ctx: ctx, Key: key, Value: &b, TTL: ttl, Do: func(item *cache.Item) (any, error) {
				return compute(item.Context(), key)
			}})
			return b, err
		}
	}
}

// herdRockscache adds the delay to the TTL, from which Fetch2 subtracts it, and turns the
// random part off: what remains is in whole seconds.
func herdRockscache(strong bool) func(*redis.Client, time.Duration, getFunc) getFunc {
	return func(client *redis.Client, ttl time.Duration, compute getFunc) getFunc {
		c := newRockscache(client, strong)
		c.Options.RandomExpireAdjustment = 0
		expire := ttl + c.Options.Delay
		return func(ctx context.Context, key string) ([]byte, error) {
			v, err := c.Fetch2(ctx, key, expire, func() (string, error) {
				b, err := compute(ctx, key)
				return string(b), err
			})
			return []byte(v), err
		}
	}
}
