package tiercache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// compute has the caller's function compute the value of one flight.
func (e *Engine) compute(ctx context.Context, f *flight, j *job) (any, time.Duration, error) {
	value, cost, err := underLimit(ctx, e, j, []*flight{f}, func(ctx context.Context) (any, error) {
		return j.compute(ctx, f.key, f.old.Load())
	})
	e.observer.compute(f.key, cost, j.early, err)
	return value, cost, err
}

// underLimit calls the user's function under its hard limit and the engine's end. At the
// limit the flights are landed whatever the function does; it may return late, or never,
// and then only its goroutine is lost, not its keys.
func underLimit[T any](ctx context.Context, e *Engine, j *job, flights []*flight, fn func(context.Context) (T, error)) (v T, cost time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.dying, func() { cancel(ErrClosed) })() //nolint:contextcheck // the engine's end, not a request's
	limit := j.rules.ComputeTimeout
	ctx, cancelLimit := context.WithTimeoutCause(ctx, limit, fmt.Errorf("tiercache: compute exceeded Policy.ComputeTimeout (%v): %w", limit, context.DeadlineExceeded))
	defer cancelLimit()
	n := uint64(len(flights))
	j.space.countBegun(j, n)
	landed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(landed)
		j.space.add(cComputeErrors, n)
		for _, f := range flights {
			e.landFailed(f, j, context.Cause(ctx), true)
		}
	})
	begun := e.clock.precise()
	// Runs before the cancels above, which would trigger it. If it is running already, it
	// is waited for: it must not touch an engine that has been closed meanwhile.
	defer func() {
		cost = time.Duration(e.clock.precise() - begun)
		if stop() {
			j.space.countEnded(n, cost, err)
			return
		}
		<-landed
		if err == nil {
			err = context.Cause(ctx) // it is too late for what the function returned
		}
	}()
	v, err = protect(func() (T, error) { return fn(ctx) })
	e.logPanic(j.space.Name(), err)
	return v, cost, err
}

func (s *space) countBegun(j *job, n uint64) {
	s.add(cComputes, n)
	if j.early {
		s.add(cEarlyRefreshes, n)
	}
}

// countEnded counts computes that ended within their limit. After Goexit err is nil and
// the function has not returned: landAbandoned counts that.
func (s *space) countEnded(n uint64, cost time.Duration, err error) {
	if err != nil && !isAbsent(err) {
		s.add(cComputeErrors, n)
		return
	}
	s.add(cComputeTime, uint64(max(cost, 0)))
}

// isAbsent tells "there is no such value" from a panic with an error that says so.
func isAbsent(err error) bool {
	_, panicked := errors.AsType[*PanicError](err)
	return !panicked && errors.Is(err, ErrNotFound)
}

// protect turns a panic of the user's code into an error. It cannot stop runtime.Goexit:
// that ends the goroutine, and landAbandoned answers the callers.
func protect[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = newPanicError(p)
		}
	}()
	return f()
}

// logPanic leaves a trace of a panic with its stack: in a refresh behind, no caller gets it.
func (e *Engine) logPanic(space string, err error) {
	if p, ok := errors.AsType[*PanicError](err); ok {
		e.cfg.Logger.Error("tiercache: a compute panicked", "space", space, "stack", string(p.Stack))
	}
}

// prepared is a computed or set value with all that storing it needs.
type prepared struct {
	entry   *tier.Entry
	raw     []byte        // the encoded value, if encoded
	hardTTL time.Duration // how long L2 is to keep it
	store   bool          // false: for the callers only
	encoded bool          // raw may go to L2
	refused error         // why it cannot be stored, if it was meant to be
}

// prepare turns what a compute returned into an entry: decides whether and how long it is
// stored, and encodes it. It runs before callers are woken, because they may change what
// the value refers to. The error is the compute's, or the panic of one of the options.
func (e *Engine) prepare(j *job, k tier.Key, value any, cost time.Duration, err error) (*prepared, error) {
	absent := isAbsent(err)
	if err != nil && !absent {
		return nil, err
	}
	return protect(func() (*prepared, error) {
		p := &prepared{entry: &tier.Entry{Key: k, ID: newID(), Cost: cost, Absent: absent}}
		ttl := j.rules.AbsentTTL
		if !absent {
			p.entry.Value = value
			ttl = j.shape.ttl(k.ID, value, j.rules.TTL)
		}
		now := e.clock.precise()
		p.entry.Created = now
		p.store = ttl > 0 && (absent || j.shape.storable(k.ID, value))
		ttl = jittered(min(ttl, maxLifetime), j.rules.Jitter, drawUniform())
		j.rules.lifetime(p.entry, now+int64(ttl), now)
		p.hardTTL = ttl + j.rules.lingers(p.entry)
		if p.store {
			if err := e.encode(j, p); err != nil {
				p.store, p.refused = false, err
				e.observer.fail(k.Space, "encode", err)
			}
		}
		if !p.store {
			j.space.add(cNotStored, 1)
		}
		p.entry = j.shape.pack(p.entry)
		return p, nil
	})
}

// encode fills in the tags, the encoded value if L2 is to get it, and the size. An error
// means that the value is for its callers only.
func (e *Engine) encode(j *job, p *prepared) error {
	entry := p.entry
	if entry.Absent {
		p.encoded = true
		entry.Size = keySize(entry.Key)
		return nil
	}
	for _, name := range j.shape.tags(entry.Key.ID, entry.Value) {
		entry.Tags = append(entry.Tags, tier.Tag{Name: name})
	}
	if err := tier.CheckTags(entry.Tags); err != nil {
		return err
	}
	if e.l2 != nil {
		raw, err := j.shape.encode(nil, entry.Value)
		if err != nil {
			return err
		}
		if len(raw) > e.cfg.MaxValueBytes {
			return fmt.Errorf("tiercache: a value of %d bytes is over Config.MaxValueBytes (%d): returned, not stored", len(raw), e.cfg.MaxValueBytes)
		}
		p.raw, p.encoded = raw, true
	}
	entry.Size = j.shape.size(entry, len(p.raw))
	return nil
}
