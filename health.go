package tiercache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Status is how well something does its work.
type Status uint8

// The states of health, from best to worst. Off is that of a tier that is not configured.
const (
	Off Status = iota
	Healthy
	Degraded // answers, but not as it should
	Down
)

// String returns "off", "healthy", "degraded" or "down".
func (s Status) String() string {
	return [...]string{"off", "healthy", "degraded", "down"}[min(s, Down)]
}

// Health is what Engine.Health found.
type Health struct {
	Status Status // Degraded while one of two tiers is down: calls are still answered
	L1, L2 TierHealth
}

// TierHealth is the health of one tier.
type TierHealth struct {
	Status  Status
	Latency time.Duration // of a set, a get and a delete together
	Reason  string        // why it is not healthy; never holds keys or values
}

// healthSpace cannot be the name of a cache's space: these begin with a letter or digit.
const healthSpace = "_health"

// Health makes a real round trip through each tier: it sets, gets and deletes a value of
// its own. It returns when ctx ends or the L2 budget is used up.
func (e *Engine) Health(ctx context.Context) Health {
	if !e.gate.enter() {
		closed := TierHealth{Status: Down, Reason: "the engine is closed"}
		return Health{Status: Down, L1: closed, L2: closed}
	}
	defer e.gate.leave()
	id := newID()
	k := tier.NewKey(healthSpace, fmt.Sprintf("%x", id[:]))
	h := Health{L1: e.probe(e.l1 != nil, func() error { return e.probeL1(k) })}
	h.L2 = e.probe(e.l2 != nil, func() error { return e.probeL2(ctx, k, id) })
	switch worst := max(h.L1.Status, h.L2.Status); {
	case worst < Down:
		h.Status = worst
	case h.L1.Status == Healthy || h.L2.Status == Healthy:
		h.Status = Degraded
	default:
		h.Status = Down
	}
	return h
}

func (e *Engine) probe(there bool, roundTrip func() error) TierHealth {
	if !there {
		return TierHealth{Status: Off}
	}
	begun := e.clock.precise()
	err := roundTrip()
	h := TierHealth{Status: Healthy, Latency: time.Duration(e.clock.precise() - begun)}
	if err != nil {
		h.Status, h.Reason = Down, err.Error()
	}
	return h
}

var errLost = errors.New("a value just set could not be read back")

func (e *Engine) probeL1(k tier.Key) error {
	e.l1.Set(&tier.Entry{Key: k, Size: 1, Expiry: e.clock.precise() + int64(time.Minute)})
	_, ok := e.l1.Get(k)
	e.l1.Delete(k)
	if !ok {
		return errLost
	}
	return nil
}

func (e *Engine) probeL2(ctx context.Context, k tier.Key, id tier.ID) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.L2Budget)
	defer cancel()
	frame := tier.AppendEnvelope(nil, &tier.Envelope{ID: id, Absent: true, KeyDigest: k.Digest()})
	if err := e.l2.Set(ctx, k, frame, time.Minute); err != nil {
		return err
	}
	got, err := e.l2.Get(ctx, k)
	if err != nil {
		return err
	}
	if string(got) != string(frame) {
		return errLost
	}
	return e.l2.Delete(ctx, k)
}
