package tiercache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/l2"
)

// fleet makes processes that share what one behaviour of the table below leaves in L2, and
// nothing of the others.
type fleet struct {
	t      *testing.T
	shape  setup
	prefix string
}

func (f *fleet) process(p tiercache.Policy, opts ...tiercache.Option[string]) *process {
	f.t.Helper()
	s := f.shape
	s.policy, s.options = p, opts
	s.remote.Prefix = f.prefix
	// A busy machine must not turn a slow answer into a miss.
	s.remote.CallTimeout, s.remote.DialTimeout, s.budget = patience, patience, patience
	return newProcess(f.t, s)
}

func (f *fleet) shares() bool { return f.shape.url != "" }

var errSource = errors.New("the source is down")

// behaviours are what an engine does on every topology and with every set of tiers.
var behaviours = []struct {
	name string
	run  func(t *testing.T, f *fleet)
}{
	{"one compute for a crowd", func(t *testing.T, f *fleet) {
		p := f.process(tiercache.Policy{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				got, err := p.ask(t.Context(), "k")
				assert.NoError(t, err)
				assert.Equal(t, valueOf("k"), got)
			})
		}
		wg.Wait()
		p.settle(t)
		_, err := p.ask(t.Context(), "k")
		require.NoError(t, err)
		require.EqualValues(t, 1, p.computes.Load())
	}},
	{"a second process finds it in L2", func(t *testing.T, f *fleet) {
		tagged := tiercache.WithTagsOf(func(string, string) []string { return []string{"red", "green"} })
		a, b := f.process(tiercache.Policy{}, tagged), f.process(tiercache.Policy{})
		_, err := a.ask(t.Context(), "k")
		require.NoError(t, err)
		a.settle(t)
		r, err := b.Lookup(t.Context(), "k", b.compute)
		require.NoError(t, err)
		require.Equal(t, valueOf("k"), r.Value)
		if !f.shares() {
			require.Equal(t, tiercache.FromCompute, r.Source)
			return
		}
		require.Equal(t, tiercache.FromL2, r.Source)
		require.Equal(t, []string{"red", "green"}, r.Tags)
		require.InDelta(t, time.Hour.Seconds(), r.TTL.Seconds(), 600) // less the jitter
		require.EqualValues(t, 0, b.computes.Load())
		require.EqualValues(t, 1, b.engine.Stats().Total.L2Hits)
		require.Equal(t, !f.shape.withoutL1, b.holds("k"), "it goes into the L1 of the reader")
	}},
	{"crowds in two processes", func(t *testing.T, f *fleet) {
		both := []*process{f.process(tiercache.Policy{}), f.process(tiercache.Policy{})}
		const keys = 20
		var wg sync.WaitGroup
		for _, p := range both {
			for i := range 10 * keys {
				wg.Go(func() {
					key := fmt.Sprint("k", i%keys)
					got, err := p.ask(t.Context(), key)
					assert.NoError(t, err)
					assert.Equal(t, valueOf(key), got)
				})
			}
		}
		wg.Wait()
		for _, p := range both {
			require.LessOrEqual(t, p.computes.Load(), int64(keys))
			p.settle(t)
		}
	}},
	{"many keys", func(t *testing.T, f *fleet) {
		a, b := f.process(tiercache.Policy{}), f.process(tiercache.Policy{})
		keys := make([]string, 500)
		want := make(map[string]string)
		for i := range keys {
			keys[i] = fmt.Sprintf("key {%d} of many", i)
			want[keys[i]] = valueOf(keys[i])
		}
		computeMany := func(_ context.Context, missing []string) (map[string]string, error) {
			got := make(map[string]string)
			for _, key := range missing {
				got[key] = valueOf(key)
			}
			return got, nil
		}
		got, err := a.GetOrComputeMany(t.Context(), keys, computeMany)
		require.NoError(t, err)
		require.Equal(t, want, got)
		a.settle(t)
		if !f.shares() {
			return
		}
		got, err = b.GetMany(t.Context(), keys)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.EqualValues(t, len(keys), b.engine.Stats().Total.L2Hits)

		require.NoError(t, a.Delete(t.Context(), keys[100:]...))
		got, err = f.process(tiercache.Policy{}).GetMany(t.Context(), keys)
		require.NoError(t, err)
		require.Len(t, got, 100)
		require.NoError(t, a.SetMany(t.Context(), want))
		got, err = f.process(tiercache.Policy{}).GetMany(t.Context(), keys)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}},
	{"delete", func(t *testing.T, f *fleet) {
		a := f.process(tiercache.Policy{})
		require.NoError(t, a.Set(t.Context(), "k", "v"))
		got, err := a.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "v", got)
		require.NoError(t, a.Delete(t.Context(), "k"))
		for _, p := range []*process{a, f.process(tiercache.Policy{})} {
			_, err := p.Get(t.Context(), "k")
			require.ErrorIs(t, err, tiercache.ErrMiss)
		}
		_, err = a.ask(t.Context(), "k")
		require.NoError(t, err)
		require.EqualValues(t, 1, a.computes.Load())
	}},
	{"expire", func(t *testing.T, f *fleet) {
		policy := tiercache.Policy{StaleFor: time.Hour, SoftTimeout: -1}
		a := f.process(policy)
		require.NoError(t, a.Set(t.Context(), "k", "v"))
		require.NoError(t, a.Expire(t.Context(), "k"))
		seers := []*process{a}
		if f.shares() {
			seers = append(seers, f.process(policy))
		}
		for _, p := range seers {
			_, err := p.Get(t.Context(), "k")
			require.ErrorIs(t, err, tiercache.ErrMiss)
			r, err := p.Lookup(t.Context(), "k", func(context.Context, string) (string, error) { return "", errSource })
			require.NoError(t, err, "a stale value is there to fall back on")
			require.Equal(t, "v", r.Value)
			require.True(t, r.Stale)
			p.settle(t)
		}
		r, err := f.process(policy).Lookup(t.Context(), "k", a.compute)
		require.NoError(t, err)
		require.Equal(t, valueOf("k"), r.Value)
	}},
	{"absent", func(t *testing.T, f *fleet) {
		a, b := f.process(tiercache.Policy{}), f.process(tiercache.Policy{})
		_, err := a.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) {
			return "", fmt.Errorf("no such row: %w", tiercache.ErrNotFound)
		})
		require.ErrorIs(t, err, tiercache.ErrNotFound)
		a.settle(t)
		_, err = a.Get(t.Context(), "k")
		require.ErrorIs(t, err, tiercache.ErrNotFound)
		if !f.shares() {
			return
		}
		_, err = b.ask(t.Context(), "k")
		require.ErrorIs(t, err, tiercache.ErrNotFound)
		require.EqualValues(t, 0, b.computes.Load())
	}},
	{"large and odd", func(t *testing.T, f *fleet) {
		a, b := f.process(tiercache.Policy{}), f.process(tiercache.Policy{})
		values := map[string]string{
			"}{":                       "",
			"\x00\xff\r\n":             "\x00\xff\r\n",
			strings.Repeat("k", 1<<10): strings.Repeat("compressible ", 10_000),
			"ключ":                     "значение",
		}
		require.NoError(t, a.SetMany(t.Context(), values))
		for key, value := range values {
			for _, p := range []*process{a, b} {
				got, err := p.Get(t.Context(), key)
				if p == b && !f.shares() {
					require.ErrorIs(t, err, tiercache.ErrMiss)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, value, got)
			}
		}
	}},
	{"health", func(t *testing.T, f *fleet) {
		h := f.process(tiercache.Policy{}).engine.Health(t.Context())
		require.Equal(t, tiercache.Healthy, h.Status, "%+v", h)
		require.Equal(t, f.shares(), h.L2.Status == tiercache.Healthy)
	}},
}

