package main

import (
	"math"
	"slices"
	"time"
)

// median returns the middle of vs, or the mean of the two middle ones; NaN if there is none.
func median(vs []float64) float64 { return quantile(vs, 0.5) }

// quantile returns the value below which the share q of vs lies, interpolated between the
// two nearest; NaN if there is none.
func quantile(vs []float64, q float64) float64 {
	if len(vs) == 0 {
		return math.NaN()
	}
	vs = slices.Sorted(slices.Values(vs))
	at := q * float64(len(vs)-1)
	low := int(at)
	high := min(low+1, len(vs)-1)
	return vs[low] + (at-float64(low))*(vs[high]-vs[low])
}

// spread returns how far samples lie apart: the distance of the quartiles over the median.
// The extremes would say more about the machine's worst moment than about the system.
func spread(vs []float64) float64 {
	m := median(vs)
	if len(vs) == 0 || m == 0 {
		return 0
	}
	return (quantile(vs, 0.75) - quantile(vs, 0.25)) / m
}

// percentile returns the smallest duration that at least the share p of sorted does not
// exceed (nearest rank).
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// share returns the share of ds above limit.
func share(ds []time.Duration, limit time.Duration) float64 {
	if len(ds) == 0 {
		return 0
	}
	above := 0
	for _, d := range ds {
		if d > limit {
			above++
		}
	}
	return float64(above) / float64(len(ds))
}

func mean(ds []time.Duration) float64 {
	if len(ds) == 0 {
		return 0
	}
	sum := 0.0
	for _, d := range ds {
		sum += float64(d)
	}
	return sum / float64(len(ds))
}

// round cuts v to a number of decimals, so that printed rows do not pretend to more.
func round(v float64, decimals int) float64 {
	p := math.Pow(10, float64(decimals))
	return math.Round(v*p) / p
}
