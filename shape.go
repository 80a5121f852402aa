package tiercache

import (
	"context"
	"reflect"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// shape is what the engine knows of the values of a cache: how they are encoded, and the
// options whose arguments mention V, with V hidden. Type parameters stop here.
type shape struct {
	typ    reflect.Type
	codec  Codec
	decode func(raw []byte) (any, error)

	ttlOf      func(key string, v any) time.Duration
	tagsOf     func(key string, v any) []string
	storeIf    func(key string, v any) bool
	sizeOf     func(v any) int
	revalidate func(ctx context.Context, key string, old any) (any, error)
}

func (s *shape) ttl(key string, v any, policy time.Duration) time.Duration {
	if s.ttlOf != nil {
		if ttl := s.ttlOf(key, v); ttl != 0 {
			return ttl
		}
	}
	return policy
}

func (s *shape) storable(key string, v any) bool { return s.storeIf == nil || s.storeIf(key, v) }

func (s *shape) tags(key string, v any) []string {
	if s.tagsOf == nil {
		return nil
	}
	return s.tagsOf(key, v)
}

// size is what the entry weighs in the budget of L1: by the user's measure, else by the
// encoded length, but not less than the value's own struct, else by an estimate.
func (s *shape) size(e *tier.Entry, encoded int) int64 {
	size := keySize(e.Key)
	for _, t := range e.Tags {
		size += int64(len(t.Name)) + wordSize
	}
	switch {
	case s.sizeOf != nil:
		return size + int64(max(s.sizeOf(e.Value), 0))
	case encoded > 0:
		return size + max(int64(encoded), int64(s.typ.Size())) //nolint:gosec // sizes of types
	default:
		return size + estimateSize(e.Value)
	}
}
