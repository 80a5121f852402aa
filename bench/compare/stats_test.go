package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, median([]float64{4, 1, 3, 2}))
	assert.Equal(t, 7.0, median([]float64{7}))
	assert.True(t, math.IsNaN(median(nil)))

	vs := []float64{3, 1, 2}
	median(vs)
	assert.Equal(t, []float64{3, 1, 2}, vs, "the argument stays as it was")
}

func TestQuantile(t *testing.T) {
	vs := []float64{10, 20, 30, 40, 50}
	assert.Equal(t, 10.0, quantile(vs, 0))
	assert.Equal(t, 20.0, quantile(vs, 0.25))
	assert.Equal(t, 50.0, quantile(vs, 1))
	assert.InDelta(t, 14.0, quantile(vs, 0.1), 1e-9, "between two samples")
}

func TestSpread(t *testing.T) {
	assert.Zero(t, spread([]float64{5, 5, 5}))
	assert.InDelta(t, 20.0/30, spread([]float64{10, 20, 30, 40, 50}), 1e-9)
	assert.Zero(t, spread(nil))
	assert.Zero(t, spread([]float64{0, 0}))
}

func TestPercentile(t *testing.T) {
	ds := make([]time.Duration, 100)
	for i := range ds {
		ds[i] = time.Duration(i + 1)
	}
	assert.EqualValues(t, 50, percentile(ds, 0.50))
	assert.EqualValues(t, 99, percentile(ds, 0.99))
	assert.EqualValues(t, 100, percentile(ds, 1))
	assert.EqualValues(t, 1, percentile(ds, 0))
	assert.EqualValues(t, 7, percentile([]time.Duration{7}, 0.99))
	assert.Zero(t, percentile(nil, 0.5))
}

func TestShareAndMean(t *testing.T) {
	ds := []time.Duration{1, 2, 3, 10}
	assert.Equal(t, 0.25, share(ds, 3), "the limit itself is not above")
	assert.Equal(t, 4.0, mean(ds))
	assert.Zero(t, share(nil, 1))
	assert.Zero(t, mean(nil))
}

func TestRound(t *testing.T) {
	assert.Equal(t, 0.12, round(0.1249, 2))
	assert.Equal(t, 0.0, round(0.0003, 2))
	assert.Equal(t, 13.0, round(12.6, 0))
}
