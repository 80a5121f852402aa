package tiercache

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
)

// Codec turns values into bytes and back. Only values that go to L2 meet one; L1 holds
// them as they are.
//
// All methods must be safe for concurrent use. Decode is given bytes from outside: whatever
// they hold, it must return an error instead of panicking, must not recurse without a limit
// (a stack overflow ends the process and cannot be recovered), and must not allocate out of
// proportion to len(b).
//
// The engine reports errors of a codec by their Go type, because their text may quote the
// value; the text of an error with a method ValueFree() bool that returns true is shown.
type Codec interface {
	// ID is stored with every value, so that no codec is handed the bytes of another. It
	// must never change for a format once values have been stored in it. Taken are 0 none,
	// 1 raw bytes, 2 JSON, 3 msgpack and 4 protobuf, reserved 5 to 127; own codecs use 128
	// to 255.
	ID() byte

	// Append appends the bytes of v to dst and returns the longer slice, like the built-in
	// append. It must not keep dst or alter what dst already holds.
	Append(dst []byte, v any) ([]byte, error)

	// Decode sets the value that ptr points to. ptr is a *V for the V of the cache. It must
	// consume all of b, and neither keep nor alter it.
	Decode(b []byte, ptr any) error
}

// Ids of the codecs of this module.
const (
	codecNone     = 0
	codecRaw      = 1
	codecJSON     = 2
	codecMsgpack  = 3
	codecProtobuf = 4

	firstUserID = 128 // codecs and compressors of users count from here
)

// JSON is the default codec for everything but strings and byte slices: encoding/json with
// its struct tags, without escaping of <, > and &. Strings that are not valid UTF-8 do not
// come back as they were, and numbers inside an any come back as float64. Errors are those
// of encoding/json. The zero value is ready to use.
type JSON struct{}

// ID returns 2.
func (JSON) ID() byte { return codecJSON }

// Append appends the JSON of v to dst.
func (JSON) Append(dst []byte, v any) ([]byte, error) {
	// json.Marshal would make a copy of its own just to have it copied into dst.
	w := appendWriter{b: dst}
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return w.b[:len(w.b)-1], nil // Encode ends with a newline
}

// Decode sets the value that ptr points to from b, which must hold one JSON value and
// nothing else. Values nested deeper than 10,000 levels are refused.
func (JSON) Decode(b []byte, ptr any) error { return json.Unmarshal(b, ptr) }

// appendWriter is an io.Writer that appends.
type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// rawCodec stores strings and byte slices as they are. A nil slice comes back empty.
type rawCodec struct{}

func (rawCodec) ID() byte { return codecRaw }

func (rawCodec) Append(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return append(dst, v...), nil
	case []byte:
		return append(dst, v...), nil
	}
	rv := reflect.ValueOf(v)
	switch {
	case !rv.IsValid():
	case rv.Kind() == reflect.String:
		return append(dst, rv.String()...), nil
	case isRaw(rv.Type()):
		return append(dst, rv.Bytes()...), nil
	}
	return dst, plainError(fmt.Sprintf("a %T is neither string nor bytes", v))
}

// Decode copies: b is a view into a frame, which the value must not keep alive nor share.
func (rawCodec) Decode(b []byte, ptr any) error {
	switch p := ptr.(type) {
	case *string:
		*p = string(b)
		return nil
	case *[]byte:
		*p = append(make([]byte, 0, len(b)), b...)
		return nil
	}
	rv := reflect.ValueOf(ptr)
	if rv.Kind() != reflect.Pointer || rv.IsNil() || !isRaw(rv.Type().Elem()) {
		return plainError(fmt.Sprintf("a %T points to neither string nor bytes", ptr))
	}
	if rv = rv.Elem(); rv.Kind() == reflect.String {
		rv.SetString(string(b))
	} else {
		rv.SetBytes(append(make([]byte, 0, len(b)), b...))
	}
	return nil
}

