// Package protobuf is a codec for tiercache on Protocol Buffers, for caches whose values
// are pointers to generated messages, such as Cache[*pb.User].
//
// Fields can be added and removed by the rules of the format: what an older release of the
// service does not know, it carries along. Messages nested deeper than 10,000 levels are
// refused.
package protobuf

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// Codec is a tiercache.Codec for Protocol Buffers. Its zero value is ready to use, by any
// number of goroutines.
type Codec struct{}

// ID returns 4.
func (Codec) ID() byte { return 4 }

// Append appends the wire form of v, a pointer to a generated message, to dst. A nil
// pointer is an error, because it would come back as an empty message.
func (Codec) Append(dst []byte, v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return dst, notAMessage(reflect.TypeOf(v))
	}
	if !m.ProtoReflect().IsValid() {
		return dst, problem(fmt.Sprintf("a nil %T cannot be told from an empty one", v))
	}
	out, err := proto.MarshalOptions{}.MarshalAppend(dst, m)
	if err != nil {
		return dst, fmt.Errorf("tiercache: protobuf: %w", err)
	}
	return out, nil
}

// Decode makes a message from b and lets the pointer that ptr points to point to it. The
// message does not share memory with b.
func (Codec) Decode(b []byte, ptr any) error {
	target := reflect.ValueOf(ptr)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return problem(fmt.Sprintf("cannot decode into a %T", ptr))
	}
	target = target.Elem()
	if target.Kind() != reflect.Pointer {
		return notAMessage(target.Type())
	}
	fresh := reflect.New(target.Type().Elem())
	m, ok := reflect.TypeAssert[proto.Message](fresh)
	if !ok {
		return notAMessage(target.Type())
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("tiercache: protobuf: %w", err)
	}
	target.Set(fresh)
	return nil
}

// notAMessage names the type that is none, and the pointer to it if that would be one.
func notAMessage(t reflect.Type) error {
	if t != nil && t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(reflect.TypeFor[proto.Message]()) {
		return problem(fmt.Sprintf("%v is a message by value; cache *%v", t, t))
	}
	return problem(fmt.Sprintf("%v is not a pointer to a generated message", t))
}

// problem is an error whose text quotes no value.
type problem string

func (p problem) Error() string { return "tiercache: protobuf: " + string(p) }

// ValueFree tells the engine that the text may be shown.
func (problem) ValueFree() bool { return true }
