package main

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoopDoesEveryOperationOnce(t *testing.T) {
	seq := []uint32{5, 6, 7}
	for _, l := range []load{
		{workers: 1, grain: 1},
		{workers: 1, procs: 1, grain: 64},
		{workers: 7, grain: 3, timed: 1},
	} {
		var calls, sum atomic.Int64
		s, err := l.loop(func(i int) error { calls.Add(1); sum.Add(int64(i)); return nil }, seq, 30)
		require.NoError(t, err)
		assert.EqualValues(t, 30, calls.Load())
		assert.EqualValues(t, 10*(5+6+7), sum.Load(), "the sequence repeats")
		assert.Len(t, s.latencies, 30*l.timed)
		assert.Positive(t, s.ns)
	}
}

func TestLoopReportsErrors(t *testing.T) {
	bad := errors.New("bad")
	l := load{workers: 3, grain: 2, timed: 4}
	_, err := l.loop(func(i int) error {
		if i == 9 {
			return bad
		}
		return nil
	}, []uint32{1, 2, 9}, 100)
	assert.ErrorIs(t, err, bad)
	_, err = l.calibrate(func(int) error { return bad }, []uint32{1}, time.Millisecond)
	assert.ErrorIs(t, err, bad)
}

var sink any

func TestCountAllocs(t *testing.T) {
	var n int
	for want, op := range []opFunc{
		func(int) error { n++; return nil },
		func(int) error { sink = new([64]byte); return nil },
		func(int) error { sink = new([64]byte); sink = new([32]byte); return nil },
	} {
		allocs, bytes, err := countAllocs(op, []uint32{0}, time.Millisecond)
		require.NoError(t, err)
		assert.Equal(t, float64(want), round(allocs, 1))
		assert.InDelta(t, []float64{0, 64, 96}[want], bytes, 2)
	}
}
