package tiercache

import (
	"context"
	"sync"
)

// gate counts the work going on inside an engine and closes it to new work.
type gate struct {
	mu struct {
		sync.Mutex
		closed bool
		inside int
		empty  chan struct{} // closed when the gate is closed and nobody is inside
	}
}

func newGate() *gate {
	g := &gate{}
	g.mu.empty = make(chan struct{})
	return g
}

// enter reports whether work may begin; if so, leave must follow.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.mu.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.inside--
	if g.mu.closed && g.mu.inside == 0 {
		close(g.mu.empty)
	}
}

// close refuses new work. It reports false if that was done before.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.mu.closed = true
	if g.mu.inside == 0 {
		close(g.mu.empty)
	}
	return true
}

// drain waits until nobody is inside or ctx ends, and returns how many are.
func (g *gate) drain(ctx context.Context) int {
	select {
	case <-g.mu.empty:
		return 0
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.inside
}
