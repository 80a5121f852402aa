package tiercache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type codecUser struct {
	ID    int64             `json:"id"`
	Name  string            `json:"name"`
	Mail  string            `json:"mail,omitempty"`
	Tags  []string          `json:"tags"`
	Attrs map[string]string `json:"attrs"`
	Ratio float64           `json:"ratio"`
	Child *codecUser        `json:"child"`
}

type (
	namedString string
	namedBytes  []byte
	namedByte   byte
)

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := codecUser{
			ID:    rapid.Int64().Draw(t, "id"),
			Name:  rapid.String().Draw(t, "name"),
			Tags:  rapid.SliceOf(rapid.String()).Draw(t, "tags"),
			Attrs: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "attrs"),
			Ratio: rapid.Float64Range(-1e9, 1e9).Draw(t, "ratio"),
			Child: &codecUser{Mail: "<a&b>"},
		}
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "prefix")
		b, err := appendValue(JSON{}, bytes.Clone(prefix), want)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, prefix))
		b = b[len(prefix):]
		assert.False(t, bytes.HasSuffix(b, []byte("\n")))

		var got codecUser
		require.NoError(t, decodeValue(JSON{}, b, &got))
		assert.Equal(t, want, got)
	})
}

func TestJSONDoesNotEscapeHTML(t *testing.T) {
	b, err := JSON{}.Append(nil, "<a&b>")
	require.NoError(t, err)
	assert.Equal(t, `"<a&b>"`, string(b))
}

func TestJSONAppendLeavesDstAloneOnError(t *testing.T) {
	dst := append(make([]byte, 0, 100), "head"...)
	b, err := JSON{}.Append(dst, map[string]any{"a": make(chan int)})
	require.Error(t, err)
	assert.Equal(t, "head", string(b))
}

func TestJSONRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":   ``,
		"two":       `1 2`,
		"trailing":  `{"id":1}x`,
		"cut short": `{"id":1`,
		"NUL":       "1\x00",
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			require.Error(t, decodeValue(JSON{}, []byte(in), &v))
		})
	}
}

// A stack overflow is no panic: it would end this test binary.
func TestJSONRefusesDeepNesting(t *testing.T) {
	deep := bytes.Repeat([]byte("["), 10<<20)
	objects := []byte(strings.Repeat(`{"child":`, 1<<20))
	var v any
	require.Error(t, decodeValue(JSON{}, deep, &v))
	require.Error(t, decodeValue(JSON{}, objects, &v))
	var u codecUser
	require.Error(t, decodeValue(JSON{}, objects, &u))
	type list []list
	var l list
	require.Error(t, decodeValue(JSON{}, deep, &l))
}

func TestRawRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
		if raw == nil {
			raw = []byte{}
		}
		for _, v := range []any{string(raw), raw, namedString(raw), namedBytes(raw), json.RawMessage(raw)} {
			b, err := appendValue(rawCodec{}, []byte("head"), v)
			require.NoError(t, err)
			require.Equal(t, "head"+string(raw), string(b))
			ptr := reflect.New(reflect.TypeOf(v))
			require.NoError(t, decodeValue(rawCodec{}, b[4:], ptr.Interface()))
			assert.Equal(t, v, ptr.Elem().Interface())
		}
	})
}

func TestRawDecodeCopies(t *testing.T) {
	frame := []byte("abc")
	var b []byte
	var n namedBytes
	var nb []namedByte
	require.NoError(t, rawCodec{}.Decode(frame, &b))
	require.NoError(t, rawCodec{}.Decode(frame, &n))
	require.NoError(t, rawCodec{}.Decode(frame, &nb))
	frame[0] = 'x'
	assert.Equal(t, "abc", string(b))
	assert.Equal(t, "abc", string(n))
	assert.Equal(t, []namedByte{'a', 'b', 'c'}, nb)
	assert.Equal(t, 3, cap(b))
}

func TestRawRefusesOtherTypes(t *testing.T) {
	for _, v := range []any{nil, 1, []int{1}, codecUser{}, new(string)} {
		_, err := rawCodec{}.Append(nil, v)
		require.Error(t, err, "%T", v)
	}
	var s *string
	for _, ptr := range []any{nil, 1, "x", s, new(int), new([]int)} {
		require.Error(t, decodeValue(rawCodec{}, []byte("1"), ptr), "%T", ptr)
	}
}

func TestCodecFor(t *testing.T) {
	for _, v := range []any{"", []byte{}, namedString(""), namedBytes{}, []namedByte{}, json.RawMessage{}} {
		assert.Equal(t, rawCodec{}, codecFor(reflect.TypeOf(v), JSON{}), "%T", v)
	}
	for _, v := range []any{1, codecUser{}, []string{}, [3]byte{}, new(string), []any{}} {
		assert.Equal(t, JSON{}, codecFor(reflect.TypeOf(v), JSON{}), "%T", v)
	}
	assert.Equal(t, JSON{}, codecFor(reflect.TypeFor[any](), JSON{}))
}

// fakeCodec is a codec of somebody else.
type fakeCodec struct {
	id     byte
	append func(dst []byte, v any) ([]byte, error)
	decode func(b []byte, ptr any) error
}

func (c *fakeCodec) ID() byte                                 { return c.id }
func (c *fakeCodec) Append(dst []byte, v any) ([]byte, error) { return c.append(dst, v) }
func (c *fakeCodec) Decode(b []byte, ptr any) error           { return c.decode(b, ptr) }

