package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/viccon/sturdyc"
)

func batchRemote(c config) group {
	const name, baseline = "from Redis", "goredis.MGET"
	b := newBatches(c.seed, keyPrefix, c.remoteKeys, c.batches)
	t := batchCase(name, b, goredisMGet(newBatches(c.seed, basePrefix, c.remoteKeys, c.batches)), c.pairsIO)
	about := fmt.Sprintf("time per call for %d values of %d bytes in Redis, no L1", batchSize, payloadBytes)
	return group{about: about, cases: []string{name}, baseline: baseline, systems: append([]system{
		t.system(baseline, goredisMGet(b)),
		t.system("goredis.Pipeline", goredisPipeline(b)),
		t.system("goredis.GET in a loop", goredisLoop(b)),
		t.system("rueidis.MGet", rueidisMGet(b)),
		t.system("rockscache.FetchBatch2", rockscacheBatch(b)),
		t.system("sturdyc.GetOrFetchBatch, distributed", sturdycBatchRemote(b)),
	}, oursBatchL2(t, b)...)}
}

func isBytes(p []byte, i int) bool  { return isPayload(p, i) }
func isString(p string, i int) bool { return isPayload(p, i) }

func goredisMGet(b *batches) setupFunc {
	return overRedis(func(ctx context.Context, _ *env, client *redis.Client) (target, error) {
		return target{op: func(i int) error {
			vs, err := client.MGet(ctx, b.keys[i]...).Result()
			if err != nil {
				return err
			}
			got := make(map[string]string, len(vs))
			for n, v := range vs {
				got[b.keys[i][n]], _ = v.(string)
			}
			return checkBatch(b, i, got, nil, isString)
		}}, storePayloads(ctx, client, b.all)
	})
}

func goredisPipeline(b *batches) setupFunc {
	return overRedis(func(ctx context.Context, _ *env, client *redis.Client) (target, error) {
		return target{op: func(i int) error {
			cmds := make([]*redis.StringCmd, len(b.keys[i]))
			_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for n, k := range b.keys[i] {
					cmds[n] = p.Get(ctx, k)
				}
				return nil
			})
			if err != nil {
				return err
			}
			got := make(map[string][]byte, len(cmds))
			for n, cmd := range cmds {
				if got[b.keys[i][n]], err = cmd.Bytes(); err != nil {
					return err
				}
			}
			return checkBatch(b, i, got, nil, isBytes)
		}}, storePayloads(ctx, client, b.all)
	})
}

func goredisLoop(b *batches) setupFunc {
	return overRedis(func(ctx context.Context, _ *env, client *redis.Client) (target, error) {
		return target{op: func(i int) error {
			got := make(map[string][]byte, len(b.keys[i]))
			for _, k := range b.keys[i] {
				v, err := client.Get(ctx, k).Bytes()
				if err != nil {
					return err
				}
				got[k] = v
			}
			return checkBatch(b, i, got, nil, isBytes)
		}}, storePayloads(ctx, client, b.all)
	})
}

func rueidisMGet(b *batches) setupFunc {
	return overRueidis(b.all, func(ctx context.Context, client rueidis.Client) opFunc {
		return func(i int) error {
			replies, err := rueidis.MGet(client, ctx, b.keys[i])
			if err != nil {
				return err
			}
			got := make(map[string][]byte, len(replies))
			for k, reply := range replies {
				if got[k], err = reply.AsBytes(); err != nil {
					return err
				}
			}
			return checkBatch(b, i, got, nil, isBytes)
		}
	})
}

// rockscacheBatch answers by position. Its values are hashes, so they are filled through it.
func rockscacheBatch(b *batches) setupFunc {
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		c := newRockscache(client, false)
		fetch := func(keys []string) (map[string]string, error) {
			vs, err := c.FetchBatch2(ctx, keys, longTTL, func(at []int) (map[int]string, error) {
				missing := make(map[int]string, len(at))
				for _, n := range at {
					v, err := e.source.payload(ctx, keys[n])
					if err != nil {
						return nil, err
					}
					missing[n] = string(v)
				}
				return missing, nil
			})
			got := make(map[string]string, len(vs))
			for n, v := range vs {
				got[keys[n]] = v
			}
			return got, err
		}
		return target{op: func(i int) error {
			got, err := fetch(b.keys[i])
			return checkBatch(b, i, got, err, isString)
		}}, e.fillBatches(b, func(keys []string) error { _, err := fetch(keys); return err })
	})
}

func sturdycBatchRemote(b *batches) setupFunc {
	const noTime = time.Microsecond // as in l2hit
	return overRedis(func(ctx context.Context, e *env, client *redis.Client) (target, error) {
		c := sturdyc.New[[]byte](int(room(b.all)), sturdycShards, noTime, 10,
			sturdyc.WithNoContinuousEvictions(),
			sturdyc.WithDistributedStorage(&sturdycStorage{client: client, ttl: longTTL}))
		fetch := func(keys []string) (map[string][]byte, error) {
			return c.GetOrFetchBatch(ctx, keys, sameKey, e.source.payloads)
		}
		return target{op: func(i int) error {
			got, err := fetch(b.keys[i])
			return checkBatch(b, i, got, err, isBytes)
		}}, e.fillBatches(b, func(keys []string) error { _, err := fetch(keys); return err })
	})
}

// fillBatches stores every value through calls for many keys.
func (e *env) fillBatches(b *batches, fetch func(keys []string) error) error {
	chunks := (len(b.all) + batchSize - 1) / batchSize
	return e.fill(chunks, 1, func(i int) error {
		return fetch(b.all[i*batchSize : min((i+1)*batchSize, len(b.all))])
	})
}

func storeRecordsJSON(ctx context.Context, e *env, keys []string) error {
	_, err := e.store.admin.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			v, err := json.Marshal(newRecord(i))
			if err != nil {
				return err
			}
			p.Set(ctx, k, v, longTTL)
		}
		return nil
	})
	return err
}
