package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// target is a system that has been set up: filled, and ready to be asked for item i.
type target struct {
	op    opFunc
	close func()
}

// setupFunc makes a target. It must have stored the value of every item.
type setupFunc func(context.Context, *env) (target, error)

// timed describes cases that measure how long an operation takes when it hits.
//
// A machine that does other things too makes everything slower for seconds at a time. So
// a turn measures the system and a baseline of its own in short slices, one after the
// other, and a ratio compares neighbours only.
type timed struct {
	base   setupFunc // the baseline
	loads  []load
	items  int      // item numbers are below it
	seq    []uint32 // the order in which they are asked for
	pairs  int      // slices of the system in a turn, each between two of the baseline
	inProc bool     // no I/O: allocations can be counted exactly
}

// system makes a system from its setup.
func (t timed) system(name string, setup setupFunc) system {
	return system{name: name, turn: func(ctx context.Context, e *env) (_ map[string][]sample, err error) {
		if e.store != nil {
			defer func() { err = errors.Join(err, e.store.purge(context.WithoutCancel(ctx))) }()
		}
		base, err := t.ready(ctx, e, t.base)
		if base.close != nil {
			defer base.close()
		}
		if err != nil {
			return nil, fmt.Errorf("baseline: %w", err)
		}
		own, err := t.ready(ctx, e, setup)
		if own.close != nil {
			defer own.close()
		}
		if err != nil {
			return nil, err
		}
		computes := e.source.computes.Load()
		got := map[string][]sample{}
		for _, l := range t.loads {
			if got[l.name], err = t.compare(e.turn, l, own.op, base.op); err != nil {
				return nil, err
			}
		}
		if err := t.exactAllocs(e, own.op, got); err != nil {
			return nil, err
		}
		if n := e.source.computes.Load() - computes; n > 0 {
			return nil, fmt.Errorf("%w: %d", errMisses, n)
		}
		return got, nil
	}}
}

// ready sets a system up and asks for every item once: all must hit, and connections and
// the caches of the CPU are warm afterwards.
func (t timed) ready(ctx context.Context, e *env, setup setupFunc) (target, error) {
	y, err := setup(ctx, e)
	if err != nil {
		return y, err
	}
	computes := e.source.computes.Load()
	for i := range t.items {
		if err := y.op(i); err != nil {
			return y, fmt.Errorf("item %d: %w", i, err)
		}
	}
	if n := e.source.computes.Load() - computes; n > 0 {
		return y, fmt.Errorf("%w: %d of %d items", errMisses, n, t.items)
	}
	return y, nil
}

// compare measures slices of own between slices of base.
func (t timed) compare(turn time.Duration, l load, own, base opFunc) ([]sample, error) {
	slice := turn / time.Duration(t.pairs)
	// Counted anew in every turn: a count found in a bad moment must not stay.
	baseOps, err := l.calibrate(base, t.seq, slice)
	if err != nil {
		return nil, err
	}
	ops, err := l.calibrate(own, t.seq, slice)
	if err != nil {
		return nil, err
	}
	before, err := l.loop(base, t.seq, baseOps)
	if err != nil {
		return nil, err
	}
	got := make([]sample, t.pairs)
	for i := range got {
		if got[i], err = l.loop(own, t.seq, ops); err != nil {
			return nil, err
		}
		after, err := l.loop(base, t.seq, baseOps)
		if err != nil {
			return nil, err
		}
		got[i].ratio = got[i].ns / ((before.ns + after.ns) / 2)
		before = after
	}
	return got, nil
}

// exactAllocs replaces what was counted beside the clock, where nothing but the operation
// itself allocates.
func (t timed) exactAllocs(e *env, op opFunc, got map[string][]sample) error {
	if !t.inProc {
		return nil
	}
	allocs, bytes, err := countAllocs(op, t.seq, e.turn/4)
	for _, of := range got {
		for i := range of {
			of[i].allocs, of[i].bytes = allocs, bytes
		}
	}
	return err
}

// fill asks for every item until a whole pass needs no compute: a lossy cache drops some
// of what is stored in a hurry.
func (e *env) fill(items, workers int, op opFunc) error {
	const passes = 20
	for range passes {
		before := e.source.computes.Load()
		var g errgroup.Group
		for w := range workers {
			g.Go(func() error {
				for i := w; i < items; i += workers {
					if err := op(i); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if e.source.computes.Load() == before {
			return nil
		}
	}
	return fmt.Errorf("values are still missing after %d passes", passes)
}
