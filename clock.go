package tiercache

import (
	"sync/atomic"
	"time"
)

// clock is the engine's time: nanoseconds since 1970 as the host saw it when the engine
// started, advancing monotonically from there, so that a step of the host's clock moves no
// expiry. Reading the real clock costs as much as the rest of a hit, so hits read a value
// that a goroutine writes every millisecond, while somebody reads it: without readers the
// goroutine sleeps, and an idle engine uses no processor time.
type clock struct {
	base     time.Time
	baseNano int64

	// tick is the coarse time. Its lowest bit tells whether anybody has read it: readers
	// set it once per tick, so that the word stays shared between cores. Zero means that
	// the goroutine sleeps.
	tick atomic.Int64
	wake chan struct{}
}

const (
	tickEvery  = time.Millisecond
	ticksToNap = 100 // ticks without a reader before the goroutine sleeps
)

func newClock() *clock {
	now := time.Now()
	return &clock{base: now, baseNano: now.UnixNano(), wake: make(chan struct{}, 1)}
}

// precise reads the real clock.
func (c *clock) precise() int64 { return c.baseNano + int64(time.Since(c.base)) }

// coarse returns a time at most a tick old, as far as the scheduler lets the goroutine run.
func (c *clock) coarse() int64 {
	t := c.tick.Load()
	if t&1 == 0 {
		return c.noteReader(t)
	}
	return t
}

func (c *clock) noteReader(t int64) int64 {
	if t != 0 {
		c.tick.CompareAndSwap(t, t|1) // lost to the next tick or another reader: as good
		return t
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return c.precise()
}

// run keeps the coarse time until stop is closed. The engine owns it.
func (c *clock) run(stop <-chan struct{}) {
	defer c.tick.Store(0)
	for {
		select {
		case <-c.wake:
		case <-stop:
			return
		}
		if !c.runAwake(stop) {
			return
		}
	}
}

// runAwake ticks until nobody has read for a while; it returns false when stop is closed.
func (c *clock) runAwake(stop <-chan struct{}) bool {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for idle := 0; ; {
		old := c.tick.Load()
		idle++
		if old&1 == 1 || old == 0 {
			idle = 0
		}
		// A reader may mark the old tick between the load and the swap; then the swap to
		// zero fails and the clock stays awake, or the swap to the new tick fails and is
		// repeated a tick later, which a reader cannot tell from a late goroutine.
		next := c.precise() &^ 1
		if idle >= ticksToNap {
			next = 0
		}
		if c.tick.CompareAndSwap(old, next) && next == 0 {
			return true
		}
		select {
		case <-ticker.C:
		case <-stop:
			return false
		}
	}
}
