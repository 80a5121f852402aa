package tiercache

import (
	"reflect"

	"github.com/tiercache/tiercache/tier"
)

// keySize is what a key weighs in the budget of L1.
func keySize(k tier.Key) int64 { return int64(len(k.Space) + len(k.ID)) }

// estimator guesses the memory a value holds on to, for caches that neither encode it nor
// have WithSizeOf. It follows pointers to a bounded depth and samples long slices and maps,
// so that its cost does not grow with the value. It runs once, when the value is stored.
type estimator struct {
	budget int // values left to look at
}

const (
	estimateBudget = 1000 // values looked at, at most
	estimateDepth  = 8    // levels of pointers, slices, maps and interfaces
	estimateSample = 16   // elements of a slice or map looked at
	wordSize       = 8
)

func estimateSize(v any) int64 {
	if v == nil {
		return 0
	}
	rv := reflect.ValueOf(v)
	est := estimator{budget: estimateBudget}
	return int64(rv.Type().Size()) + est.behind(rv, estimateDepth) //nolint:gosec // sizes of types
}

// behind returns the bytes v refers to, besides its own.
func (s *estimator) behind(v reflect.Value, depth int) int64 {
	s.budget--
	if s.budget < 0 || depth == 0 {
		return 0
	}
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		el := v.Elem()
		return int64(el.Type().Size()) + s.behind(el, depth-1) //nolint:gosec // sizes of types
	case reflect.Slice:
		return int64(v.Cap())*int64(v.Type().Elem().Size()) + s.elements(v, depth-1) //nolint:gosec // sizes of types
	case reflect.Array:
		return s.elements(v, depth)
	case reflect.Map:
		return s.mapped(v, depth-1)
	case reflect.Struct:
		var n int64
		for _, field := range v.Fields() {
			n += s.behind(field, depth)
		}
		return n
	default:
		return 0
	}
}

// elements looks at a sample of v and takes the rest to be like it.
func (s *estimator) elements(v reflect.Value, depth int) int64 {
	if v.Len() == 0 || flat(v.Type().Elem()) {
		return 0
	}
	seen := min(v.Len(), estimateSample)
	var n int64
	for i := range seen {
		n += s.behind(v.Index(i*v.Len()/seen), depth)
	}
	return n * int64(v.Len()) / int64(seen)
}

func (s *estimator) mapped(v reflect.Value, depth int) int64 {
	if v.Len() == 0 {
		return 0
	}
	slot := int64(v.Type().Key().Size()+v.Type().Elem().Size()) + wordSize //nolint:gosec // sizes of types
	var n, seen int64
	for it := v.MapRange(); seen < estimateSample && it.Next(); seen++ {
		n += s.behind(it.Key(), depth) + s.behind(it.Value(), depth)
	}
	return int64(v.Len()) * (slot + n/seen)
}

// flat reports whether values of t refer to nothing else.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map, reflect.String, reflect.Struct, reflect.Array:
		return false
	default:
		return true
	}
}
