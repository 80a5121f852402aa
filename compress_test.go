package tiercache

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// jsonLike returns about n bytes such as services store: JSON objects with varying values.
func jsonLike(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	b.WriteByte('[')
	for b.Len() < n-100 {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%x","mail":"%x@example.com","active":%t,"score":%.3f},`,
			r.IntN(1e9), r.Uint32(), r.Uint32(), r.IntN(2) == 0, r.Float64()*100)
	}
	fmt.Fprintf(&b, `{"id":%d,"name":"user-%x","mail":"%x@example.com","active":true}]`, r.IntN(1e9), r.Uint32(), r.Uint32())
	return b.Bytes()
}

func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func testDict(t testing.TB, first uint64) []byte {
	t.Helper()
	var samples [][]byte
	for i := range uint64(200) {
		samples = append(samples, jsonLike(300, first+i))
	}
	d, err := TrainDict(samples, 4096)
	require.NoError(t, err)
	return d
}

func mustCompression(t testing.TB, cfg Compression) *compression {
	t.Helper()
	c, err := newCompression(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.close() })
	return c
}

// builtIns returns every compressor of this module.
func builtIns(t testing.TB) map[string]Compressor {
	t.Helper()
	d, err := ZstdDict(testDict(t, 1000))
	require.NoError(t, err)
	return map[string]Compressor{"s2": S2(), "zstd": Zstd(), "zstd with dictionary": d}
}

func TestCompressorsRoundTrip(t *testing.T) {
	for name, by := range builtIns(t) {
		t.Run(name, func(t *testing.T) {
			check := func(t require.TestingT, prefix, raw []byte) {
				packed, err := by.AppendCompress(bytes.Clone(prefix), raw)
				require.NoError(t, err)
				require.True(t, bytes.HasPrefix(packed, prefix))
				got, err := by.AppendDecompress(bytes.Clone(prefix), packed[len(prefix):], len(raw))
				require.NoError(t, err)
				require.True(t, bytes.HasPrefix(got, prefix))
				require.True(t, bytes.Equal(raw, got[len(prefix):]))
			}
			for _, n := range []int{132, 1 << 10, 64 << 10, 128<<10 + 1, 1<<20 + 1} {
				check(t, nil, jsonLike(n, 1))
				check(t, []byte("head"), randomBytes(n, 1))
				check(t, nil, make([]byte, n))
			}
			rapid.Check(t, func(t *rapid.T) {
				check(t, rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "prefix"), rapid.SliceOf(rapid.Byte()).Draw(t, "raw"))
			})
		})
	}
}

func TestCompressionRoundTrip(t *testing.T) {
	c := mustCompression(t, Compression{Steps: []CompressStep{{0, S2()}, {100, Zstd()}, {200, nil}, {300, S2()}}})
	rapid.Check(t, func(t *rapid.T) {
		raw := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "unit"), rapid.IntRange(0, 20).Draw(t, "times"))
		out, id := c.compress([]byte("head"), raw)
		require.True(t, bytes.HasPrefix(out, []byte("head")))
		got, err := c.decompress(id, out[4:], len(raw))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(raw, got))
	})
}

func TestCompressionDefaults(t *testing.T) {
	c := mustCompression(t, Compression{})
	for n, want := range map[int]byte{0: 0, 1: 0, 1023: 0, 1024: 1, 65535: 1, 65536: 2, 1 << 20: 2} {
		_, id := c.compress(nil, make([]byte, n))
		assert.Equal(t, want, id, "%d bytes", n)
	}
	_, id := mustCompression(t, Compression{Off: true}).compress(nil, make([]byte, 1<<20))
	assert.Zero(t, id)
}

