package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// getFunc is the loading call of a system for one key.
type getFunc func(ctx context.Context, key string) ([]byte, error)

// herdSystem is a system with a loading call.
type herdSystem struct {
	name  string
	noTTL bool // values never expire: out of place under steady load
	// setup makes the system; values live for ttl, compute is the source.
	setup func(ctx context.Context, e *env, ttl time.Duration, compute getFunc) (getFunc, func(), error)
}

// stampede sends many callers after one value that takes long to compute.
func stampede(c config) suite {
	const baseline = "no protection over goredis"
	all := append(herdRivals(), oursHerd()...)
	cold, cancelled, steady := "cold key", "cold key, leader cancelled", "steady load"
	one := group{cases: []string{cold, cancelled}, baseline: baseline}
	load := group{cases: []string{steady}, baseline: baseline, maxRounds: 1}
	for _, h := range all {
		one.systems = append(one.systems, h.system(c.stampede, longTTL, func(ctx context.Context, r *herdRun) (map[string][]sample, error) {
			a, errA := r.cold(ctx, keyPrefix+"cold", false)
			b, errB := r.cold(ctx, keyPrefix+"cancelled", true)
			return map[string][]sample{cold: {a}, cancelled: {b}}, errors.Join(errA, errB)
		}))
		if h.noTTL {
			continue
		}
		load.systems = append(load.systems, h.system(c.stampede, c.stampede.ttl, func(ctx context.Context, r *herdRun) (map[string][]sample, error) {
			s, err := r.steady(ctx, keyPrefix+"steady")
			return map[string][]sample{steady: {s}}, err
		}))
	}
	h := c.stampede
	one.about = fmt.Sprintf("%d callers at once, a compute of %v; time is the p99 of their waits, "+
		"computes are per key, failed are callers whose error was not their own", h.callers, h.compute)
	load.about = fmt.Sprintf("%d callers, each with a call every %v, over %d times a TTL of %v, a compute of %v; "+
		"time is the mean wait, computes are per expiry, blocked is the share of waits above %v",
		h.steady, h.interval, h.expiries, h.ttl, h.compute, h.blocked)
	return suite{name: "stampede", redis: true, groups: []group{one, load}}
}

// herdRun is one turn of a system.
type herdRun struct {
	stampedeConfig
	get      getFunc
	computes atomic.Int64
	started  chan struct{} // gets a token when a compute begins
}

func (h herdSystem) system(c stampedeConfig, ttl time.Duration, turn func(context.Context, *herdRun) (map[string][]sample, error)) system {
	return system{name: h.name, turn: func(ctx context.Context, e *env) (got map[string][]sample, err error) {
		r := &herdRun{stampedeConfig: c, started: make(chan struct{}, 1)}
		defer func() { err = errors.Join(err, e.store.purge(context.WithoutCancel(ctx))) }()
		get, stop, err := h.setup(ctx, e, ttl, r.source)
		if err != nil {
			return nil, err
		}
		defer stop()
		r.get = get
		return turn(ctx, r)
	}}
}

var herdValue = newPayload(1)

// source is slow, and heeds its context as a database driver does.
func (r *herdRun) source(ctx context.Context, _ string) ([]byte, error) {
	r.computes.Add(1)
	select {
	case r.started <- struct{}{}:
	default:
	}
	t := time.NewTimer(r.compute)
	defer t.Stop()
	select {
	case <-t.C:
		return herdValue, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// call gets the key once. A wrong value is an error of the run, other errors are results.
func (r *herdRun) call(ctx context.Context, key string) (took time.Duration, failed bool, err error) {
	began := time.Now()
	b, err := r.get(ctx, key)
	took = time.Since(began)
	if err != nil {
		return took, true, nil
	}
	return took, false, checkPayload(b, nil, 1)
}

// cold lets all callers ask for the key at once. With cancelLeader the first one comes
// alone, and leaves when its compute has begun and the others have joined.
func (r *herdRun) cold(ctx context.Context, key string, cancelLeader bool) (sample, error) {
	before := r.computes.Load()
	drain(r.started)
	callers := r.callers
	leaderCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var leader sync.WaitGroup
	if cancelLeader {
		callers--
		leader.Go(func() { _, _, _ = r.call(leaderCtx, key) })
		select {
		case <-r.started:
		case <-time.After(time.Minute):
			return sample{}, errors.New("no compute began")
		}
	}
	var (
		ready, done sync.WaitGroup
		failures    atomic.Int64
		start       = make(chan struct{})
		waits       = make([]time.Duration, callers)
		errs        = make([]error, callers)
	)
	for i := range callers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			var failed bool
			if waits[i], failed, errs[i] = r.call(ctx, key); failed {
				failures.Add(1)
			}
		})
	}
	ready.Wait()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	close(start)
	if cancelLeader {
		// A fifth of the compute is enough for the others to join.
		time.AfterFunc(r.compute/5, cancel)
	}
	done.Wait()
	leader.Wait()
	runtime.ReadMemStats(&m1)
	s := newHerdSample(waits, m0, m1, herd{
		computes: float64(r.computes.Load() - before),
		failed:   float64(failures.Load()),
	})
	s.ns = float64(percentile(s.latencies, 0.99))
	return s, errors.Join(errs...)
}

// steady calls at a constant rate for several lives of the value.
func (r *herdRun) steady(ctx context.Context, key string) (sample, error) {
	if _, failed, err := r.call(ctx, key); failed || err != nil {
		return sample{}, errors.Join(err, errors.New("first call failed"))
	}
	before := r.computes.Load()
	var (
		done     sync.WaitGroup
		failures atomic.Int64
		all      = make([][]time.Duration, r.stampedeConfig.steady)
		errs     = make([]error, len(all))
		m0, m1   runtime.MemStats
	)
	runtime.ReadMemStats(&m0)
	// A value that is not refreshed early lives for a TTL and is then gone for a compute.
	// The quarter keeps the last expiry away from the end.
	end := time.Now().Add(time.Duration(r.expiries)*(r.ttl+r.compute) + r.ttl/4)
	for i := range all {
		done.Go(func() {
			// Spread over the interval, so that the callers do not move in step.
			next := time.Now().Add(r.interval * time.Duration(i) / time.Duration(len(all)))
			for ; next.Before(end); next = next.Add(r.interval) {
				time.Sleep(time.Until(next))
				took, failed, err := r.call(ctx, key)
				if failed {
					failures.Add(1)
				}
				all[i] = append(all[i], took)
				if errs[i] = err; err != nil {
					return
				}
			}
		})
	}
	done.Wait()
	runtime.ReadMemStats(&m1)
	var waits []time.Duration
	for _, w := range all {
		waits = append(waits, w...)
	}
	s := newHerdSample(waits, m0, m1, herd{
		computes: float64(r.computes.Load()-before) / float64(r.expiries),
		blocked:  new(share(waits, r.blocked)),
		failed:   float64(failures.Load()),
	})
	s.ns = mean(waits)
	return s, errors.Join(errs...)
}

func newHerdSample(waits []time.Duration, before, after runtime.MemStats, h herd) sample {
	slices.Sort(waits)
	n := float64(len(waits))
	return sample{
		allocs:    float64(after.Mallocs-before.Mallocs) / n,
		bytes:     float64(after.TotalAlloc-before.TotalAlloc) / n,
		latencies: waits,
		herd:      &h,
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}
