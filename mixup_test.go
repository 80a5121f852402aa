package tiercache

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/codec/msgpack"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// written has an engine of its own store v in the space and returns the envelope.
func written[V any](t testing.TB, cfg Config, space, key string, v V, opts ...Option[V]) []byte {
	t.Helper()
	m := tiertest.NewMemory(0)
	cfg.L2 = m
	c, err := NewCache(newEngine(t, cfg), space, Policy{}, opts...)
	require.NoError(t, err)
	require.NoError(t, c.Set(t.Context(), key, v))
	frame, ok := m.Raw(tier.NewKey(space, key))
	require.True(t, ok)
	return frame
}

// meetsForeign puts the frame where a cache of V expects its own, and checks that the cache
// takes it for a miss and overwrites it.
func meetsForeign[V any](t *testing.T, cfg Config, frame []byte, v V, opts ...Option[V]) {
	t.Helper()
	m := tiertest.NewMemory(0)
	cfg.L2 = m
	c, err := NewCache(newEngine(t, cfg), "mine", Policy{}, opts...)
	require.NoError(t, err)
	m.Put(tier.NewKey("mine", "k"), frame, time.Hour)
	_, err = c.Get(t.Context(), "k")
	require.ErrorIs(t, err, ErrMiss)
	got, err := c.GetOrCompute(t.Context(), "k", value(v))
	require.NoError(t, err)
	require.Equal(t, v, got)
	synctest.Wait()
	require.EqualValues(t, 2, c.e.Stats().Total.Corrupt)
	got, err = c.GetOrCompute(t.Context(), "k", forbidden[V](t))
	require.NoError(t, err, "it has been overwritten")
	require.Equal(t, v, got)
}

func TestSwappedValuesAreMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := tiertest.NewMemory(0)
		c := newCache[string](t, Config{L2: m}, Policy{})
		a, b := c.space.Key("a"), c.space.Key("b")
		require.NoError(t, c.SetMany(t.Context(), map[string]string{"a": "value of a", "b": "value of b"}))
		frameA, _ := m.Raw(a)
		frameB, _ := m.Raw(b)
		m.Put(a, frameB, time.Hour)
		m.Put(b, frameA, time.Hour)
		found, err := c.GetMany(t.Context(), []string{"a", "b"})
		require.NoError(t, err)
		require.Empty(t, found)
		for _, key := range []string{"a", "b"} {
			got, err := c.GetOrCompute(t.Context(), key, func(_ context.Context, key string) (string, error) {
				return "computed for " + key, nil
			})
			require.NoError(t, err)
			require.Equal(t, "computed for "+key, got)
		}
		synctest.Wait()
		s := c.e.Stats().Total
		require.EqualValues(t, 4, s.Corrupt)
		require.EqualValues(t, 2, s.Computes)
	})
}

