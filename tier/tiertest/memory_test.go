package tiertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func TestMemoryInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := NewMemory(0), tier.NewKey("space", "id")
		require.NoError(t, m.Set(t.Context(), k, []byte("frame"), time.Hour))
		time.Sleep(time.Hour - time.Nanosecond)
		ttl, ok := m.TTL(k)
		assert.True(t, ok)
		assert.Equal(t, time.Nanosecond, ttl)
		assert.Equal(t, 1, m.Len())

		time.Sleep(time.Nanosecond)
		_, err := m.Get(t.Context(), k)
		require.ErrorIs(t, err, tier.ErrMiss)
		_, ok = m.TTL(k)
		assert.False(t, ok)
		assert.Zero(t, m.Len())
	})
}

func TestMemoryFromOutside(t *testing.T) {
	t.Parallel()
	m := NewMemory(10)
	k, other := tier.NewKey("space", "id"), tier.NewKey("space", "other")

	require.Error(t, m.Set(t.Context(), k, make([]byte, 11), time.Hour), "over the cap")
	_, ok := m.Raw(k)
	assert.False(t, ok)

	foreign := []byte("foreign and long")
	m.Put(k, foreign, 0)
	clear(foreign)
	_, err := m.Get(t.Context(), k)
	require.ErrorIs(t, err, tier.ErrCorrupt, "over the cap, but there")
	raw, ok := m.Raw(k)
	assert.True(t, ok)
	assert.Equal(t, "foreign and long", string(raw))
	clear(raw)
	raw, _ = m.Raw(k)
	assert.Equal(t, "foreign and long", string(raw))
	ttl, ok := m.TTL(k)
	assert.True(t, ok)
	assert.Negative(t, ttl, "stays for ever")

	m.Put(other, nil, time.Hour)
	frame, err := m.Get(t.Context(), other)
	require.NoError(t, err, "an empty value is one")
	assert.Empty(t, frame)
	assert.Equal(t, 2, m.Len())

	m.Clear()
	assert.Zero(t, m.Len())
	_, err = m.Get(t.Context(), k)
	assert.ErrorIs(t, err, tier.ErrMiss)
}

func TestMemoryExpiresBefore1970(t *testing.T) {
	t.Parallel()
	m, k := NewMemory(0), tier.NewKey("space", "id")
	require.NoError(t, m.Set(t.Context(), k, tier.AppendEnvelope(nil, sampleEnvelope(k, time.Now())), time.Hour))
	require.NoError(t, m.Expire(t.Context(), time.Time{}, k))
	raw, _ := m.Raw(k)
	env, err := tier.ParseEnvelope(raw)
	require.NoError(t, err)
	assert.Zero(t, env.SoftExpiry)
}

func TestMapLocalIsExact(t *testing.T) {
	t.Parallel()
	l := NewMapLocal(100)
	space := tier.NewSpace("space")
	a, b, c := space.Key("a"), space.Key("b"), space.Key("c")
	l.Set(entry(a, 1, 50))
	l.Set(entry(b, 2, 50))
	assert.Equal(t, tier.Usage{Entries: 2, Bytes: 100, MaxBytes: 100}, l.Usage())

	want(t, l, a, 1, "making it the more recent one")
	l.Set(entry(c, 3, 50))
	want(t, l, b, 0, "the least recently used")
	want(t, l, a, 1, "more recently used")
	want(t, l, c, 3, "just set")
	assert.Equal(t, tier.Usage{Entries: 2, Bytes: 100, MaxBytes: 100, Evicted: 1}, l.Usage())

	l.Set(entry(c, 4, 101))
	want(t, l, c, 0, "too large")
	assert.Equal(t, tier.Usage{Entries: 1, Bytes: 50, MaxBytes: 100, Evicted: 1, Rejected: 1}, l.Usage())
	require.NoError(t, l.Close())
	assert.Zero(t, l.Usage().Bytes)

	unbounded := NewMapLocal(0)
	unbounded.Set(entry(a, 1, 1<<40))
	want(t, unbounded, a, 1, "without a budget")
	unbounded.Set(entry(b, 1, 0))
	assert.Equal(t, int64(1<<40+1), unbounded.Usage().Bytes, "an entry without a size counts as 1")
}
