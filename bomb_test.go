package tiercache

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/codec/msgpack"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// bombCap is the Config.MaxValueBytes of the engines that are bombed.
const bombCap = 8 << 20

// bomb is the payload of an envelope in which all else is as it should be.
type bomb struct {
	compressor byte
	payload    []byte
	stated     uint32 // the raw length in the envelope
}

func bombs(t testing.TB) map[string]bomb {
	t.Helper()
	const mega, bombed = 1 << 20, 256 << 20
	short := []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // an s2 block that claims 4 GiB
	zeros := make([]byte, bombed)
	byS2, byZstd := s2.Encode(nil, zeros), zstdFrame(t, zeros)
	return map[string]bomb{
		"raw, states 4 GiB":                     {compressorNone, []byte("tiny"), math.MaxUint32},
		"raw, states the cap":                   {compressorNone, []byte("tiny"), bombCap},
		"s2 of 5 bytes, honest":                 {compressorS2, short, math.MaxUint32},
		"s2 of 5 bytes, states the cap":         {compressorS2, short, bombCap},
		"s2 of 5 bytes, states 100":             {compressorS2, short, 100},
		"s2, claims the cap, has nothing":       {compressorS2, binary.AppendUvarint(nil, bombCap), bombCap},
		"s2, 256 MiB, honest":                   {compressorS2, byS2, bombed},
		"s2, 256 MiB, states the cap":           {compressorS2, byS2, bombCap},
		"zstd, 256 MiB, honest":                 {compressorZstd, byZstd, bombed},
		"zstd, 256 MiB, states the cap":         {compressorZstd, byZstd, bombCap},
		"zstd, 256 MiB, states 100":             {compressorZstd, byZstd, 100},
		"zstd, 256 MiB, size not in the header": {compressorZstd, blockFrame(-1, 2048), bombCap},
		"zstd, header states 100, holds more":   {compressorZstd, blockFrame(100, 2048), 100},
		"zstd, a second frame behind":           {compressorZstd, append(zstdFrame(t, zeros[:mega]), byZstd...), mega},
		"an unknown compressor":                 {200, byZstd, bombed},
	}
}

// drop has a caller meet the bomb and checks that it is a miss that costs little.
func drop[V any](t *testing.T, cfg Config, b bomb, compute V, opts ...Option[V]) {
	t.Helper()
	m := tiertest.NewMemory(0)
	cfg.L2, cfg.MaxValueBytes = m, bombCap
	cfg.L2Budget = time.Minute // a busy machine must not turn the miss into a time-out
	e := newEngine(t, cfg)
	c, err := NewCache(e, "test", Policy{}, opts...)
	require.NoError(t, err)
	k := c.space.Key("k")
	env := tier.Envelope{
		Codec: c.opts.shape.codec.ID(), Compressor: b.compressor, RawLength: b.stated,
		SoftExpiry: goldenSoft.UnixMilli(), KeyDigest: k.Digest(), Sealed: cfg.KeyRing != nil, Payload: b.payload,
	}
	if env.Sealed {
		env.Payload = cfg.KeyRing.seal(nil, b.payload, sealContext(nil, &env, k))
	}
	m.Put(k, tier.AppendEnvelope(nil, &env), time.Hour)

	var took time.Duration
	spent := allocated(func() {
		begun := time.Now()
		got, err := c.GetOrCompute(t.Context(), "k", value(compute))
		took = time.Since(begun)
		assert.NoError(t, err)
		assert.Equal(t, compute, got)
	})
	t.Logf("%d bytes that state %d: a miss after %v and %d bytes allocated", len(b.payload), b.stated, took, spent)
	assert.Less(t, spent, int64(2*bombCap))
	require.NoError(t, e.Close(context.Background())) // the flight has written
	s := e.Stats().Total
	assert.EqualValues(t, 1, s.Corrupt)
	assert.EqualValues(t, 1, s.Computes)
	assert.Zero(t, s.L2Errors)
	stored, _ := m.Raw(k)
	assert.Less(t, len(stored), 1000, "it has been overwritten")
}

func TestBombsAreCheapMisses(t *testing.T) {
	for name, b := range bombs(t) {
		t.Run(name, func(t *testing.T) { drop(t, Config{}, b, "computed") })
		t.Run(name+", sealed", func(t *testing.T) { drop(t, Config{KeyRing: goldenRing(t)}, b, "computed") })
	}
}

// What a codec is handed is within the cap. It must not make much more out of it.
func TestBombsForCodecs(t *testing.T) {
	type tree struct {
		Left, Right *tree
		Any         any
	}
	deep := func(open, end string) bomb {
		raw := append(bytes.Repeat([]byte(open), 1<<19), bytes.Repeat([]byte(end), 1<<19)...)
		return bomb{compressorNone, raw, uint32(len(raw))}
	}
	sized := func(b ...byte) bomb { return bomb{compressorNone, b, uint32(len(b))} }
	pack := WithCodec[tree](msgpack.Codec{})
	t.Run("JSON, nested lists", func(t *testing.T) { drop(t, Config{}, deep("[", "]"), tree{}) })
	t.Run("JSON, nested objects", func(t *testing.T) { drop(t, Config{}, deep(`{"Left":`, "}"), tree{}) })
	t.Run("JSON into any", func(t *testing.T) { drop(t, Config{}, deep("[", "]"), any("computed")) })
	t.Run("msgpack, nested lists", func(t *testing.T) { drop(t, Config{}, deep("\x91", "\xc0"), tree{}, pack) })
	t.Run("msgpack, list of 4 Gi", func(t *testing.T) { drop(t, Config{}, sized(0xdd, 0xff, 0xff, 0xff, 0xff), tree{}, pack) })
	t.Run("msgpack, map of 4 Gi", func(t *testing.T) { drop(t, Config{}, sized(0xdf, 0xff, 0xff, 0xff, 0xff), tree{}, pack) })
	t.Run("msgpack, 4 GiB of bytes", func(t *testing.T) {
		drop(t, Config{}, sized(0xc6, 0xff, 0xff, 0xff, 0xff), []any{}, WithCodec[[]any](msgpack.Codec{}))
	})
}
