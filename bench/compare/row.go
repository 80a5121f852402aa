package main

import (
	"cmp"
	"slices"
	"time"
)

// sample is one measurement of one case.
type sample struct {
	ns, allocs, bytes float64
	ratio             float64         // to the baseline measured beside it; 0 if none was
	latencies         []time.Duration // of single calls; empty where calls are too short to time
	herd              *herd           // only in the stampede suite
}

// herd is what happened behind the callers.
type herd struct {
	computes float64  // of one key, per expiry
	failed   float64  // callers that got an error though their own context was fine
	blocked  *float64 // share of calls that waited for a compute; nil where all must
}

// row is a printed result: medians of all samples. Its JSON form is what scripts read.
type row struct {
	Suite  string  `json:"suite"`
	Case   string  `json:"case"`
	System string  `json:"system"`
	NS     float64 `json:"ns"`
	Ratio  float64 `json:"ratio"` // to the case's baseline
	Allocs float64 `json:"allocs"`
	Bytes  float64 `json:"bytes"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Spread float64 `json:"spread"`
	N      int     `json:"n"` // samples

	// Quartiles of Ratio where it was measured in pairs. Those of the baseline, which is
	// compared with a second copy of itself, show the noise.
	RatioLow  *float64 `json:"ratio_low,omitempty"`
	RatioHigh *float64 `json:"ratio_high,omitempty"`

	// Percentiles of single calls, in ns, over all samples together.
	P50 *float64 `json:"p50,omitempty"`
	P99 *float64 `json:"p99,omitempty"`

	Computes *float64 `json:"computes,omitempty"`
	Blocked  *float64 `json:"blocked,omitempty"`
	Failed   *float64 `json:"failed,omitempty"`
}

// summarize makes the rows of a group, case by case, the best ratio first.
func summarize(suite string, g group, all samples) []row {
	var rows []row
	for _, name := range g.cases {
		first := len(rows)
		for _, y := range g.systems {
			if got := all[[2]string{name, y.name}]; len(got) > 0 {
				rows = append(rows, newRow(suite, name, y.name, got))
			}
		}
		rank(rows[first:], g.baseline)
	}
	return rows
}

func newRow(suite, name, system string, got []sample) row {
	ns := column(got, func(s sample) float64 { return s.ns })
	r := row{
		Suite: suite, Case: name, System: system,
		NS:     round(median(ns), 1),
		Allocs: round(median(column(got, func(s sample) float64 { return s.allocs })), 2),
		Bytes:  round(median(column(got, func(s sample) float64 { return s.bytes })), 0),
		Min:    round(slices.Min(ns), 1),
		Max:    round(slices.Max(ns), 1),
		Spread: round(spread(ns), 3),
		N:      len(got),
	}
	if got[0].ratio > 0 {
		ratios := column(got, func(s sample) float64 { return s.ratio })
		r.Ratio = round(median(ratios), 4)
		r.RatioLow, r.RatioHigh = new(round(quantile(ratios, 0.25), 4)), new(round(quantile(ratios, 0.75), 4))
	}
	var lat []time.Duration
	for _, s := range got {
		lat = append(lat, s.latencies...)
	}
	if slices.Sort(lat); len(lat) > 0 {
		r.P50 = new(float64(percentile(lat, 0.50)))
		r.P99 = new(float64(percentile(lat, 0.99)))
	}
	if got[0].herd != nil {
		r.Computes = new(round(median(column(got, func(s sample) float64 { return s.herd.computes })), 2))
		r.Failed = new(round(median(column(got, func(s sample) float64 { return s.herd.failed })), 1))
		if got[0].herd.blocked != nil {
			r.Blocked = new(round(median(column(got, func(s sample) float64 { return *s.herd.blocked })), 5))
		}
	}
	return r
}

// rank fills in the ratios of one case that were not measured in pairs, and sorts.
func rank(rows []row, baseline string) {
	base := slices.IndexFunc(rows, func(r row) bool { return r.System == baseline })
	if base < 0 {
		return
	}
	unit := rows[base].NS
	rows[base].Ratio = 1 // by definition, whatever its pairs say
	for i := range rows {
		if r := &rows[i]; r.Ratio == 0 && unit > 0 {
			r.Ratio = round(r.NS/unit, 4)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.Ratio, b.Ratio) })
}

func column(got []sample, of func(sample) float64) []float64 {
	vs := make([]float64, len(got))
	for i, s := range got {
		vs[i] = of(s)
	}
	return vs
}
