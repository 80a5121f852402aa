package tiercache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"unicode/utf8"

	"github.com/tiercache/tiercache/tier"
)

// Engine owns the tiers, the running flights and the goroutines behind any number of typed
// caches. All methods are safe for concurrent use.
type Engine struct {
	cfg      Config
	l1       tier.Local
	l2       tier.Remote
	observer *watcher

	clock       *clock
	fence       *fence
	flights     *flightTable
	failures    failures
	compression *compression

	gate  *gate
	dying context.Context // ends when Close gives up waiting for computes
	die   context.CancelCauseFunc
	stop  chan struct{} // ends the engine's own goroutines
	own   sync.WaitGroup
	ended chan struct{} // closed when Close has returned

	mu struct {
		sync.Mutex
		spaces map[string]*space
	}
}

// space is a namespace with its counters, shared by all handles on it.
type space struct {
	tier.Space
	counters

	typ   reflect.Type
	codec byte
}

// New starts an engine over the tiers of cfg. It does no I/O: a service can start while
// Redis is down. The error joins everything that is wrong with cfg, each field by name.
func New(cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	comp, err := newCompression(cfg.Compression)
	if err != nil {
		err = prefixed("Config.", err)
	}
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("tiercache: bad configuration:\n%w", err)
	}
	e := &Engine{
		cfg:         cfg,
		l1:          cfg.L1,
		l2:          cfg.L2,
		observer:    newWatcher(cfg.Observer, cfg.Logger),
		clock:       newClock(),
		fence:       new(fence),
		compression: comp,
		gate:        newGate(),
		stop:        make(chan struct{}),
		ended:       make(chan struct{}),
	}
	e.flights = newFlightTable(e.fence)
	e.dying, e.die = context.WithCancelCause(context.Background())
	e.mu.spaces = make(map[string]*space)
	e.own.Go(func() { e.clock.run(e.stop) })
	return e, nil
}

// prefixed puts the prefix before each of the errors that errors.Join has joined.
func prefixed(prefix string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s%w", prefix, err)
	}
	var errs []error
	for _, one := range joined.Unwrap() {
		errs = append(errs, prefixed(prefix, one))
	}
	return errors.Join(errs...)
}

// Close refuses new work, waits until the running flights have landed and what they had to
// write is written, and closes the tiers. When ctx ends first, the computes still running
// are cancelled, their callers get ErrClosed, and the error says how many there were.
// Calls after Close return ErrClosed. A second Close waits for the first. Give ctx a
// deadline: a compute that does not heed its context holds Close up.
func (e *Engine) Close(ctx context.Context) error {
	if !e.gate.close() {
		select {
		case <-e.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(e.ended)
	var errs []error
	running := e.gate.drain(ctx)
	if running > 0 {
		errs = append(errs, fmt.Errorf("tiercache: closed while %d calls and flights were running: %w", running, ctx.Err()))
	}
	e.die(ErrClosed)
	close(e.stop)
	e.own.Wait()
	if e.l1 != nil {
		errs = append(errs, e.l1.Close())
	}
	if c, ok := e.l2.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if running == 0 {
		errs = append(errs, e.compression.close())
	}
	return errors.Join(errs...)
}

// Stats returns a snapshot of the counters.
func (e *Engine) Stats() Stats {
	s := Stats{Spaces: make(map[string]SpaceStats), Flights: e.flights.running()}
	if sizer, ok := e.l1.(tier.Sizer); ok {
		s.L1 = sizer.Usage()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var total [counterCount]uint64
	for name, sp := range e.mu.spaces {
		n := sp.sum()
		s.Spaces[name] = statsOf(n)
		for i := range n {
			total[i] += n[i]
		}
	}
	s.Total = statsOf(total)
	return s
}

// register returns the space of that name, shared by all handles that agree on its type
// and codec.
func (e *Engine) register(name string, typ reflect.Type, codec byte) (*space, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.mu.spaces[name]
	if !ok {
		s = &space{Space: tier.NewSpace(name), typ: typ, codec: codec}
		e.mu.spaces[name] = s
		return s, nil
	}
	if s.typ != typ {
		return nil, fmt.Errorf("space %q: holds values of type %v, not %v; give each type a space of its own", name, s.typ, typ)
	}
	if s.codec != codec {
		return nil, fmt.Errorf("space %q: is encoded by codec %d, not %d; all caches of a space share a codec", name, s.codec, codec)
	}
	return s, nil
}

const maxSpaceBytes = 64

// checkSpace keeps names of spaces to what is harmless in Redis keys, logs and labels.
func checkSpace(name string) error {
	if name == "" {
		return errors.New("space: is empty; name the kind of values, like \"users\"")
	}
	if len(name) > maxSpaceBytes {
		return fmt.Errorf("space: has %d bytes, at most %d are possible", len(name), maxSpaceBytes)
	}
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '.'):
		case c == utf8.RuneError:
			return fmt.Errorf("space: byte %d is not UTF-8; letters, digits, '_', '-' and '.' are possible", i)
		default:
			return fmt.Errorf("space %q: %q at byte %d is not possible; use letters and digits, and from the second on '_', '-' and '.'", name, c, i)
		}
	}
	return nil
}

// admit refuses calls that cannot be served: keys that cannot be stored, and handles with a
// policy that makes no sense. The message never holds a key.
func (e *Engine) admit(r *rules, ids ...string) error {
	if r.bad != nil {
		return r.bad
	}
	for i, id := range ids {
		which := ""
		if len(ids) > 1 {
			which = fmt.Sprintf(" (number %d of %d)", i+1, len(ids))
		}
		switch {
		case id == "":
			return fmt.Errorf("%w: it is empty%s", ErrBadKey, which)
		case len(id) > e.cfg.MaxKeyBytes:
			return fmt.Errorf("%w: it has %d bytes, Config.MaxKeyBytes is %d%s; use a digest of long keys", ErrBadKey, len(id), e.cfg.MaxKeyBytes, which)
		}
	}
	return nil
}
