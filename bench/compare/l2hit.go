package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dtm-labs/rockscache"
	"github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/viccon/sturdyc"
)

// l2hit asks for bytes that are in Redis and nowhere nearer.
func l2hit(c config) suite {
	keys := newKeys(keyPrefix, c.remoteKeys)
	t := timed{
		base:  goredisGet(newKeys(basePrefix, c.remoteKeys)),
		items: len(keys),
		seq:   zipf(c.seed, len(keys), c.sequence),
		pairs: c.pairsIO,
	}
	var cases []string
	for _, workers := range []int{1, 64, 256} {
		l := load{name: fmt.Sprintf("%d goroutines", workers), workers: workers, grain: 1, timed: 4}
		if workers == 1 {
			l.name = "1 goroutine"
		}
		t.loads = append(t.loads, l)
		cases = append(cases, l.name)
	}
	systems := []system{
		t.system("goredis.GET", goredisGet(keys)),
		t.system("goredis.AutoPipeline", goredisAutoPipeline(keys, nil)),
		t.system("goredis.AutoPipeline, full duplex", goredisAutoPipeline(keys, fullDuplex())),
		t.system("rueidis.Do(GET)", rueidisGet(keys)),
		t.system("rueidis.DoCache, client-side cache", rueidisGetCached(keys)),
		t.system("go-redis/cache.Once", redisCacheRemote(keys)),
		t.system("sturdyc.GetOrFetch, distributed", sturdycRemote(keys)),
		t.system("rockscache.Fetch2", rockscacheFetch(keys, false)),
		t.system("rockscache.Fetch2, strong", rockscacheFetch(keys, true)),
	}
	return suite{
		name:  "l2hit",
		redis: true,
		groups: []group{{
			about:    fmt.Sprintf("time per call (elapsed over the calls of all goroutines) for %d bytes in Redis, no L1, %d keys by Zipf", payloadBytes, len(keys)),
			cases:    cases,
			baseline: "goredis.GET",
			systems:  append(systems, oursL2(t, keys)...),
		}},
	}
}

// fillWorkers load Redis side by side.
const fillWorkers = 64

func checkPayload[T ~string | ~[]byte](p T, err error, i int) error {
	if err == nil && !isPayload(p, i) {
		return errWrongValue
	}
	return err
}

// overRedis sets up a system that talks through a go-redis client of its own.
func overRedis(setup func(context.Context, *env, *redis.Client) (target, error)) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		client, err := e.store.newClient()
		if err != nil {
			return target{}, err
		}
		t, err := setup(ctx, e, client)
		inner := t.close
		t.close = func() {
			if inner != nil {
				inner()
			}
			client.Close()
		}
		return t, err
	}
}

// storePayloads puts plain values under the keys, for systems without a format.
func storePayloads(ctx context.Context, client *redis.Client, keys []string) error {
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			p.Set(ctx, k, newPayload(i), longTTL)
		}
		return nil
	})
	return err
}

// goredisGet is the baseline: what a service without a cache library does.
func goredisGet(keys []string) setupFunc {
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		return target{op: func(i int) error {
			b, err := client.Get(ctx, keys[i]).Bytes()
			return checkPayload(b, err, i)
		}}, storePayloads(ctx, client, keys)
	})
}

func fullDuplex() *redis.AutoPipelineOptions {
	o := redis.DefaultBlockingAutoPipelineOptions()
	o.FullDuplex = true
	return o
}

// goredisAutoPipeline sends what many goroutines ask for in shared pipelines.
func goredisAutoPipeline(keys []string, o *redis.AutoPipelineOptions) setupFunc {
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		p, err := client.AutoPipelineWithOptions(o)
		if err != nil {
			return target{}, err
		}
		return target{close: func() { p.Close() }, op: func(i int) error {
			b, err := p.Get(ctx, keys[i]).Bytes()
			return checkPayload(b, err, i)
		}}, storePayloads(ctx, client, keys)
	})
}

// overRueidis is overRedis for the other client.
func overRueidis(keys []string, op func(context.Context, rueidis.Client) opFunc) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		if err := storePayloads(ctx, e.store.admin, keys); err != nil {
			return target{}, err
		}
		client, err := e.store.newRueidis()
		if err != nil {
			return target{}, err
		}
		return target{op: op(ctx, client), close: client.Close}, nil
	}
}

func rueidisGet(keys []string) setupFunc {
	return overRueidis(keys, func(ctx context.Context, client rueidis.Client) opFunc {
		return func(i int) error {
			b, err := client.Do(ctx, client.B().Get().Key(keys[i]).Build()).AsBytes()
			return checkPayload(b, err, i)
		}
	})
}

// rueidisGetCached reads replies that the client keeps in memory and Redis invalidates. It
// is an L1, so its row shows what one saves and not how fast a way to Redis is.
func rueidisGetCached(keys []string) setupFunc {
	return overRueidis(keys, func(ctx context.Context, client rueidis.Client) opFunc {
		return func(i int) error {
			b, err := client.DoCache(ctx, client.B().Get().Key(keys[i]).Cache(), longTTL).AsBytes()
			return checkPayload(b, err, i)
		}
	})
}

func redisCacheRemote(keys []string) setupFunc {
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		c := cache.New(&cache.Options{Redis: client})
		op := func(i int) error {
			var b []byte
			err := c.Once(&cache.Item{Ctx: ctx, Key: keys[i], Value: &b, TTL: longTTL, Do: func(item *cache.Item) (any, error) {
				return e.source.payload(item.Context(), item.Key)
			}})
			return checkPayload(b, err, i)
		}
		return target{op: op}, e.fill(len(keys), fillWorkers, op)
	})
}

// sturdycRemote cannot do without its L1, so entries there live for as good as no time.
func sturdycRemote(keys []string) setupFunc {
	const noTime = time.Microsecond
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		c := sturdyc.New[[]byte](int(room(keys)), sturdycShards, noTime, 10,
			sturdyc.WithNoContinuousEvictions(),
			sturdyc.WithDistributedStorage(&sturdycStorage{client: client, ttl: longTTL}))
		op := func(i int) error {
			key := keys[i]
			b, err := c.GetOrFetch(ctx, key, func(ctx context.Context) ([]byte, error) {
				return e.source.payload(ctx, key)
			})
			return checkPayload(b, err, i)
		}
		return target{op: op}, e.fill(len(keys), fillWorkers, op)
	})
}

func newRockscache(client *redis.Client, strong bool) *rockscache.Client {
	o := rockscache.NewDefaultOptions()
	o.StrongConsistency = strong
	return rockscache.NewClient(client, o)
}

func rockscacheFetch(keys []string, strong bool) setupFunc {
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		c := newRockscache(client, strong)
		op := func(i int) error {
			key := keys[i]
			v, err := c.Fetch2(ctx, key, longTTL, func() (string, error) {
				b, err := e.source.payload(ctx, key)
				return string(b), err
			})
			return checkPayload(v, err, i)
		}
		return target{op: op}, e.fill(len(keys), fillWorkers, op)
	})
}