func TestValidateCodec(t *testing.T) {
	for _, c := range []Codec{rawCodec{}, JSON{}, &JSON{}} {
		require.NoError(t, validateCodec(c))
	}
	for _, id := range []byte{3, 4, 128, 255} {
		require.NoError(t, validateCodec(&fakeCodec{id: id}), "id %d", id)
	}
	for _, id := range []byte{0, 1, 2, 5, 127} {
		err := validateCodec(&fakeCodec{id: id})
		require.ErrorContains(t, err, "own codecs use 128 to 255", "id %d", id)
		require.ErrorContains(t, err, fmt.Sprintf("id %d ", id))
	}
}

func TestPanicsOfCodecsAreErrors(t *testing.T) {
	const secret = "hunter2"
	for name, blow := range map[string]func(){
		"text":    func() { panic(secret) },
		"error":   func() { panic(errors.New(secret)) },
		"runtime": func() { var a []int; _ = a[len(secret)] },
		"nil map": func() { var m map[string]int; m[secret] = 1 }, //nolint:staticcheck // the panic is the point
	} {
		t.Run(name, func(t *testing.T) {
			c := &fakeCodec{
				id:     200,
				append: func([]byte, any) ([]byte, error) { blow(); return nil, nil },
				decode: func([]byte, any) error { blow(); return nil },
			}
			out, err := appendValue(c, []byte("head"), 1)
			require.ErrorContains(t, err, "tiercache: codec 200 cannot encode a int: panic")
			assert.NotContains(t, err.Error(), secret)
			assert.Equal(t, "head", string(out))

			err = decodeValue(c, nil, new(int))
			require.ErrorContains(t, err, "tiercache: codec 200 cannot decode into a *int: panic")
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

func TestAppendValueRefusesShorterResult(t *testing.T) {
	c := &fakeCodec{id: 200, append: func(dst []byte, _ any) ([]byte, error) { return dst[:1], nil }}
	out, err := appendValue(c, []byte("head"), 1)
	require.ErrorContains(t, err, "shorter than dst")
	assert.Equal(t, "head", string(out))
}

type quotingNumber struct{}

func (*quotingNumber) UnmarshalText(b []byte) error { return fmt.Errorf("cannot read %q", b) }

func TestCodecErrorsQuoteNoValues(t *testing.T) {
	const secret = "48151623" // fits neither a bool nor an int8
	for _, ptr := range []any{new(bool), new(int8), new(quotingNumber), &struct{ A int8 }{}} {
		for _, in := range []string{secret, `"` + secret + `"`, `{"A":` + secret + `}`, secret + "x"} {
			if err := decodeValue(JSON{}, []byte(in), ptr); err != nil {
				assert.NotContains(t, err.Error(), secret)
				assert.ErrorContains(t, err, "tiercache: codec 2 cannot decode into a *")
			}
		}
	}
	err := decodeValue(JSON{}, []byte(`{"A":`+secret+`}`), &struct{ A int8 }{})
	var mismatch *json.UnmarshalTypeError
	require.ErrorAs(t, err, &mismatch, "whoever wants the details gets them")
	require.ErrorContains(t, err, `field "A" of type int8`)

	_, err = appendValue(JSON{}, nil, make(chan int))
	require.ErrorContains(t, err, "unsupported type: chan int")
}

// TestGoldenDecode holds on to the bytes that release 1 wrote: they must decode for ever.
func TestGoldenDecode(t *testing.T) {
	want := codecUser{
		ID: 7, Name: "Ada <&>", Tags: []string{"a", "ü"}, Attrs: map[string]string{"k": "v"},
		Ratio: 0.5, Child: &codecUser{ID: -1},
	}
	var got codecUser
	require.NoError(t, decodeValue(JSON{}, golden(t, "v1.json"), &got))
	assert.Equal(t, want, got)

	var s namedString
	require.NoError(t, decodeValue(rawCodec{}, golden(t, "v1.raw"), &s))
	assert.Equal(t, namedString("raw\x00\xff\n"), s)
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "codec", name))
	require.NoError(t, err)
	return b
}

// allocated returns how many bytes f allocates, with everything that runs beside it.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"id":7,"name":"a","tags":["b"],"attrs":{"c":"d"},"ratio":1e3,"child":{"child":null}}`))
	f.Add([]byte(`[[[[{}]]]]`))
	f.Add([]byte("\"\\ud800\xff\""))
	f.Fuzz(func(t *testing.T, b []byte) {
		var u codecUser
		if decodeValue(JSON{}, b, &u) == nil {
			again, err := appendValue(JSON{}, nil, u)
			require.NoError(t, err)
			var v codecUser
			require.NoError(t, decodeValue(JSON{}, again, &v))
		}
		var v any
		if err := decodeValue(JSON{}, b, &v); err != nil {
			require.ErrorContains(t, err, "tiercache: ")
		}
	})
}

func BenchmarkJSONAppend(b *testing.B) {
	u := codecUser{ID: 1, Name: "somebody", Attrs: map[string]string{"a": "b"}, Tags: []string{strings.Repeat("x", 1000)}}
	b.Run("encoder", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 4096)
		for b.Loop() {
			_, _ = JSON{}.Append(dst, &u)
		}
	})
	b.Run("marshal+append", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 4096)
		for b.Loop() {
			out, _ := json.Marshal(&u)
			_ = append(dst, out...)
		}
	})
}
