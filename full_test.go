package tiercache_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/l2"
)

// A Redis that is full and evicts nothing refuses to store. Callers do not notice, what is
// there can still be read, and what is invalidated goes.
func TestFullRedis(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t, redistest.WithConfig("maxmemory-policy", "noeviction"))
	patient := setup{url: srv.URL(), withoutL1: true, budget: patience, remote: l2.Config{CallTimeout: patience, DialTimeout: patience}}
	patient.policy = tiercache.Policy{TTL: time.Hour, StaleFor: time.Hour, SoftTimeout: -1}
	p, other := newProcess(t, patient), newProcess(t, patient)
	there := make([]string, 200)
	for i := range there {
		there[i] = fmt.Sprint("there-", i)
		_, err := p.ask(t.Context(), there[i])
		require.NoError(t, err)
	}
	p.settle(t)
	db := srv.Client(t)
	require.NoError(t, db.ConfigSet(t.Context(), "maxmemory", "1").Err())
	require.ErrorContains(t, db.Set(t.Context(), "x", "y", 0).Err(), "OOM")

	for _, key := range []string{"new", "new", "newer"} {
		got, err := p.ask(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, valueOf(key), got)
		p.settle(t)
	}
	s := p.engine.Stats().Total
	assert.EqualValues(t, 3, s.L2Errors)
	assert.EqualValues(t, len(there)+3, s.Computes)
	for _, key := range there {
		got, err := other.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, valueOf(key), got)
	}

	require.NoError(t, p.Delete(t.Context(), there[0]))
	require.NoError(t, p.Delete(t.Context(), there[1:100]...))
	require.NoError(t, p.Expire(t.Context(), there[100]))
	require.NoError(t, p.Expire(t.Context(), there[101:150]...))
	for _, key := range there[:150] {
		_, err := other.Get(t.Context(), key)
		require.ErrorIs(t, err, tiercache.ErrMiss, key)
	}
	require.ErrorIs(t, p.Set(t.Context(), there[150], "newer"), tiercache.ErrNotPropagated)

	require.NoError(t, db.ConfigSet(t.Context(), "maxmemory", "0").Err())
	_, err := p.ask(t.Context(), "new")
	require.NoError(t, err)
	p.settle(t)
	_, err = other.Get(t.Context(), "new")
	require.NoError(t, err, "it recovers by itself")
}

// A value that L2 cannot take is for the callers, and for L1.
func TestOversizedValue(t *testing.T) {
	noLeaks(t)
	srv := redistest.Start(t)
	p := newProcess(t, setup{url: srv.URL(), budget: patience, remote: l2.Config{MaxFrameBytes: 1 << 10, CallTimeout: patience, DialTimeout: patience}})
	big := strings.Repeat("x", 1000) // too short to be compressed, too long with its header
	for range 3 {
		got, err := p.GetOrCompute(t.Context(), "big", func(context.Context, string) (string, error) { return big, nil })
		require.NoError(t, err)
		require.Equal(t, big, got)
		p.settle(t)
	}
	s := p.engine.Stats().Total
	require.EqualValues(t, 1, s.Computes)
	n, err := srv.Client(t).DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.Zero(t, n)
}
