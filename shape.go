package tiercache

import (
	"context"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/tiercache/tiercache/tier"
)

// shape is what the engine knows of the values of a cache: how they are encoded, and the
// options whose arguments mention V, with V hidden; see untyped. Type parameters stop here.
type shape struct {
	typ    reflect.Type
	codec  Codec
	encode func(dst []byte, v any) ([]byte, error)
	decode func(raw []byte) (any, error)
	pack   func(e *tier.Entry) *tier.Entry

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

// inlineID is the length up to which an id is kept in the entry's own memory.
const inlineID = 16

// packed keeps an entry, its id and its value in one piece of memory, because a hit reads
// all three: apart, each is another line to wait for. It also lets go of what the caller's
// key may be a part of, a request's buffer say.
type packed[V any] struct {
	id    [inlineID]byte // with the first fields of entry it fills two cache lines
	entry tier.Entry
	value V
}

// pack returns a packed copy of e.
func pack[V any](e *tier.Entry) *tier.Entry {
	p := &packed[V]{entry: *e}
	if n := copy(p.id[:], e.Key.ID); n == len(e.Key.ID) {
		p.entry.Key.ID = unsafe.String(&p.id[0], n)
	} else {
		p.entry.Key.ID = strings.Clone(e.Key.ID)
	}
	if v, ok := e.Value.(*V); ok {
		p.value = *v
		p.entry.Value = &p.value
	}
	return &p.entry
}
