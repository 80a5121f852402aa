package tiercache

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func TestJudge(t *testing.T) {
	const s = int64(time.Second)
	entry := tier.Entry{Created: 0, SoftExpiry: 100 * s, Expiry: 110 * s, Cost: time.Second}
	p := Policy{TTL: time.Minute, StaleFor: 10 * time.Second, Beta: 1}
	one := func() float64 { return 1 }
	for _, c := range []struct {
		name string
		now  int64
		draw func() float64
		mend func(*tier.Entry, *Policy)
		want verdict
	}{
		{name: "new", now: 0, want: fresh},
		{name: "far from the expiry nobody draws", now: 59 * s, want: fresh},
		{name: "near, the draw falls short", now: 98 * s, draw: one, want: fresh},
		{name: "near, the draw reaches", now: 99 * s, draw: one, want: early},
		{name: "near, a greater beta reaches farther", now: 98 * s, draw: one, mend: func(_ *tier.Entry, p *Policy) { p.Beta = 2 }, want: early},
		{name: "near, beta off", now: 100*s - 1, mend: func(_ *tier.Entry, p *Policy) { p.Beta = -1 }, want: fresh},
		{name: "near, cost unknown", now: 100*s - 1, mend: func(e *tier.Entry, _ *Policy) { e.Cost = 0 }, want: fresh},
		{name: "at the soft expiry", now: 100 * s, want: stale},
		{name: "at the end of the stale window", now: 110 * s, want: miss},
		{name: "no stale window", now: 100 * s, mend: func(_ *tier.Entry, p *Policy) { p.StaleFor = -1 }, want: miss},
		{name: "the handle's window is shorter than the entry's", now: 105 * s, mend: func(_ *tier.Entry, p *Policy) { p.StaleFor = 5 * time.Second }, want: miss},
		{name: "absent entries are not fallen back on", now: 100 * s, mend: func(e *tier.Entry, _ *Policy) { e.Absent = true }, want: miss},
		{name: "past what L1 may serve", now: 50 * s, mend: func(e *tier.Entry, _ *Policy) { e.Expiry = 50 * s }, want: miss},
		{name: "a compute dearer than the lifetime draws in its second half only", now: 49 * s, mend: func(e *tier.Entry, _ *Policy) { e.Cost = 1000 * time.Second }, want: fresh},
		{name: "and there it does", now: 51 * s, draw: one, mend: func(e *tier.Entry, _ *Policy) { e.Cost = 1000 * time.Second }, want: early},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, p := entry, p
			if c.mend != nil {
				c.mend(&e, &p)
			}
			draw := c.draw
			if draw == nil {
				draw = func() float64 { t.Error("drew"); return 0 }
			}
			assert.Equal(t, c.want, p.settle().judge(&e, c.now, draw))
		})
	}
}

// xfetch simulates one expiry of a key under Poisson reads of rate lambda: it returns how
// long before the expiry the first reader started a compute, and how many readers started
// one before the first of them landed. A compute that starts at or after the expiry, because
// no reader drew early, has a negative earliness.
func xfetch(r *rules, rng *rand.Rand, lambda float64, cost time.Duration) (earliness time.Duration, stampede int) {
	e := &tier.Entry{SoftExpiry: int64(1000 * time.Hour), Expiry: math.MaxInt64, Cost: cost}
	// A start this far ahead happens once in e^12 rounds: reads before cannot matter.
	now := e.SoftExpiry - int64(r.Beta*float64(cost)*(math.Log(1+lambda*cost.Seconds()*r.Beta)+12))
	lands := int64(math.MaxInt64)
	for now < lands {
		now += int64(rng.ExpFloat64() / lambda * float64(time.Second))
		if now >= lands {
			break
		}
		v := miss
		if now < e.SoftExpiry {
			v = r.judge(e, now, rng.ExpFloat64)
		}
		if v != early && v != miss {
			continue
		}
		if stampede == 0 {
			earliness = time.Duration(e.SoftExpiry - now)
			lands = now + int64(cost)
		}
		stampede++
	}
	return earliness, stampede
}

// The three formulas of XFetch, for λβΔ well above 1 (the third for any):
// E[stampede] = e^(1/β), E[earliness] = βΔ(ln(λβΔ)+γ), P(early) = 1-e^(-λβΔ).
func TestXFetchFollowsItsTheory(t *testing.T) {
	for _, c := range []struct {
		beta, lambdaDelta float64
		rounds            int
	}{
		{0.5, 1000, 1500}, {1, 1000, 800}, {2, 300, 800},
	} {
		rng := rand.New(rand.NewPCG(1, uint64(c.lambdaDelta)))
		r := Policy{TTL: time.Hour, Beta: c.beta}.settle()
		var early, size float64
		for range c.rounds {
			e, s := xfetch(r, rng, c.lambdaDelta, time.Second)
			early += e.Seconds() / float64(c.rounds)
			size += float64(s) / float64(c.rounds)
		}
		wantSize := math.Exp(1 / c.beta)
		wantEarly := c.beta * (math.Log(c.lambdaDelta*c.beta) + 0.5772)
		t.Logf("β=%v λΔ=%v: stampede %.3f (theory %.3f), earliness %.3f Δ (theory %.3f)", c.beta, c.lambdaDelta, size, wantSize, early, wantEarly)
		require.InEpsilon(t, wantSize, size, 0.05)
		require.InEpsilon(t, wantEarly, early, 0.05)
	}
}

func TestXFetchProbabilityOfBeingEarly(t *testing.T) {
	const rounds = 40_000
	for _, lambdaDelta := range []float64{0.1, 0.5, 1, 3} {
		for _, beta := range []float64{0.5, 1, 2} {
			rng := rand.New(rand.NewPCG(2, uint64(lambdaDelta*10)))
			r := Policy{TTL: time.Hour, Beta: beta}.settle()
			var hits float64
			for range rounds {
				if e, _ := xfetch(r, rng, lambdaDelta, time.Second); e > 0 {
					hits++
				}
			}
			want := 1 - math.Exp(-lambdaDelta*beta)
			require.InEpsilon(t, want, hits/rounds, 0.05, "β=%v λΔ=%v", beta, lambdaDelta)
		}
	}
}

func TestJitterOnlyShortens(t *testing.T) {
	require.Equal(t, time.Minute, jittered(time.Minute, 0.1, 0))
	require.Equal(t, 54*time.Second, jittered(time.Minute, 0.1, 1))
	require.Equal(t, time.Minute, jittered(time.Minute, 0, 1))
}

func TestPauseDoublesUpTo32Times(t *testing.T) {
	r := Policy{TTL: 1, Backoff: time.Second}.settle()
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 6: 32, 7: 32, 1000: 32} {
		require.Equal(t, time.Duration(want)*time.Second, r.pause(n))
	}
}
