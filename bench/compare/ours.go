package main

import (
	"context"
	"errors"
	"time"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/l2"
	"github.com/tiercache/tiercache/tier"
)

// Everything here runs with the defaults, except for what a suite takes away. Rows that
// switch a default off show what it costs.

const (
	space   = "user"
	oursGet = "tiercache.GetOrCompute"
	oursAll = "tiercache.GetOrComputeMany"
)

var noEarlyRefresh = tiercache.Policy{Beta: -1}

func oursL1(t timed, keys []string) []system {
	return []system{
		t.system(oursGet, oursLocal(keys, tiercache.Policy{})),
		t.system(oursGet+", early refresh off", oursLocal(keys, noEarlyRefresh)),
	}
}

func oursL2(t timed, keys []string) []system {
	return []system{t.system(oursGet, oursRemote(keys))}
}

func oursBatchL1(t timed, b *batches) []system {
	return []system{t.system(oursAll, oursLocalBatch(b))}
}

func oursBatchL2(t timed, b *batches) []system {
	return []system{t.system(oursAll, oursRemoteBatch(b))}
}

func oursHerd() []herdSystem {
	return []herdSystem{
		{name: oursGet, setup: oursHerdWith(tiercache.Policy{})},
		{name: oursGet + ", early refresh off", setup: oursHerdWith(noEarlyRefresh)},
	}
}

// newOurs makes an engine over the tiers that are not nil, and a cache on it.
func newOurs[V any](local tier.Local, remote tier.Remote, ttl time.Duration, p tiercache.Policy) (*tiercache.Cache[V], func(), error) {
	engine, err := tiercache.New(tiercache.Config{L1: local, L2: remote, Policy: tiercache.Policy{TTL: ttl}})
	if err != nil {
		return nil, nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = engine.Close(ctx) // what has been measured stays measured
	}
	c, err := tiercache.NewCache[V](engine, space, p)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

// newOursLocal makes a cache in memory with room for all keys.
func newOursLocal(keys []string, p tiercache.Policy) (*tiercache.Cache[record], func(), error) {
	const entryBytes = 1024 // far above what one counts
	local, err := l1.New(l1.Config{MaxBytes: room(keys) * entryBytes})
	if err != nil {
		return nil, nil, err
	}
	return newOurs[record](local, nil, longTTL, p)
}

// newOursRemote makes a cache of bytes in Redis alone.
func newOursRemote(ctx context.Context, e *env) (*tiercache.Cache[[]byte], func(), error) {
	remote, err := l2.Open(ctx, e.store.url, l2.Config{Prefix: oursPrefix})
	if err != nil {
		return nil, nil, err
	}
	return newOurs[[]byte](nil, remote, longTTL, tiercache.Policy{})
}

// oursPrefix is in front of every name in Redis, so that purge finds them.
const oursPrefix = "tcbench"

func oursLocal(keys []string, p tiercache.Policy) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, stop, err := newOursLocal(keys, p)
		if err != nil {
			return target{}, err
		}
		compute := e.source.record // one func for all calls: making one per call would allocate
		op := func(i int) error {
			r, err := c.GetOrCompute(ctx, keys[i], compute)
			return checkRecord(&r, err, i)
		}
		return target{op: op, close: stop}, e.fill(len(keys), 1, op)
	}
}

func oursRemote(keys []string) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, stop, err := newOursRemote(ctx, e)
		if err != nil {
			return target{}, err
		}
		compute := e.source.payload
		op := func(i int) error {
			b, err := c.GetOrCompute(ctx, keys[i], compute)
			return checkPayload(b, err, i)
		}
		return target{op: op, close: stop}, e.fill(len(keys), fillWorkers, op)
	}
}

func oursLocalBatch(b *batches) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, stop, err := newOursLocal(b.all, tiercache.Policy{})
		if err != nil {
			return target{}, err
		}
		compute := e.source.records
		return target{close: stop, op: func(i int) error {
			got, err := c.GetOrComputeMany(ctx, b.keys[i], compute)
			return checkBatch(b, i, got, err, isRecord)
		}}, e.fillBatches(b, func(keys []string) error { _, err := c.GetOrComputeMany(ctx, keys, compute); return err })
	}
}

func oursRemoteBatch(b *batches) setupFunc {
	return func(ctx context.Context, e *env) (target, error) {
		c, stop, err := newOursRemote(ctx, e)
		if err != nil {
			return target{}, err
		}
		compute := e.source.payloads
		return target{close: stop, op: func(i int) error {
			got, err := c.GetOrComputeMany(ctx, b.keys[i], compute)
			return checkBatch(b, i, got, err, isBytes)
		}}, e.fillBatches(b, func(keys []string) error { _, err := c.GetOrComputeMany(ctx, keys, compute); return err })
	}
}

func oursHerdWith(p tiercache.Policy) herdSetup {
	return func(ctx context.Context, e *env, ttl time.Duration, compute getFunc) (getFunc, func(), error) {
		local, err := l1.New(l1.Config{})
		if err != nil {
			return nil, nil, err
		}
		remote, err := l2.Open(ctx, e.store.url, l2.Config{Prefix: oursPrefix})
		if err != nil {
			return nil, nil, errors.Join(err, local.Close())
		}
		c, stop, err := newOurs[[]byte](local, remote, ttl, p)
		if err != nil {
			return nil, nil, err
		}
		hoisted := tiercache.ComputeFunc[[]byte](compute)
		return func(ctx context.Context, key string) ([]byte, error) {
			return c.GetOrCompute(ctx, key, hoisted)
		}, stop, nil
	}
}
