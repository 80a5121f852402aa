package tiercache_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/l2"
)

const (
	outageCallers = 64
	outageHot     = 50 // keys that everybody asks for
	outageCompute = 2 * time.Millisecond

	// outageBound is far above compute and L2 budget, for a busy machine, and far below the
	// 2.5 s that Redis hangs for, the 5 s that a client waits for an answer by default, and
	// the 10 s that it takes with its retries.
	outageBound = 1500 * time.Millisecond
	outageHang  = 2500 * time.Millisecond
)

// load is callers that ask one process all the time.
type load struct {
	p     *process
	phase atomic.Int32 // which outage calls are counted under
	calls [4]struct {
		mu   sync.Mutex
		took []time.Duration
	}
	wrong atomic.Pointer[error] // the first answer that is not right

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// begin starts the callers: each asks every 64 ms, four times of five for a hot key and
// else for one that nobody has asked for yet.
func begin(t *testing.T, p *process) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{p: p, stop: cancel}
	for caller := range outageCallers {
		l.wg.Go(func() {
			tick := time.NewTicker(outageCallers * time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				key := fmt.Sprint("hot-", (caller+n)%outageHot)
				if n%5 == 0 {
					key = fmt.Sprintf("new-%d-%d", caller, n)
				}
				l.call(key)
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

func (l *load) call(key string) {
	phase, begun := l.phase.Load(), time.Now()
	got, err := l.p.GetOrCompute(context.Background(), key, func(_ context.Context, key string) (string, error) {
		time.Sleep(outageCompute)
		l.p.computes.Add(1)
		return valueOf(key), nil
	})
	took := time.Since(begun)
	if err == nil && got != valueOf(key) {
		err = fmt.Errorf("%q was answered with %q", key, got)
	}
	if err != nil {
		l.wrong.CompareAndSwap(nil, &err)
	}
	c := &l.calls[phase]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, took)
}

// report ends the load, prints how long calls took, and checks what callers were promised.
func (l *load) report(t *testing.T, phases []string) {
	t.Helper()
	l.end()
	if wrong := l.wrong.Load(); wrong != nil {
		t.Errorf("a caller got: %v", *wrong)
	}
	for i, phase := range phases {
		took := l.calls[i].took
		t.Logf("%-10s %5d calls, p50 %v, p99 %v, max %v", phase, len(took),
			percentile(took, .5), percentile(took, .99), percentile(took, 1))
		assert.Greater(t, len(took), outageCallers, "%s: too few calls to say anything", phase)
		assert.Less(t, percentile(took, 1), outageBound, phase)
	}
}

// Redis hangs, comes back, dies, and comes back empty. Callers notice nothing but that
// calls take longer, and not by much.
func TestOutageCostsCallersNoError(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	short := tiercache.Policy{TTL: 5 * time.Second, L1TTL: 250 * time.Millisecond} // so that hits come from L2 too
	processes := map[string]*process{
		"L1 + L2": newProcess(t, setup{url: srv.URL(), policy: short, remote: l2.Config{Prefix: "both"}}),
		"L2":      newProcess(t, setup{url: srv.URL(), policy: short, withoutL1: true}),
	}
	for _, p := range processes { // makes the goroutines and connections that stay
		_, err := p.ask(t.Context(), "first")
		require.NoError(t, err)
		p.settle(t)
	}
	idle := runtime.NumGoroutine()
	loads := make(map[string]*load)
	for name, p := range processes {
		loads[name] = begin(t, p)
	}

	phases := []string{"healthy", "hung", "dead", "empty"}
	enter := func(phase int32) {
		for _, l := range loads {
			l.phase.Store(phase)
		}
	}
	during := func(d time.Duration) { <-time.After(d) } // the load runs by itself
	peak := 0
	failing := func(do func() error, d time.Duration) {
		before := make(map[string]uint64)
		for name, p := range processes {
			before[name] = p.engine.Stats().Total.L2Errors
		}
		require.NoError(t, do())
		during(d)
		peak = max(peak, runtime.NumGoroutine())
		for name, p := range processes {
			require.Greater(t, p.engine.Stats().Total.L2Errors, before[name], "%s: L2 has not failed", name)
		}
	}
	healthy := func() {
		for name, p := range processes {
			before := p.engine.Stats().Total
			eventually(t, name+": L2 is not used again", func() bool {
				s := p.engine.Stats().Total
				return s.L2Hits >= before.L2Hits+100
			})
		}
	}

	healthy()
	enter(1)
	failing(srv.Stop, outageHang)
	require.NoError(t, srv.Continue())
	enter(0)
	healthy()
	enter(2)
	failing(srv.Kill, time.Second)
	enter(3)
	require.NoError(t, srv.Restart())
	healthy()

	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			l.report(t, phases)
			s := l.p.engine.Stats().Total
			assert.Zero(t, s.Failed)
			assert.Zero(t, s.ComputeErrors)
			t.Logf("computes %d, L2 errors %d, L1 hits %d, L2 hits %d", s.Computes, s.L2Errors, s.L1Hits, s.L2Hits)
		})
		l.p.settle(t)
	}
	t.Logf("goroutines: %d idle, %d at the worst seen, %d callers among them", idle, peak, 2*outageCallers)
	assert.Less(t, peak, idle+20*outageCallers, "goroutines must not pile up")
	eventually(t, "goroutines do not end", func() bool { return runtime.NumGoroutine() <= idle+4 })
}

// A service must be able to start while Redis is down, and to use it once it is there.
func TestStartWithoutRedis(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	require.NoError(t, srv.Kill())
	p := newProcess(t, setup{url: srv.URL(), withoutL1: true})
	begun := time.Now()
	got, err := p.ask(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, valueOf("k"), got)
	require.Less(t, time.Since(begun), outageBound)
	require.Equal(t, tiercache.Down, p.engine.Health(t.Context()).Status)
	_, err = p.Get(t.Context(), "another")
	require.ErrorIs(t, err, tiercache.ErrMiss)

	require.NoError(t, srv.Restart())
	eventually(t, "L2 is not used", func() bool {
		_, err := p.ask(t.Context(), "k")
		require.NoError(t, err)
		return p.engine.Stats().Total.L2Hits > 0
	})
	require.Equal(t, tiercache.Healthy, p.engine.Health(t.Context()).Status)
}
