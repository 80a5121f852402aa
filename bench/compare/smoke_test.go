package main

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tiny is enough to see that every system answers, and says nothing about its speed.
func tiny() config {
	return config{
		rounds: 1, turn: 2 * time.Millisecond, pairs: 2, pairsIO: 1,
		localKeys: 500, remoteKeys: 300, sequence: 5000, batches: 5, seed: 1,
		stampede: stampedeConfig{
			callers: 50, compute: 20 * time.Millisecond,
			ttl: time.Second, expiries: 1, steady: 4, interval: 10 * time.Millisecond, blocked: 10 * time.Millisecond,
		},
	}
}

func runTiny(t *testing.T, s suite) []row {
	t.Helper()
	e := &env{config: tiny(), progress: io.Discard}
	if s.redis {
		var err error
		e.store, err = openStore(context.Background(), "")
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, e.store.close()) })
	}
	rows, err := s.run(context.Background(), e)
	require.NoError(t, err)
	want := 0
	for _, g := range s.groups {
		want += len(g.cases) * len(g.systems)
	}
	assert.Len(t, rows, want, "a row for every system in every case")
	for _, r := range rows {
		assert.Positive(t, r.NS, r.System)
		assert.Positive(t, r.Ratio, r.System)
	}
	if e.store != nil {
		n, err := e.store.admin.DBSize(context.Background()).Result()
		require.NoError(t, err)
		assert.Zero(t, n, "nothing is left behind")
	}
	return rows
}

func TestL1Hit(t *testing.T) { runTiny(t, l1hit(tiny())) }
func TestL2Hit(t *testing.T) { runTiny(t, l2hit(tiny())) }
func TestBatch(t *testing.T) { runTiny(t, batch(tiny())) }

func TestStampede(t *testing.T) {
	s := stampede(tiny())
	s.groups[1].systems = keep(s.groups[1].systems, s.groups[1].baseline, oursGet)
	for _, r := range runTiny(t, s) {
		require.NotNil(t, r.Computes, r.System)
		if r.Case == "cold key" && r.System == oursGet {
			assert.Equal(t, 1.0, *r.Computes, "one compute for all callers")
			assert.Zero(t, *r.Failed)
		}
		if r.Case == "cold key" && r.System == s.groups[0].baseline {
			assert.Greater(t, *r.Computes, 1.0, "the herd is one")
		}
	}
}

// keep makes the slow case short.
func keep(all []system, names ...string) []system {
	var kept []system
	for _, y := range all {
		for _, n := range names {
			if y.name == n {
				kept = append(kept, y)
			}
		}
	}
	return kept
}

// A wrong value must fail the run: a fast system that returns garbage is not fast.
func TestWrongValueFails(t *testing.T) {
	good := func(context.Context, *env) (target, error) {
		return target{op: func(int) error { return nil }}, nil
	}
	for name, op := range map[string]func(*env) opFunc{
		"wrong value": func(*env) opFunc { return func(int) error { return errWrongValue } },
		"miss":        func(e *env) opFunc { return func(int) error { e.source.computes.Add(1); return nil } },
	} {
		t.Run(name, func(t *testing.T) {
			closed := 0
			bad := func(_ context.Context, e *env) (target, error) {
				return target{op: op(e), close: func() { closed++ }}, nil
			}
			td := timed{base: good, loads: []load{{name: "c", workers: 1, grain: 1}}, items: 3, seq: []uint32{0, 1, 2}, pairs: 1}
			s := suite{groups: []group{{cases: []string{"c"}, systems: []system{td.system("bad", bad)}}}}
			_, err := s.run(context.Background(), &env{config: tiny(), progress: io.Discard})
			assert.ErrorContains(t, err, "bad: ")
			assert.Positive(t, closed)
		})
	}
}
