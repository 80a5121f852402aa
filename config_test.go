package tiercache

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier/tiertest"
)

type badCodec struct{ JSON }

func (badCodec) ID() byte { return 77 }

func TestBadConfigurationIsOneErrorNamingEachField(t *testing.T) {
	_, err := New(Config{
		Policy:        Policy{TTL: -1, ComputeTimeout: -1, Beta: math.NaN(), Jitter: 2, StaleFor: 1 << 62},
		Codec:         badCodec{},
		KeyRing:       &KeyRing{},
		Compression:   Compression{MinSaving: 2, Steps: []CompressStep{{MinBytes: -1, Compressor: S2()}}},
		L2Budget:      -1,
		MaxValueBytes: -1,
		MaxKeyBytes:   -1,
	})
	require.Error(t, err)
	for _, field := range []string{
		"Config.L1, Config.L2:", "Config.Policy.TTL:", "Config.Policy.ComputeTimeout:", "Config.Policy.Beta:",
		"Config.Policy.Jitter:", "Config.Policy.StaleFor:", "Config.Codec:", "Config.Compression.MinSaving:",
		"Config.Compression.Steps[0].MinBytes:", "Config.KeyRing:", "Config.L2Budget:", "Config.MaxValueBytes:", "Config.MaxKeyBytes:",
	} {
		require.Equal(t, 1, strings.Count(err.Error(), field), "%s in:\n%v", field, err)
	}
}

func TestNewDoesNotWriteIntoTheCallersConfig(t *testing.T) {
	cfg := Config{L1: tiertest.NewMapLocal(1), Policy: Policy{TTL: time.Second}}
	was := cfg
	e, err := New(cfg)
	require.NoError(t, err)
	closeEngine(t, e)
	require.Equal(t, was, cfg)
}

func TestBadCacheIsOneErrorNamingEachField(t *testing.T) {
	e, err := New(Config{L1: tiertest.NewMapLocal(1)})
	require.NoError(t, err)
	defer closeEngine(t, e)
	_, err = NewCache(e, "users of", Policy{Jitter: 3}, WithCodec[int](badCodec{}))
	for _, part := range []string{`space "users of": ' ' at byte 5`, "Policy.TTL: is not set", "Policy.Jitter:", "WithCodec:"} {
		require.ErrorContains(t, err, part)
	}
	for _, name := range []string{"", "_x", ".x", "a:b", "a{b", "é", "\xff", strings.Repeat("x", 65), "a\nb"} {
		_, err = NewCache[int](e, name, Policy{TTL: 1})
		require.ErrorContains(t, err, "space", name)
	}
	_, err = NewCache[int](e, "A-b_c.9", Policy{TTL: 1})
	require.NoError(t, err)
}

func TestOneSpaceHasOneTypeAndOneCodec(t *testing.T) {
	e := newEngine(t, Config{})
	_, err := NewCache[int](e, "n", Policy{})
	require.NoError(t, err)
	_, err = NewCache[int](e, "n", Policy{TTL: time.Hour})
	require.NoError(t, err)
	_, err = NewCache[string](e, "n", Policy{})
	require.ErrorContains(t, err, `space "n": holds values of type int, not string`)
	_, err = NewCache(e, "n", Policy{}, WithCodec[int](userCodec{}))
	require.ErrorContains(t, err, "codec 2, not 200")
}

type userCodec struct{ JSON }

func (userCodec) ID() byte { return 200 }

func TestBadKeysAreRefusedByEveryCall(t *testing.T) {
	c := newCache[string](t, Config{L2: tiertest.NewMemory(0), MaxKeyBytes: 10}, Policy{StaleFor: time.Hour})
	for key, part := range map[string]string{"": "empty", "secret-secret": "13 bytes, Config.MaxKeyBytes is 10"} {
		calls := map[string]func() error{
			"GetOrCompute": func() error { _, err := c.GetOrCompute(t.Context(), key, forbidden[string](t)); return err },
			"Lookup":       func() error { _, err := c.Lookup(t.Context(), key, nil); return err },
			"Get":          func() error { _, err := c.Get(t.Context(), key); return err },
			"GetMany":      func() error { _, err := c.GetMany(t.Context(), []string{key}); return err },
			"Refresh":      func() error { _, err := c.Refresh(t.Context(), key, forbidden[string](t)); return err },
			"Set":          func() error { return c.Set(t.Context(), key, "v") },
			"Delete":       func() error { return c.Delete(t.Context(), key) },
			"Expire":       func() error { return c.Expire(t.Context(), key) },
		}
		for name, call := range calls {
			err := call()
			require.ErrorIs(t, err, ErrBadKey, name)
			require.ErrorContains(t, err, part, name)
			require.NotContains(t, err.Error(), "secret", name)
		}
	}
	_, err := c.GetOrCompute(t.Context(), "k", nil)
	require.ErrorIs(t, err, errNilCompute)
}

func TestWithOverridesFieldByField(t *testing.T) {
	c := newCache[string](t, Config{Policy: Policy{TTL: time.Hour, Beta: 2}}, Policy{StaleFor: time.Minute})
	d := c.With(Policy{TTL: time.Second, StaleFor: -1})
	require.Equal(t, time.Second, d.rules.TTL)
	require.Zero(t, d.rules.StaleFor)
	require.InDelta(t, 2, d.rules.Beta, 0)
	require.Equal(t, time.Hour, c.rules.TTL)
	require.Equal(t, time.Minute, c.rules.StaleFor)

	bad := c.With(Policy{Jitter: 7})
	require.NoError(t, c.Set(t.Context(), "k", "v"))
	_, err := bad.GetOrCompute(t.Context(), "k", forbidden[string](t))
	require.ErrorContains(t, err, "Policy.Jitter")
	require.ErrorContains(t, bad.Set(t.Context(), "k", "v"), "Policy.Jitter")
	require.ErrorContains(t, bad.Delete(t.Context(), "k"), "Policy.Jitter")
}

func TestDefaults(t *testing.T) {
	r := Policy{TTL: 10 * time.Second}.settle()
	require.Equal(t, 10*time.Second, r.AbsentTTL, "not longer than the TTL")
	require.Equal(t, 30*time.Second, Policy{TTL: time.Hour}.settle().AbsentTTL)
	require.Equal(t, 30*time.Second, r.ComputeTimeout)
	require.Equal(t, 100*time.Millisecond, r.SoftTimeout)
	require.InDelta(t, 1, r.Beta, 0)
	require.InDelta(t, 0.1, r.Jitter, 0)
	require.Zero(t, r.StaleFor)
	require.Zero(t, r.ErrorTTL)
	require.Zero(t, r.L1TTL)
}
