package l1

import (
	"math"
	"runtime"
	"sync/atomic"
	"unsafe"
)

const (
	laneBits  = 6
	laneCount = 1 << laneBits // enough that readers seldom share one
)

// gate counts the readers inside ristretto, so that Close can wait until there are none.
// One shared count would be written by every core on every hit; the lanes spread it.
type gate struct {
	lanes [laneCount]lane
}

// lane is one of the counts, alone on its cache lines: 128 bytes, because processors fetch
// lines in pairs.
type lane struct {
	inside atomic.Int64 // readers inside; math.MinInt64 is added when the gate shuts
	_      [120]byte
}

// lane picks the lane of the calling goroutine by the address of its stack. Goroutines that
// run at the same time have different stacks, and one goroutine keeps hitting the same
// line. A random pick costs more and moves lines between cores; a pick by key puts all
// readers of a hot key on one line.
func (g *gate) lane() *lane {
	var here byte
	address := uint64(uintptr(unsafe.Pointer(&here)))
	// Stacks are at least 2 KiB, so the bits below tell calls apart and not goroutines.
	return &g.lanes[address>>11*0x9e3779b97f4a7c15>>(64-laneBits)]
}

// enter reports whether the caller may go in. It must call leave in either case.
func (l *lane) enter() bool { return l.inside.Add(1) > 0 }

func (l *lane) leave() { l.inside.Add(-1) }

// shut turns new readers away and returns when those inside have left. It is called once.
//
// A flag alone does not do:
//
//  1. A reader finds the flag down.
//  2. Close raises it and closes ristretto, and with it the channel for read counts.
//  3. The reader goes on into ristretto and sends on that channel: panic.
//
// Here the reader's one addition both counts it and tells it whether the gate is shut, so
// either shut sees the reader and waits, or the reader sees the shut gate.
func (g *gate) shut() {
	for i := range g.lanes {
		g.lanes[i].inside.Add(math.MinInt64)
	}
	for i := range g.lanes {
		// Readers do not block, so this is a matter of microseconds. Those who are being
		// turned away make the count flicker, but cannot keep it up.
		for g.lanes[i].inside.Load() != math.MinInt64 {
			runtime.Gosched()
		}
	}
}
