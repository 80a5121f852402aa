package tiercache

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/typepb"

	"github.com/tiercache/tiercache/codec/msgpack"
	"github.com/tiercache/tiercache/codec/protobuf"
	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

var update = flag.Bool("update", false, "write the files under testdata/envelope that are missing; those that exist are never touched")

const (
	goldenDir   = "testdata/envelope/v1"
	goldenSpace = "golden"
	goldenDict  = "zstd.dict"
)

// What every golden file says about its value, whatever the value is.
var (
	goldenID      = tier.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	goldenCreated = time.Date(2026, time.January, 2, 3, 4, 5, 678_000_000, time.UTC)
	goldenSoft    = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)
)

const (
	goldenCost       = 1500 * time.Millisecond
	goldenGeneration = 1_767_323_045_678_901
)

// goldenFile is one file that this release and every later one must read.
type goldenFile struct {
	name              string // of the file and of the key
	want, other       any    // what the file holds, and what a compute gives instead
	absent, sealed    bool
	codec, compressor byte
	tags              []tier.Tag
	config            func(t testing.TB) Config // the engine that wrote it, without tiers
	bind              func(t testing.TB, e *Engine) hidden
}

// hidden is a cache with its V hidden, so that one loop serves all files.
type hidden struct {
	job          *job
	key          tier.Key
	encode       func(v any) ([]byte, error)
	value        func(e *tier.Entry) any
	get          func(ctx context.Context) (any, error)
	getOrCompute func(ctx context.Context) (any, error) // the compute gives goldenFile.other
	batch        func(ctx context.Context) (any, error) // the same, as a batch of one
	lookup       func(ctx context.Context) (Result[any], error)
}

// newGolden describes a file that holds want.
func newGolden[V any](name string, want, other V, mend func(*goldenFile), opts ...Option[V]) goldenFile {
	g := goldenFile{
		name: name, want: want, other: other, codec: codecRaw,
		config: func(testing.TB) Config { return Config{} },
	}
	g.bind = func(t testing.TB, e *Engine) hidden {
		t.Helper()
		c, err := NewCache(e, goldenSpace, Policy{}, opts...)
		require.NoError(t, err)
		return hide(c, name, other)
	}
	if mend != nil {
		mend(&g)
	}
	return g
}

func hide[V any](c *Cache[V], name string, other V) hidden {
	compute := func(context.Context, string) (V, error) { return other, nil }
	return hidden{
		job:    c.job(compute),
		key:    c.space.Key(name),
		encode: func(v any) ([]byte, error) { return appendValue(c.opts.shape.codec, nil, v) },
		value:  func(e *tier.Entry) any { return typed[V](e.Value) },
		get:    func(ctx context.Context) (any, error) { return c.Get(ctx, name) },
		getOrCompute: func(ctx context.Context) (any, error) {
			return c.GetOrCompute(ctx, name, compute)
		},
		batch: func(ctx context.Context) (any, error) {
			got, err := c.GetOrComputeMany(ctx, []string{name}, func(context.Context, []string) (map[string]V, error) {
				return map[string]V{name: other}, nil
			})
			v, ok := got[name]
			if !ok && err == nil {
				err = ErrNotFound // a batch leaves absent keys out
			}
			return v, err
		},
		lookup: func(ctx context.Context) (Result[any], error) {
			r, err := c.Lookup(ctx, name, nil)
			return Result[any]{Value: r.Value, Source: r.Source, Stale: r.Stale, Age: r.Age, TTL: r.TTL, Cost: r.Cost, Tags: r.Tags}, err
		},
	}
}

// goldenUser is the value of the files that hold a struct.
type goldenUser struct {
	ID     int64             `json:"id" msgpack:"id"`
	Name   string            `json:"name" msgpack:"name"`
	Admin  bool              `json:"admin" msgpack:"admin"`
	Score  float64           `json:"score" msgpack:"score"`
	Groups []string          `json:"groups" msgpack:"groups"`
	Extra  map[string]string `json:"extra" msgpack:"extra"`
}

var (
	goldenAlice = goldenUser{
		ID: 1 << 40, Name: "Alice <a@example.com> & Zoë", Admin: true, Score: -0.25,
		Groups: []string{"ops", ""}, Extra: map[string]string{"lang": "日本語"},
	}
	goldenBob = goldenUser{Name: "Bob", Groups: []string{}, Extra: map[string]string{}}
)

// goldenText is what compressors can make shorter.
var goldenText = strings.Repeat("All happy caches are alike; each unhappy cache is unhappy in its own way.\n", 40)

