package main

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZipf(t *testing.T) {
	const n, length = 1000, 20_000
	seq := zipf(1, n, length)
	assert.Equal(t, seq, zipf(1, n, length), "same seed, same sequence")
	assert.NotEqual(t, seq, zipf(2, n, length))

	counts := make([]int, n)
	for _, i := range seq {
		require.Less(t, int(i), n)
		counts[i]++
	}
	most, asked := 0, 0
	for i, c := range counts {
		if c > counts[most] {
			most = i
		}
		if c > 0 {
			asked++
		}
	}
	assert.Greater(t, counts[most], 20*length/n, "popular keys are far above the average")
	assert.Greater(t, asked, n/2, "and the others are asked for too")
}

func TestKeys(t *testing.T) {
	keys := newKeys(keyPrefix, 300)
	for i, k := range keys {
		got, err := indexOf(k)
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	_, err := indexOf("short")
	assert.Error(t, err)
}

func TestRecord(t *testing.T) {
	assert.EqualValues(t, 200, unsafe.Sizeof(record{}), "the tables say so")
	assert.Equal(t, newRecord(7), newRecord(7))
	assert.NotEqual(t, newRecord(7), newRecord(8))
}

func TestPayload(t *testing.T) {
	p := newPayload(70_000)
	assert.Len(t, p, payloadBytes)
	assert.True(t, isPayload(p, 70_000))
	assert.True(t, isPayload(string(p), 70_000))
	assert.False(t, isPayload(p, 70_001))
	assert.False(t, isPayload(p[1:], 70_000))
	assert.ErrorIs(t, checkPayload(p, nil, 1), errWrongValue)
}

func TestBatches(t *testing.T) {
	b := newBatches(1, keyPrefix, 500, 10)
	assert.Equal(t, b, newBatches(1, keyPrefix, 500, 10), "same seed, same batches")
	for i, keys := range b.keys {
		require.Len(t, keys, batchSize)
		seen := map[string]bool{}
		for n, k := range keys {
			require.False(t, seen[k], "no key twice in a batch")
			seen[k] = true
			require.Equal(t, b.all[b.items[i][n]], k)
		}
	}
}

func TestCheckBatch(t *testing.T) {
	var src source
	b := newBatches(1, keyPrefix, 500, 10)
	got, err := src.records(context.Background(), b.keys[3])
	require.NoError(t, err)
	assert.EqualValues(t, batchSize, src.computes.Load())
	assert.NoError(t, checkBatch(b, 3, got, nil, isRecord))

	got[b.keys[3][3]] = newRecord(501)
	assert.ErrorIs(t, checkBatch(b, 3, got, nil, isRecord), errWrongValue)
	delete(got, b.keys[3][0])
	assert.ErrorIs(t, checkBatch(b, 3, got, nil, isRecord), errWrongValue)
}