func TestCompressionKeepsOnlyWhatSaves(t *testing.T) {
	shrunkTo := func(n int) Compressor { return fakeCompressor{id: 200, out: make([]byte, n)} }
	for _, tt := range []struct {
		saving float64
		to     int
		want   byte
	}{
		{0, 900, 200}, {0, 901, 0}, {0, 1000, 0}, {0, 1100, 0},
		{0.5, 500, 200}, {0.5, 501, 0},
		{0.0001, 999, 200}, {0.0001, 1000, 0},
	} {
		c := mustCompression(t, Compression{MinSaving: tt.saving, Steps: []CompressStep{{0, shrunkTo(tt.to)}}})
		raw := bytes.Repeat([]byte("r"), 1000)
		out, id := c.compress([]byte("head"), raw)
		assert.Equal(t, tt.want, id, "%+v", tt)
		if id == 0 {
			assert.Equal(t, "head"+string(raw), string(out))
		}
	}
	c := mustCompression(t, Compression{})
	raw := randomBytes(100<<10, 1)
	out, id := c.compress(nil, raw)
	assert.Zero(t, id)
	assert.True(t, bytes.Equal(raw, out))
}

// fakeCompressor is a compressor of somebody else, not necessarily a good one.
type fakeCompressor struct {
	id   byte
	out  []byte
	err  error
	blow bool
}

func (f fakeCompressor) ID() byte { return f.id }

func (f fakeCompressor) AppendCompress(dst, _ []byte) ([]byte, error) {
	if f.blow {
		panic("a secret")
	}
	return append(dst, f.out...), f.err
}

func (f fakeCompressor) AppendDecompress(dst, _ []byte, _ int) ([]byte, error) {
	return f.AppendCompress(dst, nil)
}

// clobbering returns something that does not begin with dst.
type clobbering struct{ fakeCompressor }

func (clobbering) AppendCompress([]byte, []byte) ([]byte, error) { return []byte("xxxxx"), nil }

func TestCompressNeverFails(t *testing.T) {
	raw := make([]byte, 2000)
	for name, by := range map[string]Compressor{
		"panic":   fakeCompressor{id: 200, blow: true},
		"error":   fakeCompressor{id: 200, out: []byte("x"), err: errors.New("no")},
		"nothing": fakeCompressor{id: 200},
		"clobber": &clobbering{fakeCompressor{id: 200}},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustCompression(t, Compression{Steps: []CompressStep{{0, by}}})
			out, id := c.compress([]byte("head"), raw)
			assert.Zero(t, id)
			assert.Equal(t, append([]byte("head"), raw...), out)
		})
	}
}