func goldens() []goldenFile {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	tagged := func(g *goldenFile) {
		g.tags = []tier.Tag{
			{Name: "user:7", Generation: goldenGeneration + 1},
			{Name: strings.Repeat("t", 255)},
			{Name: "\x00\xff", Generation: 1<<64 - 1},
		}
	}
	by := func(id byte, c func(testing.TB) Compressor) func(*goldenFile) {
		return func(g *goldenFile) {
			g.compressor = id
			g.config = func(t testing.TB) Config {
				return Config{Compression: Compression{Steps: []CompressStep{{Compressor: c(t)}}}}
			}
		}
	}
	sealed := func(g *goldenFile) {
		g.sealed = true
		inner := g.config
		g.config = func(t testing.TB) Config {
			cfg := inner(t)
			cfg.KeyRing = goldenRing(t)
			return cfg
		}
	}
	zstd := by(compressorZstd, func(testing.TB) Compressor { return Zstd() })
	absent := func(g *goldenFile) { g.absent = true }
	all := func(mends ...func(*goldenFile)) func(*goldenFile) {
		return func(g *goldenFile) {
			for _, mend := range mends {
				mend(g)
			}
		}
	}
	use := func(id byte) func(*goldenFile) { return func(g *goldenFile) { g.codec = id } }
	field := &typepb.Field{Name: "id", Number: 7, Kind: typepb.Field_TYPE_INT64, JsonName: "Zoë", Packed: true}
	return []goldenFile{
		newGolden("string", "Grüße aus dem Cache", "computed", nil),
		newGolden("empty", "", "computed", nil),
		newGolden("bytes", every, []byte("computed"), nil),
		newGolden("json", goldenAlice, goldenBob, use(codecJSON)),
		newGolden("msgpack", goldenAlice, goldenBob, use(codecMsgpack), WithCodec[goldenUser](msgpack.Codec{})),
		newGolden("protobuf", field, &typepb.Field{Name: "computed"}, use(codecProtobuf), WithCodec[*typepb.Field](protobuf.Codec{})),
		newGolden("absent", "", "computed", absent),
		newGolden("tags", "a value with tags", "computed", tagged),
		newGolden("s2", goldenText, "computed", by(compressorS2, func(testing.TB) Compressor { return S2() })),
		newGolden("zstd", goldenText, "computed", zstd),
		newGolden("zstd-dict", goldenAlice, goldenBob, all(use(codecJSON), by(compressorZstdDict, goldenDictionary))),
		newGolden("sealed", "a secret value", "computed", sealed),
		newGolden("sealed-absent", "", "computed", all(sealed, absent)),
		newGolden("sealed-zstd-tags", goldenText, "computed", all(zstd, sealed, tagged)),
	}
}

// goldenRing holds the key of the sealed files.
func goldenRing(t testing.TB) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(SealKey{ID: 7, Secret: []byte("0123456789abcdef0123456789abcdef")})
	require.NoError(t, err)
	return r
}

// goldenDictionary is the compressor of the file that needs one.
func goldenDictionary(t testing.TB) Compressor {
	t.Helper()
	path := filepath.Join(goldenDir, goldenDict)
	if _, err := os.Stat(path); *update && errors.Is(err, os.ErrNotExist) {
		sample, err := appendValue(JSON{}, nil, goldenAlice)
		require.NoError(t, err)
		var samples [][]byte
		for i := range byte(64) {
			samples = append(samples, append(bytes.Clone(sample), '\n', i), jsonLike(300, uint64(i)))
		}
		d, err := TrainDict(samples, 2048)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, d, 0o600))
	}
	d, err := os.ReadFile(path)
	require.NoError(t, err)
	c, err := ZstdDict(d)
	require.NoError(t, err)
	return c
}

func (g *goldenFile) path() string { return filepath.Join(goldenDir, g.name+".bin") }

// frame returns the file, and with -update makes one that is missing.
func (g *goldenFile) frame(t testing.TB) []byte {
	t.Helper()
	if _, err := os.Stat(g.path()); *update && errors.Is(err, os.ErrNotExist) {
		require.NoError(t, os.WriteFile(g.path(), g.write(t), 0o600))
	}
	b, err := os.ReadFile(g.path())
	require.NoError(t, err, "run this test once with -update if the file is to be a new one")
	return b
}

// engine returns one that reads and writes the file. It has no tier but those of mend.
func (g *goldenFile) engine(t testing.TB, mend func(*Config)) (*Engine, hidden) {
	t.Helper()
	cfg := g.config(t)
	if mend != nil {
		mend(&cfg)
	}
	e := newEngine(t, cfg)
	return e, g.bind(t, e)
}

// write has today's engine seal what the file holds.
func (g *goldenFile) write(t testing.TB) []byte {
	t.Helper()
	e, c := g.engine(t, nil)
	p := &prepared{entry: &tier.Entry{
		Key: c.key, ID: goldenID, Generation: goldenGeneration, Absent: g.absent, Tags: g.tags,
		Created: goldenCreated.UnixNano(), SoftExpiry: goldenSoft.UnixNano(), Cost: goldenCost,
	}}
	if !g.absent {
		raw, err := c.encode(g.want)
		require.NoError(t, err)
		p.raw = raw
	}
	return e.seal(c.job, p)
}

