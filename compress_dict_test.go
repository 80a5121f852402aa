package tiercache

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZstdDictShrinksSmallValues(t *testing.T) {
	d, err := ZstdDict(testDict(t, 1000))
	require.NoError(t, err)
	c := mustCompression(t, Compression{Steps: []CompressStep{{64, d}}})
	raw := jsonLike(132, 7)
	out, id := c.compress(nil, raw)
	require.EqualValues(t, 3, id)
	assert.Less(t, len(out), len(raw)*2/3)
	t.Logf("%d bytes to %d", len(raw), len(out))
}

func TestZstdDictRotation(t *testing.T) {
	older, newer := testDict(t, 1), testDict(t, 5000)
	writer := func(current []byte, accepted ...[]byte) *compression {
		d, err := ZstdDict(current, accepted...)
		require.NoError(t, err)
		return mustCompression(t, Compression{Steps: []CompressStep{{64, d}}})
	}
	before, during, after, done := writer(older), writer(older, newer), writer(newer, older), writer(newer)
	raw := jsonLike(300, 42)
	pack := func(c *compression) []byte {
		b, id := c.compress(nil, raw)
		require.EqualValues(t, 3, id)
		return b
	}
	byOld, byNew := pack(before), pack(after)
	assert.Equal(t, byOld, pack(during))
	assert.NotEqual(t, byOld, byNew)

	for _, c := range []*compression{during, after} {
		for _, b := range [][]byte{byOld, byNew} {
			got, err := c.decompress(3, b, len(raw))
			require.NoError(t, err)
			assert.Equal(t, raw, got)
		}
	}
	_, err := before.decompress(3, byNew, len(raw))
	require.ErrorContains(t, err, "unknown dictionary")
	_, err = done.decompress(3, byOld, len(raw))
	require.ErrorContains(t, err, "unknown dictionary")
	_, err = mustCompression(t, Compression{}).decompress(3, byOld, len(raw))
	require.ErrorContains(t, err, "compressor 3 is not known")
}

func TestZstdDictCopiesDictionaries(t *testing.T) {
	dict := testDict(t, 1)
	d, err := ZstdDict(dict)
	require.NoError(t, err)
	clear(dict)
	_, err = d.AppendCompress(nil, jsonLike(300, 1))
	require.NoError(t, err)
}

func TestZstdDictRefuses(t *testing.T) {
	good := testDict(t, 1)
	_, err := ZstdDict(nil, good, []byte("not a dictionary at all, by any means"), good)
	for _, want := range []string{
		"tiercache: current dictionary: unexpected EOF",
		"tiercache: accepted dictionary 1: ",
		"tiercache: accepted dictionary 2: another one has id ",
	} {
		require.ErrorContains(t, err, want)
	}
	for n := range len(good) {
		_, _ = ZstdDict(good[:n]) // must not panic
	}
}

func TestTrainDict(t *testing.T) {
	a, b := testDict(t, 1), testDict(t, 5000)
	idA, err := dictID(a)
	require.NoError(t, err)
	idB, err := dictID(b)
	require.NoError(t, err)
	assert.NotEqual(t, idA, idB)
	for _, id := range []uint32{idA, idB} {
		assert.GreaterOrEqual(t, id, uint32(minDictID))
		assert.LessOrEqual(t, id, uint32(maxDictID))
	}
	assert.Less(t, len(a), 4096+1024)
	assert.Equal(t, idA, binary.LittleEndian.Uint32(a[4:]))
}

func TestTrainDictRefusesOddSamples(t *testing.T) {
	for name, samples := range map[string][][]byte{
		"none":      nil,
		"empty":     {nil, {}},
		"short":     {[]byte("abc"), []byte("abd")},
		"one":       {jsonLike(300, 1)},
		"the same":  {bytes.Repeat([]byte("ab"), 50), bytes.Repeat([]byte("ab"), 50)},
		"one byte":  {make([]byte, 1000), make([]byte, 1000)},
		"in common": {randomBytes(1000, 1), randomBytes(1000, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := TrainDict(samples, 4096)
			require.ErrorContains(t, err, "tiercache: ")
		})
	}
	_, err := TrainDict([][]byte{jsonLike(300, 1), jsonLike(300, 2)}, 10)
	require.ErrorContains(t, err, "256 and more")
}