func TestForeignValuesAreMisses(t *testing.T) {
	type account struct {
		Owner   string
		Balance []int
	}
	type order struct {
		Owner   int
		Balance map[string]string
	}
	plain := Config{}
	sealed := func(t *testing.T, id uint32, secret byte) Config {
		return Config{KeyRing: mustKeyRing(t, SealKey{ID: id, Secret: bytes.Repeat([]byte{secret}, 32)})}
	}
	for name, run := range map[string]func(t *testing.T){
		"another space": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "yours", "k", "text"), "mine")
		},
		"another key": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "l", "text"), "mine")
		},
		"a key that reads the same when joined": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "min", "ek", "text"), "mine")
		},
		"a struct where a string belongs": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "k", account{Owner: "a"}), "mine")
		},
		"a string where a struct belongs": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "k", `{"Owner":"a"}`), account{Owner: "mine"})
		},
		"another struct of the same codec": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "k", order{Owner: 7}), account{Owner: "mine"})
		},
		"a list where a struct belongs": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "k", []int{1, 2}), account{Owner: "mine"})
		},
		"JSON where msgpack belongs": func(t *testing.T) {
			meetsForeign(t, plain, written(t, plain, "mine", "k", account{Owner: "a"}), account{Owner: "mine"},
				WithCodec[account](msgpack.Codec{}))
		},
		"msgpack where JSON belongs": func(t *testing.T) {
			frame := written(t, plain, "mine", "k", account{Owner: "a"}, WithCodec[account](msgpack.Codec{}))
			meetsForeign(t, plain, frame, account{Owner: "mine"})
		},
		"sealed where nothing is": func(t *testing.T) {
			meetsForeign(t, plain, written(t, sealed(t, 1, 'a'), "mine", "k", "secret"), "mine")
		},
		"plain where all is sealed": func(t *testing.T) {
			meetsForeign(t, sealed(t, 1, 'a'), written(t, plain, "mine", "k", "forged"), "mine")
		},
		"sealed by a key that is not in the ring": func(t *testing.T) {
			meetsForeign(t, sealed(t, 1, 'a'), written(t, sealed(t, 2, 'a'), "mine", "k", "secret"), "mine")
		},
		"sealed by another key with the same id": func(t *testing.T) {
			meetsForeign(t, sealed(t, 1, 'a'), written(t, sealed(t, 1, 'b'), "mine", "k", "secret"), "mine")
		},
		"sealed for another key, with the digest forged": func(t *testing.T) {
			ring := sealed(t, 1, 'a')
			frame := written(t, ring, "mine", "l", "secret")
			copy(frame[wireDigest:], written(t, ring, "mine", "k", "")[wireDigest:wireCheck])
			meetsForeign(t, ring, reforged(frame), "mine")
		},
		"packed by a compressor that is not known": func(t *testing.T) {
			dict, err := ZstdDict(testDict(t, 1))
			require.NoError(t, err)
			packing := Config{Compression: Compression{Steps: []CompressStep{{Compressor: dict}}}}
			meetsForeign(t, plain, written(t, packing, "mine", "k", string(jsonLike(300, 1))), "mine")
		},
		"larger than the cap": func(t *testing.T) {
			capped := Config{MaxValueBytes: 1000}
			meetsForeign(t, capped, written(t, plain, "mine", "k", string(make([]byte, 1001))), "mine")
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}
}

// A tombstone says nothing about types: it must not be taken for another key's.
func TestAbsentOfAnotherKeyIsAMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := tier.NewKey("mine", "l")
		frame := tier.AppendEnvelope(nil, &tier.Envelope{Absent: true, SoftExpiry: 1 << 42, KeyDigest: k.Digest()})
		meetsForeign(t, Config{}, frame, "mine")
	})
}

// newer returns frame as a later release might write it: this one cannot tell what is in it.
func newer(frame []byte, version byte) []byte {
	out := bytes.Clone(frame)
	out[wireVersion] = version
	return out
}

// Old and new processes run side by side during a deploy. What the new one has stored must
// stay, although the old one cannot read it and has to compute.
func TestNewerVersionIsLeftAlone(t *testing.T) {
	for name, local := range map[string]func() tier.Local{
		"L2":      func() tier.Local { return nil },
		"L1 + L2": func() tier.Local { return tiertest.NewMapLocal(1 << 20) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := tiertest.NewMemory(0)
				c := newCache[string](t, Config{L1: local(), L2: m}, Policy{TTL: time.Minute})
				k := c.space.Key("k")
				for _, bad := range [][]byte{
					newer(written(t, Config{}, "test", "k", "new"), 2),
					newer(written(t, Config{}, "test", "k", "new"), 255),
					[]byte("tc\x02"),
					append([]byte("tc\x03"), make([]byte, 1000)...),
				} {
					m.Put(k, bad, 24*time.Hour)
					for range 3 { // with an L1: computed, a hit, and again after the TTL
						for range 2 {
							got, err := c.GetOrCompute(t.Context(), "k", value("old"))
							require.NoError(t, err)
							require.Equal(t, "old", got)
							many, err := c.GetOrComputeMany(t.Context(), []string{"k"}, func(context.Context, []string) (map[string]string, error) {
								return map[string]string{"k": "old"}, nil
							})
							require.NoError(t, err)
							require.Equal(t, map[string]string{"k": "old"}, many)
						}
						synctest.Wait()
						stored, _ := m.Raw(k)
						require.Equal(t, bad, stored)
						time.Sleep(2 * time.Minute)
					}
				}
				s := c.e.Stats().Total
				assert.Positive(t, s.Corrupt)
				assert.Zero(t, s.L2Errors)
				assert.Zero(t, s.Failed)
				if c.e.l1 != nil {
					assert.EqualValues(t, 4*3, s.Computes, "L1 keeps what L2 must not be given")
				}
				// Whoever sets or deletes means it, whatever is there.
				require.NoError(t, c.Set(t.Context(), "k", "set"))
				got, err := c.GetOrCompute(t.Context(), "k", forbidden[string](t))
				require.NoError(t, err)
				require.Equal(t, "set", got)
			})
		})
	}
}