func TestGoldenEnvelopes(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			frame := g.frame(t)
			t.Run("header", func(t *testing.T) { g.checkHeader(t, frame) })
			t.Run("open", func(t *testing.T) { g.checkOpen(t, frame) })
			t.Run("engine", func(t *testing.T) { g.checkEngine(t, frame) })
			t.Run("writer", func(t *testing.T) {
				if g.compressor != compressorNone || g.sealed || g.codec == codecProtobuf {
					t.Log("not the same bytes every time")
					return
				}
				assert.Equal(t, frame, g.write(t), "this release writes something else under the same version")
			})
		})
	}
}

func (g *goldenFile) checkHeader(t *testing.T, frame []byte) {
	env, err := tier.ParseEnvelope(frame)
	require.NoError(t, err)
	assert.Equal(t, goldenID, env.ID)
	assert.Equal(t, g.codec, env.Codec)
	assert.Equal(t, g.compressor, env.Compressor)
	assert.Equal(t, g.absent, env.Absent)
	assert.Equal(t, g.sealed, env.Sealed)
	assert.EqualValues(t, goldenGeneration, env.Generation)
	assert.Equal(t, goldenSoft.UnixMilli(), env.SoftExpiry)
	assert.Equal(t, goldenCreated.UnixMilli(), env.Created)
	assert.EqualValues(t, goldenCost.Microseconds(), env.CostMicros)
	assert.Equal(t, g.tags, env.Tags)
	assert.Equal(t, tier.NewKey(goldenSpace, g.name).Digest(), env.KeyDigest)
}

func (g *goldenFile) checkOpen(t *testing.T, frame []byte) {
	e, c := g.engine(t, nil)
	entry, err := e.open(c.job, c.key, frame)
	require.NoError(t, err)
	assert.Equal(t, c.key, entry.Key)
	assert.Equal(t, g.absent, entry.Absent)
	if !g.absent {
		assert.True(t, sameValue(g.want, c.value(entry)), "%v", c.value(entry))
	}
	assert.Equal(t, goldenID, entry.ID)
	assert.EqualValues(t, goldenGeneration, entry.Generation)
	assert.Equal(t, goldenCreated.UnixNano(), entry.Created)
	assert.Equal(t, goldenCost, entry.Cost)
	assert.Equal(t, g.tags, entry.Tags)
	assert.Greater(t, entry.SoftExpiry, time.Now().UnixNano())
	assert.Positive(t, entry.Size)
}

func (g *goldenFile) checkEngine(t *testing.T, frame []byte) {
	for _, withL1 := range []bool{false, true} {
		m := tiertest.NewMemory(0)
		e, c := g.engine(t, func(cfg *Config) {
			cfg.L2 = m
			if withL1 {
				cfg.L1 = tiertest.NewMapLocal(1 << 20)
			}
		})
		m.Put(c.key, frame, time.Hour)
		r, err := c.lookup(t.Context())
		g.checkAnswer(t, r.Value, err)
		if !g.absent {
			assert.Equal(t, FromL2, r.Source)
			assert.False(t, r.Stale)
			assert.Equal(t, goldenCost, r.Cost)
			assert.InDelta(t, time.Since(goldenCreated).Seconds(), r.Age.Seconds(), 60)
			require.Len(t, r.Tags, len(g.tags))
			for i, tag := range g.tags {
				assert.Equal(t, tag.Name, r.Tags[i])
			}
		}
		for _, ask := range []func(context.Context) (any, error){c.get, c.getOrCompute, c.batch} {
			v, err := ask(t.Context())
			g.checkAnswer(t, v, err)
		}
		s := e.Stats().Total
		assert.Zero(t, s.Corrupt)
		assert.Zero(t, s.Computes)
		after, _ := m.Raw(c.key)
		assert.Equal(t, frame, after, "reading must not write")
	}
}

// checkAnswer checks what an engine makes of the file.
func (g *goldenFile) checkAnswer(t testing.TB, v any, err error) {
	t.Helper()
	if g.absent {
		require.ErrorIs(t, err, ErrNotFound)
		return
	}
	require.NoError(t, err)
	require.True(t, sameValue(g.want, v), "%v", v)
}

// sameValue compares values of the files. Messages carry state beside their fields, and a
// NaN is not equal to itself.
func sameValue(a, b any) bool {
	m, isMessage := a.(proto.Message)
	n, areMessages := b.(proto.Message)
	if isMessage || areMessages {
		return isMessage && areMessages && proto.Equal(m, n)
	}
	return assert.ObjectsAreEqual(a, b) || fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

// A file that no test reads any more would rot unseen.
func TestGoldenFilesAreAllRead(t *testing.T) {
	known := map[string]bool{"README.md": true, goldenDict: true}
	for _, g := range goldens() {
		known[g.name+".bin"] = true
	}
	files, err := os.ReadDir(goldenDir)
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, known[f.Name()], "%s is in no test", f.Name())
		delete(known, f.Name())
	}
	assert.Empty(t, known, "missing files")
}
