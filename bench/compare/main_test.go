package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestList(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-list", "-suite", "l1hit,batch", "-systems", "OTTER"}, &out, io.Discard))
	assert.Contains(t, out.String(), "l1hit\n")
	assert.Contains(t, out.String(), "    ristretto.Get  (baseline)\n", "a filter leaves the baseline")
	assert.Contains(t, out.String(), "    otter.Get\n")
	assert.NotContains(t, out.String(), "sturdyc")
	assert.NotContains(t, out.String(), "l2hit")
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-suite", "nonsense"}, {"-suite", "stampede,nonsense"}, {"-suite", ""}, {"-rounds", "-1"}, {"-nonsense"}, {"more"},
	} {
		assert.Error(t, run(context.Background(), args, io.Discard, io.Discard), "%q", args)
	}
}

func TestBaselinesAndNames(t *testing.T) {
	baselines := map[string]string{"l1hit": "ristretto.Get", "l2hit": "goredis.GET"}
	all, err := choose(tiny(), "all", nil)
	require.NoError(t, err)
	assert.Len(t, all, len(suites))
	for i, s := range all {
		assert.Equal(t, suites[i].name, s.name)
		for _, g := range s.groups {
			var names []string
			for _, y := range g.systems {
				names = append(names, y.name)
			}
			assert.Contains(t, names, g.baseline)
			if want, ok := baselines[s.name]; ok {
				assert.Equal(t, want, g.baseline)
			}
			assert.True(t, slices.ContainsFunc(names, func(n string) bool { return wanted(n, []string{"tiercache"}) }), s.name)
			slices.Sort(names)
			assert.Equal(t, slices.Compact(slices.Clone(names)), names, "no name twice")
		}
	}
}

func TestOrder(t *testing.T) {
	assert.Equal(t, order(1, 0, 9), order(1, 0, 9), "same seed, same order")
	assert.NotEqual(t, order(1, 0, 9), order(1, 1, 9), "another one in the next round")
	assert.ElementsMatch(t, []int{0, 1, 2, 3}, order(1, 5, 4))
}
