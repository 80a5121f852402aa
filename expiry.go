package tiercache

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Everything here is arithmetic on times in nanoseconds of one clock: what is given to a
// value to live, and what a reader makes of it. Now and chance are arguments.

// verdict is what a reader makes of an entry.
type verdict uint8

const (
	miss  verdict = iota // not to be used
	stale                // to fall back on
	early                // fresh, and this reader should start a refresh behind it
	fresh
)

// reach is how many times Beta·Δ before the expiry readers begin to draw. An exponential
// draw exceeds 40 once in 10^17: no reader that far away would start a refresh.
const reach = 40

// judge decides what the entry is worth at now. draw returns an exponentially distributed
// number of mean 1 and is called at most once, and only where it can matter.
func (r *rules) judge(e *tier.Entry, now int64, draw func() float64) verdict {
	if now >= e.Expiry {
		return miss
	}
	if now >= e.SoftExpiry {
		if now-e.SoftExpiry < int64(r.StaleFor) && !e.Absent {
			return stale
		}
		return miss
	}
	left := e.SoftExpiry - now
	if float64(left) > float64(e.Cost)*r.earlyReach {
		return fresh
	}
	return r.judgeNear(e, left, draw)
}

// judgeNear is XFetch: refresh if now + Δ·β·Exp(1) >= expiry, Δ being the cost of the last
// compute (PVLDB 8(8), 2015; −ln of a uniform number is exponentially distributed). Only
// the second half of a life takes part: where a compute costs more than its value lives,
// the formula alone would have every read refresh.
func (r *rules) judgeNear(e *tier.Entry, left int64, draw func() float64) verdict {
	if e.Cost <= 0 || left > (e.SoftExpiry-e.Created)/2 {
		return fresh
	}
	if float64(left) <= float64(e.Cost)*r.Beta*draw() {
		return early
	}
	return fresh
}

// drawExp is the draw of production: per-thread, unseeded, safe for concurrent use.
func drawExp() float64 { return rand.ExpFloat64() } //nolint:gosec // chance, not secrecy

// drawUniform returns a number in [0,1).
func drawUniform() float64 { return rand.Float64() } //nolint:gosec // chance, not secrecy

// jittered shortens ttl by up to its share of jitter; uniform is in [0,1).
func jittered(ttl time.Duration, jitter, uniform float64) time.Duration {
	return ttl - time.Duration(float64(ttl)*jitter*uniform)
}

// lifetime fills in the times of an entry that is fresh until soft and comes into L1 now.
func (r *rules) lifetime(e *tier.Entry, soft, now int64) {
	e.SoftExpiry = soft
	e.Expiry = soft + int64(r.lingers(e))
	e.Loaded = now
}

// lingers is how long an entry is kept after its TTL. "There is no such value" is never
// fallen back on: once it is not fresh it is worth nothing.
func (r *rules) lingers(e *tier.Entry) time.Duration {
	if e.Absent {
		return 0
	}
	return r.StaleFor
}

// pause is how long to wait after the nth failure in a row.
func (r *rules) pause(n int) time.Duration {
	return r.Backoff << min(max(n-1, 0), 5)
}

// toMillis and fromMillis convert between the engine's times and those of an envelope.
func toMillis(nano int64) int64 { return nano / int64(time.Millisecond) }

func fromMillis(ms int64) int64 { return ms * int64(time.Millisecond) }

// toCostMicros saturates: a cost of more than 71 minutes is stored as 71 minutes.
func toCostMicros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}