// isRaw reports whether values of type t, named types included, are stored as they are.
func isRaw(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// codecFor returns the codec for values of type t: raw for strings and byte slices, which
// need none, and fallback for all others.
func codecFor(t reflect.Type, fallback Codec) Codec {
	if isRaw(t) {
		return rawCodec{}
	}
	return fallback
}

// validateCodec checks the id of a codec. Ids 3 and 4 are taken from anybody: importing the
// packages that own them, to compare types, would put their dependencies into every build.
func validateCodec(c Codec) error {
	const mend = "own codecs use 128 to 255"
	switch id := c.ID(); {
	case id == codecNone:
		return errors.New("Codec: id 0 means none; " + mend)
	case id == codecRaw:
		if _, ok := c.(rawCodec); !ok {
			return errors.New("Codec: id 1 is that of raw bytes; " + mend)
		}
	case id == codecJSON:
		switch c.(type) {
		case JSON, *JSON:
		default:
			return errors.New("Codec: id 2 is JSON's; " + mend)
		}
	case id > codecProtobuf && id < firstUserID:
		return fmt.Errorf("Codec: id %d is reserved; %s", id, mend)
	}
	return nil
}

// appendValue is c.Append for a flight: a panic of the codec, or of a method of the value
// that it calls, is an error, and so is a result that does not extend dst.
func appendValue(c Codec, dst []byte, v any) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = dst, &codecError{"encode a", reflect.TypeOf(v), c, panicked(p)}
		}
	}()
	out, err = c.Append(dst, v)
	if err == nil && len(out) < len(dst) {
		err = plainError("its result is shorter than dst")
	}
	if err != nil {
		return dst, &codecError{"encode a", reflect.TypeOf(v), c, err}
	}
	return out, nil
}

// decodeValue is c.Decode for bytes from outside: a panic is an error. When it fails, what
// ptr points to may be half set and must not be used.
func decodeValue(c Codec, b []byte, ptr any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &codecError{"decode into a", reflect.TypeOf(ptr), c, panicked(p)}
		}
	}()
	if err := c.Decode(b, ptr); err != nil {
		return &codecError{"decode into a", reflect.TypeOf(ptr), c, err}
	}
	return nil
}

// panicked turns what was passed to panic into an error. Only errors of the runtime speak
// for themselves: anything else may quote the value.
func panicked(p any) error {
	if err, ok := p.(runtime.Error); ok {
		return plainError("panic: " + err.Error())
	}
	return plainError(fmt.Sprintf("panic with a %T", p))
}

// plainError is an error whose text quotes no value.
type plainError string

func (e plainError) Error() string { return string(e) }
func (plainError) ValueFree() bool { return true }

// codecError says which codec failed on which type. Errors of codecs like to quote what
// they could not read, and errors end up in logs: so the text holds only what is known to
// be free of values, and Unwrap hands out the rest.
type codecError struct {
	doing string
	typ   reflect.Type
	codec Codec
	err   error
}

func (e *codecError) Error() string {
	return fmt.Sprintf("tiercache: codec %d cannot %s %v: %s", e.codec.ID(), e.doing, e.typ, withoutValues(e.err))
}

func (e *codecError) Unwrap() error { return e.err }

func withoutValues(err error) string {
	var (
		syntax      *json.SyntaxError
		mismatch    *json.UnmarshalTypeError
		unsupported *json.UnsupportedTypeError
		free        interface {
			error
			ValueFree() bool
		}
	)
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON at byte %d", syntax.Offset)
	case errors.As(err, &mismatch):
		return fmt.Sprintf("JSON at byte %d does not fit field %q of type %v", mismatch.Offset, mismatch.Field, mismatch.Type)
	case errors.As(err, &unsupported):
		return unsupported.Error()
	case errors.As(err, &free) && free.ValueFree():
		return free.Error()
	}
	return fmt.Sprintf("%T", err)
}
