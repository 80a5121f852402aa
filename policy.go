package tiercache

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Policy says how long values live and how they are renewed. A zero field inherits: from
// Config.Policy in NewCache, from the handle in Cache.With, and from the defaults named
// here in the end. A negative value switches a feature off where the field says so.
type Policy struct {
	// TTL is how long a value is fresh. There is no default: every cache needs one, from
	// here or from Config.Policy.
	TTL time.Duration

	// StaleFor is how long after TTL a value is kept to fall back on: a caller gets it when
	// the compute takes longer than SoftTimeout, or fails. Defaults to off.
	StaleFor time.Duration

	// AbsentTTL is how long "there is no such value" (ErrNotFound) is remembered.
	// Defaults to 30 s, or TTL if that is shorter. Negative: not remembered.
	AbsentTTL time.Duration

	// ErrorTTL is how long the error of a compute is given to further callers of the same
	// process without computing again, when there is nothing to fall back on.
	// Defaults to off.
	ErrorTTL time.Duration

	// L1TTL caps how long this process serves its own copy before it looks into L2 again.
	// It changes nothing about the freshness of the value. Defaults to off, that is, as
	// long as the value lives.
	L1TTL time.Duration

	// ComputeTimeout is the hard limit of a compute: its context ends, its callers get an
	// error (or the stale value), and the key is free for the next attempt even if the
	// compute does not return. A late result is dropped. Defaults to 30 s.
	ComputeTimeout time.Duration

	// SoftTimeout is how long a flight may take before its callers are answered with a
	// stale value, if there is one; the flight goes on. Callers that come later do not wait
	// anew. Defaults to 100 ms. Negative: wait for the flight, fall back only on its error.
	SoftTimeout time.Duration

	// Backoff is how long no new compute is tried after one failed while its callers were
	// given a stale value; it doubles with each further failure, up to 32 times.
	// Defaults to 1 s. Negative: try on every call.
	Backoff time.Duration

	// Beta is the eagerness of early refresh (XFetch): a value is computed anew before it
	// expires with a probability that rises with the cost of its compute and with Beta.
	// The mean number of computes that start before the first lands is e^(1/Beta), and
	// λ being the rate of reads and Δ the cost, they start about
	// Beta·Δ·(ln(λ·Beta·Δ)+0.58) before the expiry. Defaults to 1, the best trade by
	// Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention,
	// PVLDB 8(8), 2015. Negative: no early refresh.
	Beta float64

	// Jitter is the share of TTL by which lifetimes vary, so that values stored together do
	// not expire together: each lives between TTL·(1-Jitter) and TTL. At most 0.9.
	// Defaults to 0.1. Negative: none.
	Jitter float64
}

// Built-in defaults; zero means off.
const (
	defaultAbsentTTL      = 30 * time.Second
	defaultComputeTimeout = 30 * time.Second
	defaultSoftTimeout    = 100 * time.Millisecond
	defaultBackoff        = time.Second
	defaultBeta           = 1
	defaultJitter         = 0.1

	maxLifetime = 10 * 365 * 24 * time.Hour // so that sums of times cannot overflow
)

// over returns p with every zero field taken from base.
func (p Policy) over(base Policy) Policy {
	inherit := func(d *time.Duration, from time.Duration) {
		if *d == 0 {
			*d = from
		}
	}
	inherit(&p.TTL, base.TTL)
	inherit(&p.StaleFor, base.StaleFor)
	inherit(&p.AbsentTTL, base.AbsentTTL)
	inherit(&p.ErrorTTL, base.ErrorTTL)
	inherit(&p.L1TTL, base.L1TTL)
	inherit(&p.ComputeTimeout, base.ComputeTimeout)
	inherit(&p.SoftTimeout, base.SoftTimeout)
	inherit(&p.Backoff, base.Backoff)
	if p.Beta == 0 {
		p.Beta = base.Beta
	}
	if p.Jitter == 0 {
		p.Jitter = base.Jitter
	}
	return p
}

// validate names every field that makes no sense, each prefixed with where.
func (p Policy) validate(where string) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", where, field, fmt.Sprintf(format, args...)))
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"TTL", p.TTL}, {"StaleFor", p.StaleFor}, {"AbsentTTL", p.AbsentTTL}, {"ErrorTTL", p.ErrorTTL},
		{"L1TTL", p.L1TTL}, {"ComputeTimeout", p.ComputeTimeout}, {"SoftTimeout", p.SoftTimeout}, {"Backoff", p.Backoff},
	} {
		if f.d > maxLifetime {
			bad(f.name, "%v is over the limit of ten years", f.d)
		}
	}
	if p.TTL < 0 {
		bad("TTL", "%v is negative; every value needs a lifetime", p.TTL)
	}
	if p.ComputeTimeout < 0 {
		bad("ComputeTimeout", "%v is negative; a compute without a limit could hold its key for ever", p.ComputeTimeout)
	}
	if math.IsNaN(p.Beta) || p.Beta > 100 {
		bad("Beta", "%v is not between 0 and 100", p.Beta)
	}
	if math.IsNaN(p.Jitter) || p.Jitter > 0.9 {
		bad("Jitter", "%v is not between 0 and 0.9", p.Jitter)
	}
	return errors.Join(errs...)
}

// rules are a policy whose defaults are filled in: zero means off everywhere.
type rules struct {
	Policy

	earlyReach float64 // 40·Beta: further than this many costs from the expiry nobody draws
	bad        error   // what is wrong with the policy given to With: all calls return it
}

// settle fills in the defaults. The policy must be valid and have a TTL.
func (p Policy) settle() *rules {
	p = p.over(Policy{
		AbsentTTL:      min(defaultAbsentTTL, p.TTL),
		ComputeTimeout: defaultComputeTimeout,
		SoftTimeout:    defaultSoftTimeout,
		Backoff:        defaultBackoff,
		Beta:           defaultBeta,
		Jitter:         defaultJitter,
	})
	for _, d := range []*time.Duration{&p.StaleFor, &p.AbsentTTL, &p.ErrorTTL, &p.L1TTL, &p.SoftTimeout, &p.Backoff} {
		*d = max(*d, 0)
	}
	p.Beta, p.Jitter = max(p.Beta, 0), max(p.Jitter, 0)
	return &rules{Policy: p, earlyReach: reach * p.Beta}
}
