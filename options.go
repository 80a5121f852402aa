package tiercache

import (
	"context"
	"time"
)

// Option sets what a cache cannot take from a struct, because it speaks of V. Pass options
// to NewCache; the functions must be safe for concurrent use and are called without locks
// held. A panic in one of them reaches the callers like a panic of the compute. They are to
// be quick: Policy.ComputeTimeout does not cover them.
type Option[V any] func(*options[V])

type options[V any] struct {
	shape shape
	clone func(V) V
}

// WithTTLOf lets the value choose its own TTL. Zero leaves it to the policy, negative means
// that the value is returned and not stored.
func WithTTLOf[V any](f func(key string, v V) time.Duration) Option[V] {
	return func(o *options[V]) {
		o.shape.ttlOf = func(key string, v any) time.Duration { return f(key, typed[V](v)) }
	}
}

// WithTagsOf lets the value choose the tags it is stored under: at most 64 of 1 to 255
// bytes each, or it is not stored.
func WithTagsOf[V any](f func(key string, v V) []string) Option[V] {
	return func(o *options[V]) {
		o.shape.tagsOf = func(key string, v any) []string { return f(key, typed[V](v)) }
	}
}

// WithStoreIf stores only values for which f is true; the others are just returned.
func WithStoreIf[V any](f func(key string, v V) bool) Option[V] {
	return func(o *options[V]) {
		o.shape.storeIf = func(key string, v any) bool { return f(key, typed[V](v)) }
	}
}

// WithSizeOf tells how many bytes a value weighs in L1. Without it a value weighs as much
// as its encoding, or where there is none, as an estimate.
func WithSizeOf[V any](f func(v V) int) Option[V] {
	return func(o *options[V]) {
		o.shape.sizeOf = func(v any) int { return f(typed[V](v)) }
	}
}

// WithClone hands every caller a copy, made by f, of the value that L1 keeps. Use it where
// V refers to memory that callers change; without it all callers of a process share it.
func WithClone[V any](f func(v V) V) Option[V] {
	return func(o *options[V]) { o.clone = f }
}

// WithCodec sets the codec of this cache instead of Config.Codec. Changing the codec makes
// values stored before unreadable, which is a miss for each.
func WithCodec[V any](c Codec) Option[V] {
	return func(o *options[V]) { o.shape.codec = c }
}

// WithRevalidate renews a value from the one known before, where there is one, instead of
// calling the compute: f returns old as it is if the source says that it has not changed.
// Errors mean what they mean from a compute.
func WithRevalidate[V any](f func(ctx context.Context, key string, old V) (V, error)) Option[V] {
	return func(o *options[V]) {
		o.shape.revalidate = func(ctx context.Context, key string, old any) (any, error) {
			v, err := f(ctx, key, typed[V](old))
			return untyped(v), err
		}
	}
}

// untyped is how a value travels through the engine, which knows nothing of V: as a pointer
// that nobody writes through.
func untyped[V any](v V) any { return &v }

// typed undoes the hiding. It is the zero V for an absent entry, which has no value.
func typed[V any](v any) V {
	p, _ := v.(*V)
	if p == nil {
		return *new(V)
	}
	return *p
}