// behave runs the whole table with L1 and L2, and with L2 alone.
func behave(t *testing.T, s setup) {
	for _, withoutL1 := range []bool{false, true} {
		name := map[bool]string{false: "L1 + L2", true: "L2"}[withoutL1]
		if s.url == "" {
			name = "L1"
		}
		t.Run(name, func(t *testing.T) {
			for i, b := range behaviours {
				t.Run(b.name, func(t *testing.T) {
					shape := s
					shape.withoutL1 = withoutL1
					b.run(t, &fleet{t: t, shape: shape, prefix: fmt.Sprintf("tc:%d:%t", i, withoutL1)})
				})
			}
		})
		if s.url == "" {
			return
		}
	}
}

func TestBehaviourWithoutRedis(t *testing.T) { behave(t, setup{}) }

func TestBehaviourOnOneServer(t *testing.T) {
	noLeaks(t)
	behave(t, setup{url: redistest.Start(t).URL()})
}

// The rights are those that package l2 documents, and the connection is encrypted.
func TestBehaviourWithTLSAndLeastRights(t *testing.T) {
	noLeaks(t)
	rights := strings.Fields("~tc:* &tc:* -@all +get +set +getrange +setrange +unlink +del +hget +hset +hkeys +pexpire " +
		"+pttl +time +eval +evalsha +script|load +publish +subscribe +ping")
	srv := redistest.Start(t, redistest.WithTLS(), redistest.WithACL("app", "p@ss/w:rd", rights...))
	behave(t, setup{url: srv.URL(), remote: l2.Config{TLS: srv.TLSConfig()}})
}

// What Redis keeps ends by itself: nothing is stored without a time to live, and none is
// longer than the value can be of use.
func TestEverythingInRedisEnds(t *testing.T) {
	srv := redistest.Start(t)
	f := &fleet{t: t, shape: setup{url: srv.URL()}, prefix: "tc"}
	p := f.process(tiercache.Policy{TTL: time.Minute, StaleFor: time.Minute, AbsentTTL: 20 * time.Second})
	_, err := p.ask(t.Context(), "computed")
	require.NoError(t, err)
	_, err = p.GetOrCompute(t.Context(), "absent", func(context.Context, string) (string, error) { return "", tiercache.ErrNotFound })
	require.ErrorIs(t, err, tiercache.ErrNotFound)
	require.NoError(t, p.Set(t.Context(), "set", "v"))
	require.NoError(t, p.SetMany(t.Context(), map[string]string{"many": "v"}))
	require.NoError(t, p.Set(t.Context(), "expired", "v"))
	require.NoError(t, p.Expire(t.Context(), "expired"))
	require.Equal(t, tiercache.Healthy, p.engine.Health(t.Context()).Status)
	p.settle(t)

	db := srv.Client(t)
	names, err := db.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Len(t, names, 5, "nothing but the values: %q", names)
	for _, name := range names {
		ttl, err := db.PTTL(t.Context(), name).Result()
		require.NoError(t, err)
		require.Positive(t, ttl, name)
		most := 2 * time.Minute
		if strings.Contains(name, "absent") {
			most = time.Minute + 20*time.Second
		}
		require.LessOrEqual(t, ttl, most, name)
	}
}
