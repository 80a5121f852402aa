package tiercache

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// ComputeFunc computes the value of a key when no tier has it. It returns ErrNotFound,
// wrapped or not, if the source has no such value.
//
// Its context carries the values of the context of the caller that came first, but not its
// end: the result is for all callers. It ends after Policy.ComputeTimeout or when the
// engine closes. The key must cover everything the function reads, values of the context
// included, or one caller is given what was computed for another.
//
// It must not ask for its own key, in the same space: it would wait for itself until
// Policy.ComputeTimeout.
//
// The key is an argument so that the function need not capture it: a function made once is
// free on a hit, one made per call costs an allocation.
type ComputeFunc[V any] func(ctx context.Context, key string) (V, error)

// Cache is a typed handle on one space of an engine. It is cheap to copy around and safe
// for concurrent use. Values that it returns are shared with L1 and other callers and must
// not be changed, unless WithClone is given.
type Cache[V any] struct {
	e     *Engine
	space *space
	rules *rules
	given Policy // what rules were made from, for With
	opts  *options[V]

	involved bool // a hit is more than handing out the value: it is observed, or cloned
}

// NewCache returns a cache of values of type V in the named space. Several caches on one
// space share entries and flights; they must agree on V and the codec. The space is part
// of every key in Redis: rename it when the meaning of its values changes. The error joins
// everything that is wrong, each argument or field by name.
func NewCache[V any](e *Engine, name string, p Policy, opts ...Option[V]) (*Cache[V], error) {
	typ := reflect.TypeFor[V]()
	o := &options[V]{shape: shape{typ: typ}}
	for _, opt := range opts {
		opt(o)
	}
	if o.shape.codec == nil {
		o.shape.codec = codecFor(typ, e.cfg.Codec)
	}
	codec := o.shape.codec
	o.shape.encode = func(dst []byte, v any) ([]byte, error) { return appendValue(codec, dst, typed[V](v)) }
	o.shape.decode = func(raw []byte) (any, error) {
		v := new(V)
		return v, decodeValue(codec, raw, v)
	}
	o.shape.pack = pack[V]
	given := p.over(e.cfg.Policy)
	errs := []error{checkSpace(name), given.validate("Policy")}
	if given.TTL == 0 {
		errs = append(errs, errors.New("Policy.TTL: is not set, neither here nor in Config.Policy; every value needs a lifetime"))
	}
	if err := validateCodec(codec); err != nil {
		errs = append(errs, fmt.Errorf("With%w", err))
	}
	err := errors.Join(errs...)
	var s *space
	if err == nil {
		s, err = e.register(name, typ, codec.ID())
	}
	if err != nil {
		return nil, fmt.Errorf("tiercache: bad cache:\n%w", err)
	}
	return &Cache[V]{
		e: e, space: s, rules: given.settle(), given: given, opts: o,
		involved: e.observer != nil || o.clone != nil,
	}, nil
}

// With returns a handle on the same space, entries and flights with another policy: the
// fields of p that are not zero replace those of c. If they make no sense, every call on
// the handle returns an error that names them.
func (c *Cache[V]) With(p Policy) *Cache[V] {
	d := *c
	d.given = p.over(c.given)
	if err := d.given.validate("Policy"); err != nil {
		d.rules = &rules{Policy: c.rules.Policy, bad: fmt.Errorf("tiercache: bad policy given to Cache.With:\n%w", err)}
		return &d
	}
	d.rules = d.given.settle()
	return &d
}

// GetOrCompute returns the value of key from the nearest tier, or computes and stores it.
// Of all calls for a key that find no value, one computes, and the others wait for it, each
// no longer than its own ctx lasts.
//
// The error is ErrNotFound if the source has no such value, the error of the compute, a
// *PanicError if that panicked, the error of ctx, ErrBadKey or ErrClosed. A failing L2 is
// no error. With the error comes the zero V.
func (c *Cache[V]) GetOrCompute(ctx context.Context, key string, compute ComputeFunc[V]) (V, error) {
	k := c.space.Key(key)
	entry, v := c.e.lookup(c.rules, k)
	if v == fresh && !c.involved {
		// Dereferenced here and nowhere before: V may be large, and every copy shows.
		if p, ok := entry.Value.(*V); ok {
			c.space.add(cL1Hits, 1)
			return *p, nil
		}
	}
	return c.getSlow(ctx, k, compute, entry, v)
}

