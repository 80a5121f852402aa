package tiercache_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/l2"
	"github.com/tiercache/tiercache/tier"
)

// patience bounds waits for something that must happen. It is only spent by failures.
const patience = 20 * time.Second

// The client library logs every dial that fails, which in these tests are most.
func init() { redis.SetLogger(silent{}) } //nolint:gochecknoinits // before any client runs

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// process is what one process of a service has: an engine over tiers of its own, with a
// cache. Two of them in one test share nothing but what their L2 stands for.
type process struct {
	*tiercache.Cache[string]

	engine   *tiercache.Engine
	local    *l1.Cache // nil without an L1
	computes atomic.Int64
}

// setup says what a process is made of.
type setup struct {
	url       string // of L2; empty for none
	remote    l2.Config
	withoutL1 bool
	budget    time.Duration
	policy    tiercache.Policy
	options   []tiercache.Option[string]
}

const processSpace = "test"

// newProcess starts a process that is closed, and checked, when the test ends.
func newProcess(t *testing.T, s setup) *process {
	t.Helper()
	p := &process{}
	cfg := tiercache.Config{L2Budget: s.budget, Policy: s.policy}
	if s.policy.TTL == 0 {
		cfg.Policy.TTL = time.Hour
	}
	if !s.withoutL1 {
		local, err := l1.New(l1.Config{MaxBytes: 8 << 20})
		require.NoError(t, err)
		p.local, cfg.L1 = local, local
	}
	if s.url != "" {
		remote, err := l2.Open(t.Context(), s.url, s.remote)
		require.NoError(t, err)
		cfg.L2 = remote
	}
	var err error
	p.engine, err = tiercache.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, p.engine.Close(ctx))
	})
	p.Cache, err = tiercache.NewCache(p.engine, processSpace, tiercache.Policy{}, s.options...)
	require.NoError(t, err)
	return p
}

// holds says whether the process itself, and not L2, still holds something under the key.
func (p *process) holds(key string) bool {
	if p.local == nil {
		return false
	}
	_, ok := p.local.Get(tier.NewKey(processSpace, key))
	return ok
}

// valueOf is what every compute of these tests makes of a key.
func valueOf(key string) string { return "value of " + key }

func (p *process) compute(_ context.Context, key string) (string, error) {
	p.computes.Add(1)
	return valueOf(key), nil
}

// ask has the process get or compute one key.
func (p *process) ask(ctx context.Context, key string) (string, error) {
	return p.GetOrCompute(ctx, key, p.compute)
}

// settle waits until no flight has anything left to write.
func (p *process) settle(t *testing.T) {
	t.Helper()
	eventually(t, "flights do not end", func() bool { return p.engine.Stats().Flights == 0 })
}

// eventually waits until cond holds.
func eventually(t *testing.T, otherwise string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !cond(); <-tick.C {
		require.Less(t, time.Since(begun), patience, otherwise)
	}
}

// noLeaks fails t if goroutines are left when everything registered after it is closed.
// The client library's own end within a second or two: the one that retries a dead address
// sleeps a second between dials. goleak by itself waits for less than half a second.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		err := goleak.Find(before)
		for begun := time.Now(); err != nil && time.Since(begun) < patience; {
			err = goleak.Find(before)
		}
		require.NoError(t, err)
	})
}

// percentile returns the value that a share of all is not above. It sorts all.
func percentile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(float64(len(all))*share), len(all)-1)]
}
