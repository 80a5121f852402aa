package tiercache

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkCompress(b *testing.B) {
	d, err := ZstdDict(testDict(b, 1000))
	require.NoError(b, err)
	kinds := []struct {
		name string
		by   Compressor
	}{{"raw", nil}, {"s2", S2()}, {"zstd", Zstd()}, {"zstd-dict", d}}
	for _, size := range []int{132, 1 << 10, 16 << 10, 256 << 10} {
		raw := jsonLike(size+200, 7)[:size]
		for _, k := range kinds {
			c := mustCompression(b, Compression{MinSaving: 1e-9, Steps: []CompressStep{{0, k.by}}})
			dst := make([]byte, 0, len(raw)+len(raw)/64+64)
			b.Run(fmt.Sprintf("%s/encode/%d", k.name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(raw)))
				var out []byte
				for b.Loop() {
					out, _ = c.compress(dst, raw)
				}
				b.ReportMetric(float64(len(out)), "bytes")
			})
			if k.by == nil {
				continue // handed through
			}
			packed, err := k.by.AppendCompress(nil, raw)
			require.NoError(b, err)
			dst = make([]byte, 0, len(raw))
			b.Run(fmt.Sprintf("%s/decode/%d", k.name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					_, _ = k.by.AppendDecompress(dst, packed, len(raw))
				}
			})
		}
	}
}
