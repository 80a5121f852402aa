package l2

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/tier"
)

// begin starts a call: it returns the context with the call's own deadline and what
// releases it. Everything the call does, however many commands, shares that deadline.
func (r *Remote) begin(ctx context.Context, op string) (context.Context, context.CancelFunc, error) {
	if r.closed.Load() {
		return nil, nil, fmt.Errorf("l2: %s: %w", op, tier.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("l2: %s: %w", op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.callTimeout)
	return ctx, cancel, nil
}

// process runs one command. After an error the command must not be looked at.
func (r *Remote) process(ctx context.Context, op string, cmd redis.Cmder) error {
	var err error
	if r.guard == nil {
		err = r.client.Process(ctx, cmd)
	} else {
		_, err = r.send(ctx, func(ctx context.Context) error { return r.client.Process(ctx, cmd) })
	}
	if err != nil {
		return r.fail(ctx, op, err)
	}
	return nil
}

// send calls f, which talks to the server. If left is true the deadline passed and f is
// still running: what it works on must not be touched.
func (r *Remote) send(ctx context.Context, f func(context.Context) error) (left bool, err error) {
	if r.guard == nil {
		return false, f(ctx)
	}
	return r.guard.run(ctx, f)
}

// guard lets callers leave at their deadline although the client does not: it may sit in a
// read for its own time-out, five seconds by default.
type guard struct {
	places chan struct{} // one element for each f that runs
}

func newGuard(limit int) *guard { return &guard{places: make(chan struct{}, limit)} }

// run calls f in a goroutine, which ends when f does. Without the bound on their number a
// hung server would collect one goroutine per call, for as long as its client waits.
func (g *guard) run(ctx context.Context, f func(context.Context) error) (left bool, err error) {
	select {
	case g.places <- struct{}{}:
	case <-ctx.Done():
		return false, errNoPlace
	}
	done := make(chan error, 1) // buffered: nobody may be there to receive
	go func() {
		defer func() { <-g.places }()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return false, err
	case <-ctx.Done():
		return true, ctx.Err()
	}
}
