package tiertest

import (
	"context"
	"time"

	"pgregory.net/rapid"
)

// tb is what a check needs of *testing.T. Checks do not take a *testing.T so that this
// package's tests can run them on broken tiers and see them fail.
type tb interface {
	rapid.TB
	Cleanup(f func())
	Context() context.Context
}

// check is one part of a suite.
type check[Open any] struct {
	name string
	run  func(t tb, open Open)
}

// A tier may work behind its calls, on goroutines and clocks that a check cannot see, so
// two things can only be polled for: that something comes about, and that it lasts.
const (
	pollEvery  = time.Millisecond
	pollFor    = 10 * time.Second
	settleTime = 25 * time.Millisecond
)

// eventually waits until ok reports true, and reports whether it did.
func eventually(ok func() bool) bool {
	pause := pollEvery
	for end := time.Now().Add(pollFor); time.Now().Before(end); time.Sleep(pause) {
		if ok() {
			return true
		}
		pause = min(2*pause, pollFor/100) // what takes long may be expensive to look at
	}
	return ok()
}

// lastingly reports whether ok stays true for a while.
func lastingly(ok func() bool) bool {
	for end := time.Now().Add(settleTime); time.Now().Before(end); time.Sleep(pollEvery) {
		if !ok() {
			return false
		}
	}
	return ok()
}