// getSlow answers everything but the plain hit: it is kept apart so that the hit needs
// neither its allocations nor its stack.
//
//go:noinline
func (c *Cache[V]) getSlow(ctx context.Context, k tier.Key, compute ComputeFunc[V], entry *tier.Entry, v verdict) (V, error) {
	if v == fresh {
		r, err := c.result(outcome{entry: entry, source: FromL1})
		return r.Value, err
	}
	r, err := c.lookupSlow(ctx, k, compute, entry, v)
	return r.Value, err
}

// Result is a value together with where it came from.
type Result[V any] struct {
	Value  V
	Source Source        // the tier that held it, or FromCompute
	Stale  bool          // past its TTL: the compute failed or took longer than SoftTimeout
	Shared bool          // the call waited for a flight that another call led
	Age    time.Duration // since it was computed or set
	TTL    time.Duration // until it is stale; negative if it is
	Cost   time.Duration // how long its compute took; 0 if it was set or that is not known
	Tags   []string
}

// Lookup is GetOrCompute that also tells where the value came from. With a nil compute it
// only looks: it returns a stale value if there is nothing better, and ErrMiss if there is
// nothing. The Result is filled in beside ErrNotFound too.
func (c *Cache[V]) Lookup(ctx context.Context, key string, compute ComputeFunc[V]) (Result[V], error) {
	k := c.space.Key(key)
	entry, v := c.e.lookup(c.rules, k)
	if compute == nil {
		return c.result(c.e.peek(ctx, c.job(nil), k, entry, v, true))
	}
	return c.lookupSlow(ctx, k, compute, entry, v)
}

// Get returns the value of key if a tier holds it and it is fresh. It never computes: the
// error is ErrMiss if there is no value, ErrNotFound if it is known to be absent.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, error) {
	k := c.space.Key(key)
	entry, v := c.e.lookup(c.rules, k)
	r, err := c.result(c.e.peek(ctx, c.job(nil), k, entry, v, false))
	return r.Value, err
}

// Refresh computes the value of key now, whatever the tiers hold, and stores it like
// GetOrCompute does. Calls of Refresh for one key that overlap share a compute. Its error is that of the compute: there
// is no falling back on a stale value.
func (c *Cache[V]) Refresh(ctx context.Context, key string, compute ComputeFunc[V]) (V, error) {
	k := c.space.Key(key)
	if compute == nil {
		return *new(V), errNilCompute
	}
	r, err := c.result(c.e.refresh(ctx, c.job(compute), k))
	return r.Value, err
}

var errNilCompute = errors.New("tiercache: the compute function is nil")

// lookupSlow answers a call that L1 alone did not.
func (c *Cache[V]) lookupSlow(ctx context.Context, k tier.Key, compute ComputeFunc[V], entry *tier.Entry, v verdict) (Result[V], error) {
	if compute == nil {
		return Result[V]{}, errNilCompute
	}
	return c.result(c.e.get(ctx, c.job(compute), k, entry, v))
}

// job describes the work of a flight to the engine, with V hidden.
func (c *Cache[V]) job(compute ComputeFunc[V]) *job {
	shape := &c.opts.shape
	return &job{
		space: c.space, shape: shape, rules: c.rules,
		compute: func(ctx context.Context, k tier.Key, old *tier.Entry) (any, error) {
			if shape.revalidate != nil && old != nil && !old.Absent {
				return shape.revalidate(ctx, k.ID, old.Value)
			}
			v, err := compute(ctx, k.ID)
			return untyped(v), err
		},
	}
}

// result counts the answer and makes it typed.
func (c *Cache[V]) result(out outcome) (Result[V], error) {
	c.e.count(c.space, out)
	if out.err != nil {
		return Result[V]{}, out.err
	}
	now := c.e.clock.precise()
	r := Result[V]{
		Source: out.source,
		Stale:  out.stale,
		Shared: out.shared,
		Age:    time.Duration(max(now-out.entry.Created, 0)),
		TTL:    time.Duration(out.entry.SoftExpiry - now),
		Cost:   out.entry.Cost,
	}
	for _, t := range out.entry.Tags {
		r.Tags = append(r.Tags, t.Name)
	}
	v, err := c.value(out.entry)
	r.Value = v
	return r, err
}

// value takes the value out of an entry.
func (c *Cache[V]) value(e *tier.Entry) (V, error) {
	if e.Absent {
		return *new(V), ErrNotFound
	}
	v := typed[V](e.Value)
	if c.opts.clone != nil {
		return protect(func() (V, error) { return c.opts.clone(v), nil })
	}
	return v, nil
}
