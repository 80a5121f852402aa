package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func twoSystems() group {
	return group{
		about:    "about",
		cases:    []string{"one"},
		baseline: "base",
		systems:  []system{{name: "base"}, {name: "fast"}, {name: "never ran"}},
	}
}

func TestSummarizePairs(t *testing.T) {
	rows := summarize("s", twoSystems(), samples{
		{"one", "base"}: {{ns: 100, ratio: 0.9}, {ns: 140, ratio: 1.3}, {ns: 120, ratio: 1.1}},
		{"one", "fast"}: {{ns: 90, ratio: 0.4, allocs: 1}, {ns: 70, ratio: 0.6, allocs: 1}, {ns: 50, ratio: 0.5, allocs: 1.004}},
	})
	require.Len(t, rows, 2)
	fast, base := rows[0], rows[1]

	assert.Equal(t, "fast", fast.System, "the best ratio comes first")
	assert.Equal(t, 70.0, fast.NS)
	assert.Equal(t, 50.0, fast.Min)
	assert.Equal(t, 90.0, fast.Max)
	assert.Equal(t, 1.0, fast.Allocs)
	assert.Equal(t, 3, fast.N)
	assert.Equal(t, 0.5, fast.Ratio, "the median of the pairs, not the quotient of medians")
	assert.Equal(t, 0.45, *fast.RatioLow)
	assert.Equal(t, 0.55, *fast.RatioHigh)

	assert.Equal(t, 1.0, base.Ratio, "by definition")
	assert.Equal(t, 1.0, *base.RatioLow, "while its pairs show the noise")
	assert.Equal(t, 1.2, *base.RatioHigh)
	assert.Nil(t, base.P99)
	assert.Nil(t, base.Computes)
}

func TestSummarizeWithoutPairs(t *testing.T) {
	rows := summarize("s", twoSystems(), samples{
		{"one", "base"}: {{ns: 200, latencies: []time.Duration{3, 1, 2}, herd: &herd{computes: 40, failed: 2}}},
		{"one", "fast"}: {{ns: 50, herd: &herd{computes: 1, blocked: new(0.25)}}},
	})
	require.Len(t, rows, 2)
	assert.Equal(t, 0.25, rows[0].Ratio)
	assert.Equal(t, 0.25, *rows[0].Blocked)
	assert.Equal(t, 1.0, rows[1].Ratio)
	assert.Equal(t, 2.0, *rows[1].P50)
	assert.Equal(t, 3.0, *rows[1].P99)
	assert.Equal(t, 40.0, *rows[1].Computes)
	assert.Equal(t, 2.0, *rows[1].Failed)
	assert.Nil(t, rows[1].Blocked)
}

func TestJSONShape(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, []row{{Suite: "l1hit", Case: "1 core", System: "a <b>"}, {System: "c"}}))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &got))
	assert.Equal(t, map[string]any{
		"suite": "l1hit", "case": "1 core", "system": "a <b>",
		"ns": 0.0, "ratio": 0.0, "allocs": 0.0, "bytes": 0.0,
		"min": 0.0, "max": 0.0, "spread": 0.0, "n": 0.0,
	}, got, "a hit without allocations says so instead of leaving the field out")
}

func TestTable(t *testing.T) {
	rows := []row{
		{System: "short", Case: "one", NS: 12.34, Ratio: 0.5, Allocs: 0, Bytes: 0, Spread: 0.1, N: 3, P99: new(1.5e6)},
		{System: "a longer name", Case: "one", NS: 24_680, Ratio: 1, Allocs: 1.5, Bytes: 64, Spread: 1, N: 3},
	}
	var b strings.Builder
	require.NoError(t, writeTables(&b, suite{name: "s", groups: []group{twoSystems()}}, rows))
	assert.Equal(t, `
s: one
about; ratio to base

system         ratio     time  spread  allocs  bytes     p99
short           0.50   12.3ns     10%       0      0  1.50ms
a longer name   1.00  24.68µs    100%    1.50     64       -
`, b.String())
}
