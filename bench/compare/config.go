package main

import (
	"io"
	"time"
)

// config is how much a run measures. Tests make it tiny.
type config struct {
	rounds     int           // turns of every system
	turn       time.Duration // how long a turn measures a case
	pairs      int           // slices of it in the suites without I/O
	pairsIO    int           // and in those with I/O, where slices must be longer
	localKeys  int           // keys in L1
	remoteKeys int           // keys in Redis
	sequence   int           // length of the sequence in which they are asked for
	batches    int           // calls for many keys that are drawn
	seed       uint64
	stampede   stampedeConfig
}

// stampedeConfig shapes the herd.
type stampedeConfig struct {
	callers int           // callers of one cold key
	compute time.Duration // how long the source takes

	ttl      time.Duration // of the key under steady load; two rivals cannot go below 1 s
	expiries int           // how many TTLs the steady load lasts
	steady   int           // callers under steady load
	interval time.Duration // between two calls of one of them
	blocked  time.Duration // a call longer than this waited for a compute
}

func newConfig(o options) config {
	c := config{
		rounds:     7,
		turn:       200 * time.Millisecond,
		pairs:      5,
		pairsIO:    4,
		localKeys:  100_000,
		remoteKeys: 4096,
		sequence:   1 << 20, // long enough that a CPU does not learn it by heart
		batches:    256,
		seed:       o.seed,
		stampede: stampedeConfig{
			callers:  1000,
			compute:  50 * time.Millisecond,
			ttl:      time.Second,
			expiries: 5,
			steady:   40,
			interval: 10 * time.Millisecond,
			blocked:  25 * time.Millisecond,
		},
	}
	if o.short {
		c.rounds = 3
		c.turn = 80 * time.Millisecond
		c.pairs, c.pairsIO = 4, 2
		c.stampede.expiries = 2
	}
	if o.rounds > 0 {
		c.rounds = o.rounds
	}
	return c
}

// env is what a system gets to set itself up with.
type env struct {
	config
	store    *store // nil unless a chosen suite needs Redis
	source   source
	progress io.Writer
}
