package main

import (
	"context"
	"fmt"

	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
	"github.com/viccon/sturdyc"
)

func batchLocal(c config) group {
	const name, baseline = "warm L1", "ristretto.Get in a loop"
	b := newBatches(c.seed, keyPrefix, c.localKeys, c.batches)
	t := batchCase(name, b, ristrettoLoop(b, false), c.pairs)
	t.inProc = true
	about := fmt.Sprintf("time per call for %d structs of 200 bytes in memory", batchSize)
	return group{about: about, cases: []string{name}, baseline: baseline, systems: append([]system{
		t.system(baseline, t.base),
		t.system("ristretto.Get in a loop, into a map", ristrettoLoop(b, true)),
		t.system("otter.BulkGet", otterBulkGet(b)),
		t.system("sturdyc.GetOrFetchBatch", sturdycBatch(b)),
		t.system("rueidis.MGetCache, JSON", rueidisMGetCache(b)),
	}, oursBatchL1(t, b)...)}
}

// ristrettoLoop is the baseline. Calls for many keys give a map back, which is a large
// part of their cost; the row that builds one shows how large.
func ristrettoLoop(b *batches, intoMap bool) setupFunc {
	return func(context.Context, *env) (target, error) {
		c, err := newRistretto(b.all, 0)
		if err != nil {
			return target{}, err
		}
		loop := func(i int) error {
			for n, k := range b.keys[i] {
				r, ok := c.Get(k)
				if !ok {
					return errMissing
				}
				if !isRecord(r, b.items[i][n]) {
					return errWrongValue
				}
			}
			return nil
		}
		mapped := func(i int) error {
			got := make(map[string]record, len(b.keys[i]))
			for _, k := range b.keys[i] {
				if r, ok := c.Get(k); ok {
					got[k] = r
				}
			}
			return checkBatch(b, i, got, nil, isRecord)
		}
		if intoMap {
			return target{op: mapped, close: c.Close}, nil
		}
		return target{op: loop, close: c.Close}, nil
	}
}

func otterBulkGet(b *batches) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, err := otter.New(&otter.Options[string, record]{MaximumSize: int(room(b.all))})
		if err != nil {
			return target{}, err
		}
		for i, k := range b.all {
			c.Set(k, newRecord(i))
		}
		loader := otter.BulkLoaderFunc[string, record](e.source.records)
		return target{close: func() { c.StopAllGoroutines() }, op: func(i int) error {
			got, err := c.BulkGet(ctx, b.keys[i], loader)
			return checkBatch(b, i, got, err, isRecord)
		}}, nil
	}
}

// sameKey is sturdyc's KeyFn for ids that are keys already.
func sameKey(id string) string { return id }

func sturdycBatch(b *batches) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c := sturdyc.New[record](int(room(b.all)), sturdycShards, longTTL, 10, sturdyc.WithNoContinuousEvictions())
		for i, k := range b.all {
			c.Set(k, newRecord(i))
		}
		return target{op: func(i int) error {
			got, err := c.GetOrFetchBatch(ctx, b.keys[i], sameKey, e.source.records)
			return checkBatch(b, i, got, err, isRecord)
		}}, nil
	}
}

// rueidisMGetCache holds replies in memory, not values: every call decodes.
func rueidisMGetCache(b *batches) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		if err := storeRecordsJSON(ctx, e, b.all); err != nil {
			return target{}, err
		}
		client, err := e.store.newRueidis()
		if err != nil {
			return target{}, err
		}
		return target{close: client.Close, op: func(i int) error {
			replies, err := rueidis.MGetCache(client, ctx, longTTL, b.keys[i])
			if err != nil {
				return err
			}
			got := make(map[string]record, len(replies))
			for k, reply := range replies {
				var r record
				if err := reply.DecodeJSON(&r); err != nil {
					return err
				}
				got[k] = r
			}
			return checkBatch(b, i, got, nil, isRecord)
		}}, nil
	}
}
