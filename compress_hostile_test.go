package tiercache

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slack is what a rejection may allocate besides the stated size: what a decoder makes on
// first use, and one large block.
const slack = 2 << 20

// zstdFrame returns what a writer that this module is not would send.
func zstdFrame(t testing.TB, raw []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, append(opts, zstd.WithEncoderConcurrency(1))...)
	require.NoError(t, err)
	return enc.EncodeAll(raw, nil)
}

// blockFrame returns a zstd frame of 64 MiB window that states size bytes, or nothing if
// negative, and holds n run-length blocks of 128 KiB each.
func blockFrame(size int64, n int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd}
	if size < 0 {
		b = append(b, 0x00, 16<<3)
	} else {
		b = append(b, 0xc0, 16<<3)
		b = binary.LittleEndian.AppendUint64(b, uint64(size))
	}
	for i := range n {
		head := uint32(128<<10)<<3 | 1<<1
		if i == n-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 'x')
	}
	return b
}

// TestBombs hands the decompressors what claims or holds far more than it should. The size
// is what the envelope states, and at most the cap of the engine.
func TestBombs(t *testing.T) {
	dict := testDict(t, 1)
	withDict, err := ZstdDict(dict)
	require.NoError(t, err)
	zeros := zstdFrame(t, make([]byte, 256<<20))
	header := func(b []byte, n int) []byte { return b[:n:n] }
	lying := blockFrame(1000, 2048)

	for name, tt := range map[string]struct {
		id      byte
		payload []byte
		size    int
	}{
		"s2, 5 bytes claim 4 GiB":                   {1, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 8 << 20},
		"s2, length of 10 bytes":                    {1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 8 << 20},
		"s2, claims what is stated, has nothing":    {1, binary.AppendUvarint(nil, 8<<20), 8 << 20},
		"s2, 64 MiB of zeros":                       {1, s2.Encode(nil, make([]byte, 64<<20)), 8 << 20},
		"zstd, 256 MiB of zeros":                    {2, zeros, 8 << 20},
		"zstd, 256 MiB of zeros, small":             {2, zeros, 100},
		"zstd, header states less than it holds":    {2, lying, 1000},
		"zstd, header states nothing":               {2, blockFrame(-1, 2048), 8 << 20},
		"zstd, header states nothing, small":        {2, blockFrame(-1, 2048), 1000},
		"zstd, header states nothing, tiny":         {2, blockFrame(-1, 2048), 100},
		"zstd, header states nothing, medium":       {2, blockFrame(-1, 2048), 900 << 10},
		"zstd, header states what it does not hold": {2, blockFrame(8<<20, 1), 8 << 20},
		"zstd, exabytes stated":                     {2, blockFrame(1<<62, 1), 8 << 20},
		"zstd, one block too many":                  {2, blockFrame(8<<20, 65), 8 << 20},
		"zstd, one block too many, unstated":        {2, blockFrame(-1, 65), 8 << 20},
		"zstd, a second frame":                      {2, append(zstdFrame(t, make([]byte, 1000)), zeros...), 1000},
		"zstd, a second frame that states nothing":  {2, append(blockFrame(8<<20, 64), blockFrame(-1, 2048)...), 8 << 20},
		"zstd, a thousand frames":                   {2, bytes.Repeat(zstdFrame(t, make([]byte, 1000)), 1000), 1000},
		"zstd, skippable frame":                     {2, []byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff}, 8 << 20},
		"zstd, header only":                         {2, header(zeros, 9), 8 << 20},
		"zstd, window of 512 MiB":                   {2, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 19 << 3}, lying[13:]...), 8 << 20},
		"zstd, unknown dictionary":                  {2, zstdFrame(t, make([]byte, 5000), zstd.WithEncoderDict(dict)), 5000},
		"zstd with dictionary, 32 MiB":              {3, zstdFrame(t, make([]byte, 32<<20), zstd.WithEncoderDict(dict)), 8 << 20},
		"zstd with dictionary, nothing":             {3, nil, 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustCompression(t, Compression{Accept: []Compressor{withDict}})
			var err error
			var took time.Duration
			got := allocated(func() {
				start := time.Now()
				_, err = c.decompress(tt.id, tt.payload, tt.size)
				took = time.Since(start)
			})
			t.Logf("%d bytes, stated %d: rejected in %v with %d bytes allocated", len(tt.payload), tt.size, took, got)
			require.ErrorContains(t, err, "tiercache: ")
			assert.Less(t, got, int64(tt.size+slack))
		})
	}
}

func TestDecompressRefusesDamage(t *testing.T) {
	raw := jsonLike(3000, 1)
	for name, by := range builtIns(t) {
		t.Run(name, func(t *testing.T) {
			packed, err := by.AppendCompress(nil, raw)
			require.NoError(t, err)
			for _, size := range []int{0, 1, len(raw) - 1, len(raw) + 1, 8 << 20} {
				_, err := by.AppendDecompress(nil, packed, size)
				require.Error(t, err, "stated size %d", size)
			}
			for n := range packed {
				_, err := by.AppendDecompress(nil, packed[:n:n], len(raw))
				require.Error(t, err, "cut to %d of %d", n, len(packed))
			}
			for _, tail := range []string{"x", "\x00\x00\x00\x00", string(packed)} {
				_, err := by.AppendDecompress(nil, append(bytes.Clone(packed), tail...), len(raw))
				require.Error(t, err, "%d bytes more", len(tail))
			}
			// Nothing here carries a checksum, as the envelope has one: a flipped bit must
			// do no harm, and be it only that the value is another one.
			for i := range len(packed) * 8 {
				bad := bytes.Clone(packed)
				bad[i/8] ^= 1 << (i % 8)
				if got, err := by.AppendDecompress(nil, bad, len(raw)); err == nil {
					require.Len(t, got, len(raw))
				}
			}
		})
	}
}

func FuzzDecompress(f *testing.F) {
	dict := testDict(f, 1)
	withDict, err := ZstdDict(dict)
	require.NoError(f, err)
	c, err := newCompression(Compression{Accept: []Compressor{withDict}})
	require.NoError(f, err)
	for id := byte(0); id <= 3; id++ {
		for _, n := range []int{132, 1000, 5000} {
			raw := jsonLike(n, 1)
			packed := raw
			if id > 0 {
				packed, err = c.readers[id].AppendCompress(nil, raw)
				require.NoError(f, err)
			}
			f.Add(id, packed, uint32(len(raw)))
		}
	}
	f.Add(byte(1), []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, uint32(1<<20))
	f.Add(byte(2), blockFrame(-1, 100), uint32(1<<20))
	f.Add(byte(2), blockFrame(1<<62, 1), uint32(1<<20))
	f.Fuzz(func(t *testing.T, id byte, payload []byte, size uint32) {
		size %= 4 << 20 // a cap such as the engine has
		var out []byte
		var err error
		got := allocated(func() { out, err = c.decompress(id%4, payload, int(size)) })
		if err == nil {
			require.Len(t, out, int(size))
		}
		// Workers of the fuzzer allocate beside this: the bound is a coarse one.
		require.Less(t, got, int64(size)*2+16<<20, "id %d, %d bytes, stated %d", id, len(payload), size)
	})
}
