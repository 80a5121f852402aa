package tiercache_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/internal/redistest"
)

// Whoever changes data is told when L2 could not be, and this process forgets all the same.
func TestWritesDuringAnOutage(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	outages := map[string]struct{ begin, end func() error }{
		"hung": {srv.Stop, srv.Continue},
		"dead": {srv.Kill, srv.Restart},
	}
	writes := map[string]struct {
		do   func(ctx context.Context, p *process, key string) error
		keep bool // as a stale value, to fall back on
	}{
		"Delete": {do: func(ctx context.Context, p *process, key string) error { return p.Delete(ctx, key) }},
		"Delete of many": {do: func(ctx context.Context, p *process, key string) error {
			return p.Delete(ctx, key, "one", "two", "three")
		}},
		"Set": {do: func(ctx context.Context, p *process, key string) error { return p.Set(ctx, key, "newer") }},
		"SetMany": {do: func(ctx context.Context, p *process, key string) error {
			return p.SetMany(ctx, map[string]string{key: "newer", "one": "1", "two": "2"})
		}},
		"Expire": {keep: true, do: func(ctx context.Context, p *process, key string) error { return p.Expire(ctx, key) }},
	}
	policy := tiercache.Policy{TTL: time.Hour, StaleFor: time.Hour, SoftTimeout: -1}
	for outage, o := range outages {
		t.Run(outage, func(t *testing.T) {
			p := newProcess(t, setup{url: srv.URL(), policy: policy})
			for write := range writes {
				_, err := p.ask(t.Context(), write)
				require.NoError(t, err)
			}
			p.settle(t)
			require.NoError(t, o.begin())
			for write, w := range writes {
				t.Run(write, func(t *testing.T) {
					require.True(t, p.holds(write), "the test needs a value in L1 to begin with")
					begun := time.Now()
					err := w.do(t.Context(), p, write)
					took := time.Since(begun)
					require.ErrorIs(t, err, tiercache.ErrNotPropagated)
					require.Less(t, took, outageBound)
					t.Logf("%v after %v", err, took)

					require.Equal(t, w.keep, p.holds(write))
					_, err = p.Get(t.Context(), write)
					require.ErrorIs(t, err, tiercache.ErrMiss)
					if w.keep {
						r, err := p.Lookup(t.Context(), write, nil)
						require.NoError(t, err)
						require.Equal(t, valueOf(write), r.Value)
						require.True(t, r.Stale)
					}
					before := p.computes.Load()
					got, err := p.ask(t.Context(), write)
					require.NoError(t, err)
					require.Equal(t, valueOf(write), got)
					require.Equal(t, before+1, p.computes.Load())
				})
			}
			p.settle(t)
			require.NoError(t, o.end())
			eventually(t, "writes still fail", func() bool { return p.Delete(t.Context(), "Delete", "Set") == nil })
			require.NoError(t, p.Set(t.Context(), "Set", "newest"))
			got, err := p.Get(t.Context(), "Set")
			require.NoError(t, err)
			require.Equal(t, "newest", got)
		})
	}
}

// A delete that was sent into a hung server may still be carried out when that wakes up;
// one that Redis has refused is not. Either way its caller was told, and a later one counts.
func TestDeleteAfterAnOutageIsFinal(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	here, there := newProcess(t, setup{url: srv.URL()}), newProcess(t, setup{url: srv.URL(), withoutL1: true})
	require.NoError(t, here.Set(t.Context(), "k", "old"))
	require.NoError(t, srv.Stop())
	require.ErrorIs(t, here.Delete(t.Context(), "k"), tiercache.ErrNotPropagated)
	require.NoError(t, srv.Continue())
	eventually(t, "deletes still fail", func() bool { return here.Delete(t.Context(), "k") == nil })
	for _, p := range []*process{here, there} {
		_, err := p.Get(t.Context(), "k")
		require.ErrorIs(t, err, tiercache.ErrMiss)
	}
}
