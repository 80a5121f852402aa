// Package msgpack is a codec for tiercache on MessagePack: smaller than JSON and faster to
// read, with the same freedom to add and remove fields.
//
// Fields are named by the struct tag msgpack, or by their Go name; tags for JSON mean
// nothing here:
//
//	type User struct {
//		ID    int64  `msgpack:"id"`
//		Name  string `msgpack:"name,omitempty"` // left out when empty
//		Cache int    `msgpack:"-"`              // never stored
//	}
//
// Types with their own MarshalMsgpack, EncodeMsgpack, MarshalBinary or MarshalText, and the
// methods that reverse them, are stored by those. All else is as in
// github.com/vmihailenco/msgpack, which does the work, save for this:
//
//   - Integers take as few bytes as they need. Inside an any they come back as the smallest
//     type that holds them, and maps as map[string]any.
//   - Extension types other than time.Time are refused, by Append and by Decode, and with
//     them the tag option intern. Read in the wrong place, they would let hostile bytes get
//     around the checks of Decode.
//   - Values nested deeper than 10,000 levels are refused.
//
// Two limits of the library: a value that contains itself makes Append recurse until the
// process ends, and decoding into an embedded pointer to a struct starts one goroutine per
// such type, which never ends. Embed structs by value.
package msgpack

import (
	"fmt"
	"io"

	lib "github.com/vmihailenco/msgpack/v5"
)

// Codec is a tiercache.Codec for MessagePack. Its zero value is ready to use, by any number
// of goroutines.
type Codec struct{}

// ID returns 3.
func (Codec) ID() byte { return 3 }

// Append appends the MessagePack of v to dst.
func (Codec) Append(dst []byte, v any) ([]byte, error) {
	w := writer{b: dst}
	enc := lib.GetEncoder()
	enc.Reset(&w)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return dst, fmt.Errorf("tiercache: msgpack: %w", err)
	}
	lib.PutEncoder(enc) // not after an error: it may be in any state
	// What Decode would refuse must not be stored: it would be a miss for ever.
	if _, err := check(w.b[len(dst):]); err != nil {
		return dst, err
	}
	return w.b, nil
}

// Decode sets the value that ptr points to from b, which must hold one value and nothing
// else. It looks through b before it decodes: lengths that b does not hold, and nesting
// without end, never get as far as the library, which would believe them.
func (Codec) Decode(b []byte, ptr any) (err error) {
	traps, err := check(b)
	if err != nil {
		return err
	}
	defer func() { // the library panics on a nil in place of some types
		if p := recover(); p != nil {
			err = problem(fmt.Sprintf("panic with a %T in a %T", p, ptr))
		}
	}()
	r := reader{b: b, traps: traps}
	dec := lib.GetDecoder()
	dec.Reset(&r) // not UsePreallocateValues: goroutines that never end
	if err := dec.Decode(ptr); err != nil {
		return fmt.Errorf("tiercache: msgpack: %w", err)
	}
	lib.PutDecoder(dec)
	if r.off != len(b) {
		return errTrailing
	}
	return nil
}

// writer appends. The library writes byte by byte if it can.
type writer struct{ b []byte }

func (w *writer) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (w *writer) WriteByte(c byte) error {
	w.b = append(w.b, c)
	return nil
}

// reader reads b, and refuses to read a single byte at the offsets of traps: see check.
type reader struct {
	b     []byte
	off   int
	traps []int // ascending
}

func (r *reader) Read(p []byte) (int, error) {
	if r.off == len(r.b) && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b[r.off:])
	r.off += n
	return n, nil
}

func (r *reader) ReadByte() (byte, error) {
	if r.off == len(r.b) {
		return 0, io.EOF
	}
	for len(r.traps) > 0 && r.traps[0] <= r.off {
		if r.traps[0] == r.off {
			return 0, errMisread
		}
		r.traps = r.traps[1:]
	}
	c := r.b[r.off]
	r.off++
	return c, nil
}

func (r *reader) UnreadByte() error {
	r.off-- // called after a ReadByte only
	return nil
}