func TestDecompressChecksWhatItGets(t *testing.T) {
	c := mustCompression(t, Compression{Accept: []Compressor{
		fakeCompressor{id: 200, blow: true}, fakeCompressor{id: 201, out: make([]byte, 7)},
	}})
	for name, tt := range map[string]struct {
		id   byte
		size int
		want string
	}{
		"unknown id": {99, 3, "compressor 99 is not known"},
		"panic":      {200, 3, "panic with a string"},
		"wrong size": {201, 3, "another size"},
		"raw":        {0, 2, "another size"},
		"negative":   {1, -1, "another size"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.decompress(tt.id, []byte("abc"), tt.size)
			require.ErrorContains(t, err, "tiercache: ")
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
	got, err := c.decompress(0, []byte("abc"), 3)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(got))
}

func TestCompressionOffStillReads(t *testing.T) {
	c := mustCompression(t, Compression{Off: true})
	for _, by := range []Compressor{S2(), Zstd()} {
		packed, err := by.AppendCompress(nil, []byte("value"))
		require.NoError(t, err)
		got, err := c.decompress(by.ID(), packed, 5)
		require.NoError(t, err)
		assert.Equal(t, "value", string(got))
	}
}

func TestNewCompressionNamesFields(t *testing.T) {
	dict1, err := ZstdDict(testDict(t, 1))
	require.NoError(t, err)
	dict2, err := ZstdDict(testDict(t, 900))
	require.NoError(t, err)
	_, err = newCompression(Compression{
		MinSaving: 1,
		Steps: []CompressStep{
			{-1, nil}, {10, fakeCompressor{id: 0}}, {10, fakeCompressor{id: 2}}, {20, fakeCompressor{id: 127}},
			{30, fakeCompressor{id: 200}}, {40, dict1},
		},
		Accept: []Compressor{nil, fakeCompressor{id: 200}, dict2, dict1},
	})
	for _, want := range []string{
		"Compression.MinSaving: 1 ",
		"Compression.Steps[0].MinBytes: -1 is negative",
		"Compression.Steps[1].Compressor: id 0 means none; own compressors use 128 to 255",
		"Compression.Steps[2].MinBytes: 10 is not above",
		"Compression.Steps[2].Compressor: id 2 is reserved",
		"Compression.Steps[3].Compressor: id 127 is reserved",
		"Compression.Accept[0]: is nil",
		"Compression.Accept[1]: another compressor has id 200 already",
		"Compression.Accept[2]: another compressor has id 3 already; hand the older",
	} {
		require.ErrorContains(t, err, want)
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 9)

	for _, saving := range []float64{-0.1, 1.5, math.NaN(), math.Inf(1)} {
		_, err := newCompression(Compression{MinSaving: saving})
		require.ErrorContains(t, err, "Compression.MinSaving", "%v", saving)
	}
}

func TestNewCompressionAcceptsOneFormatTwice(t *testing.T) {
	own := &fakeCompressor{id: 200}
	cfg := Compression{
		Steps:  []CompressStep{{1, S2()}, {2, Zstd()}, {3, Zstd()}, {4, own}, {5, own}},
		Accept: []Compressor{S2(), Zstd(), own},
	}
	c := mustCompression(t, cfg)
	c.steps[0].MinBytes = 99
	assert.Equal(t, 1, cfg.Steps[0].MinBytes, "the config is copied")
}

func TestClosedCompressionFallsBack(t *testing.T) {
	c := mustCompression(t, Compression{})
	raw := make([]byte, 100<<10)
	packed, id := c.compress(nil, raw)
	require.EqualValues(t, 2, id)
	require.NoError(t, c.close())
	require.NoError(t, c.close())
	_, id = c.compress(nil, raw)
	assert.Zero(t, id)
	_, err := c.decompress(2, packed, len(raw))
	require.ErrorContains(t, err, "closed")
}

func TestCloseLeavesOthersOpen(t *testing.T) {
	z := Zstd()
	require.NoError(t, mustCompression(t, Compression{Accept: []Compressor{z}}).close())
	_, err := z.AppendCompress(nil, []byte("value"))
	require.NoError(t, err)
}

func TestCloseBesideCalls(t *testing.T) {
	z := Zstd()
	raw := jsonLike(50<<10, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				packed, err := z.AppendCompress(nil, raw)
				if err != nil {
					assert.ErrorIs(t, err, errCompressorClosed)
					return
				}
				if _, err = z.AppendDecompress(nil, packed, len(raw)); err != nil {
					assert.ErrorIs(t, err, errCompressorClosed)
				}
			}
		})
	}
	require.NoError(t, z.(*zstdCompressor).Close())
	wg.Wait()
}

// Two engines, one of them inside a bubble: coders that both shared would kill the process.
func TestCompressionInsideAndOutsideBubbles(t *testing.T) {
	use := func(t *testing.T) {
		d, err := ZstdDict(testDict(t, 1))
		require.NoError(t, err)
		c := mustCompression(t, Compression{Steps: []CompressStep{{0, d}, {1 << 10, S2()}, {64 << 10, Zstd()}}})
		var wg sync.WaitGroup
		for _, n := range []int{300, 2 << 10, 100 << 10, 300, 2 << 10, 100 << 10} {
			wg.Go(func() {
				raw := jsonLike(n, 5)
				out, id := c.compress(nil, raw)
				assert.NotZero(t, id)
				got, err := c.decompress(id, out, len(raw))
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(raw, got))
			})
		}
		wg.Wait()
	}
	for range 2 {
		synctest.Test(t, use)
		use(t)
	}
}

func TestGoldenDecompress(t *testing.T) {
	d, err := ZstdDict(golden(t, "v1.dict"))
	require.NoError(t, err)
	c := mustCompression(t, Compression{Accept: []Compressor{d}})
	raw := golden(t, "v1.plain")
	for name, id := range map[string]byte{"v1.s2": 1, "v1.zstd": 2, "v1.zstd-dict": 3} {
		got, err := c.decompress(id, golden(t, name), len(raw))
		require.NoError(t, err, name)
		assert.True(t, bytes.Equal(raw, got), name)
	}
	snappy := s2.EncodeSnappy(nil, raw)
	got, err := c.decompress(1, snappy, len(raw))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(raw, got))
}
