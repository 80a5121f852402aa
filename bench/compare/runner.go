package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
)

// samples holds what was measured, by case and system.
type samples map[[2]string][]sample

// run gives every system its turn, round by round. The machine drifts while a run lasts:
// with turns spread over the whole run, the drift hits all systems alike.
func (s suite) run(ctx context.Context, e *env) ([]row, error) {
	const clear = "\r\x1b[K"
	defer fmt.Fprint(e.progress, clear)
	var rows []row
	for _, g := range s.groups {
		all := samples{}
		rounds := e.rounds
		if g.maxRounds > 0 {
			rounds = min(rounds, g.maxRounds)
		}
		for round := range rounds {
			for _, i := range order(e.seed, round, len(g.systems)) {
				y := g.systems[i]
				fmt.Fprintf(e.progress, clear+"%s %v, round %d of %d: %s", s.name, g.cases, round+1, rounds, y.name)
				if err := y.takeTurn(ctx, e, all); err != nil {
					return nil, fmt.Errorf("%s: %w", y.name, err)
				}
			}
		}
		rows = append(rows, summarize(s.name, g, all)...)
	}
	return rows, nil
}

const maxAttempts = 5

func (y system) takeTurn(ctx context.Context, e *env, all samples) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// On a machine out of breath a cache may take Redis for dead and compute. Such a turn
	// does not count and is repeated, but not for ever.
	var got map[string][]sample
	for attempt := 1; ; attempt++ {
		runtime.GC() // nobody pays for the garbage of the one before
		var err error
		if got, err = y.turn(ctx, e); err == nil {
			break
		}
		if attempt == maxAttempts || !errors.Is(err, errMisses) {
			return err
		}
	}
	for name, more := range got {
		id := [2]string{name, y.name}
		all[id] = append(all[id], more...)
	}
	return nil
}

// order is a different order of turns in every round, and the same for the same seed:
// whoever always came after the same neighbour would inherit what it does to caches,
// clocks and memory.
func order(seed uint64, round, n int) []int {
	return rand.New(rand.NewPCG(seed, uint64(round))).Perm(n)
}
