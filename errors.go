package tiercache

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/tiercache/tiercache/tier"
)

// Answers that are not values. Miss, absent and failure are three different things.
var (
	// ErrMiss says that no tier holds the key. Only calls that never compute return it.
	ErrMiss = tier.ErrMiss

	// ErrNotFound says that the source has no such value. A compute returns it, wrapped or
	// as it is; the engine remembers it for Policy.AbsentTTL, and callers get it back.
	ErrNotFound = errors.New("tiercache: not found")
)

// Calls that could not be carried out.
var (
	// ErrClosed says that the engine has been closed.
	ErrClosed = tier.ErrClosed

	// ErrNotPropagated says that a write or an invalidation could not be confirmed by L2.
	// This process has forgotten the older value; L2 may still hold it, and other
	// processes may still see it. The error that L2 gave is wrapped beside it.
	ErrNotPropagated = errors.New("tiercache: not confirmed by L2")

	// ErrBadKey says that a key is empty or longer than Config.MaxKeyBytes.
	ErrBadKey = errors.New("tiercache: bad key")
)

// PanicError is what every caller of a flight gets when its compute panicked or left
// through runtime.Goexit. The next call computes again.
type PanicError struct {
	Value  any    // what was passed to panic; nil after Goexit
	Goexit bool   // the compute called runtime.Goexit instead of returning
	Stack  []byte // stack of the compute, from where it panicked; empty after Goexit
}

// Error names the value that was passed to panic. The stack is left to those who want it.
func (p *PanicError) Error() string {
	if p.Goexit {
		return "tiercache: compute called runtime.Goexit"
	}
	return fmt.Sprintf("tiercache: compute panicked: %v", p.Value)
}

// Unwrap returns the value passed to panic if it is an error, so that errors.Is finds, for
// example, http.ErrAbortHandler.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

func newPanicError(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

// notPropagated wraps the failure of an L2 write. It returns nil for nil.
func notPropagated(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotPropagated, err)
}
