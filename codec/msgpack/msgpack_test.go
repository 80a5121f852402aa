package msgpack

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	lib "github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

type user struct {
	ID      int64             `msgpack:"id"`
	Small   int8              `msgpack:"small"`
	Count   uint64            `msgpack:"count"`
	Name    string            `msgpack:"name,omitempty"`
	Raw     []byte            `msgpack:"raw"`
	Tags    []string          `msgpack:"tags"`
	Attrs   map[string]string `msgpack:"attrs"`
	Numbers map[int]float64   `msgpack:"numbers"`
	Seen    time.Time         `msgpack:"seen"`
	Child   *user             `msgpack:"child"`
	Hidden  string            `msgpack:"-"`
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := user{
			ID:      rapid.Int64().Draw(t, "id"),
			Small:   rapid.Int8().Draw(t, "small"),
			Count:   rapid.Uint64().Draw(t, "count"),
			Name:    rapid.String().Draw(t, "name"),
			Raw:     rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
			Tags:    rapid.SliceOf(rapid.String()).Draw(t, "tags"),
			Attrs:   rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "attrs"),
			Numbers: rapid.MapOf(rapid.Int(), rapid.Float64()).Draw(t, "numbers"),
			Seen:    time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")),
			Child:   &user{ID: 1},
		}
		want.Child.Seen = time.Unix(0, 0)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "prefix")
		b, err := Codec{}.Append(bytes.Clone(prefix), &want)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, prefix))
		var got user
		require.NoError(t, Codec{}.Decode(b[len(prefix):], &got))
		assert.Equal(t, want, got)
	})
}

// Every time there is must come through, also those whose bytes look like a map: see check.
func TestTimesRoundTrip(t *testing.T) {
	type times struct {
		At   time.Time
		List []time.Time
		Map  map[string]any
		Any  any
	}
	for nanos := int64(0); nanos < 1_000_000_000; nanos += 1_999_993 {
		for _, sec := range []int64{0, 1_700_000_000, 2_200_000_000, 4_000_000_000, 1 << 35, -1} {
			at := time.Unix(sec, nanos)
			if nanos%2 == 0 {
				at = time.Unix(sec, 0)
			}
			want := times{at, []time.Time{at, at}, map[string]any{"k": at}, at}
			b, err := Codec{}.Append(nil, want)
			require.NoError(t, err)
			var got times
			require.NoError(t, Codec{}.Decode(b, &got), "%v", at)
			assert.Equal(t, want, got)
		}
	}
}

func TestIntegersAreCompact(t *testing.T) {
	b, err := Codec{}.Append(nil, int64(5))
	require.NoError(t, err)
	assert.Equal(t, []byte{5}, b)
}

func TestRefuses(t *testing.T) {
	whole, err := Codec{}.Append(nil, user{ID: math.MaxInt64, Name: "Ada", Raw: make([]byte, 300), Seen: time.Now()})
	require.NoError(t, err)
	var u user
	for n := range whole {
		require.ErrorIs(t, Codec{}.Decode(whole[:n], &u), errShort)
	}
	require.ErrorIs(t, Codec{}.Decode(append(bytes.Clone(whole), 0xc0), &u), errTrailing)
	require.ErrorIs(t, Codec{}.Decode([]byte{0xc1}, &u), errCode)
	require.Error(t, Codec{}.Decode([]byte("text"), &u))
	for _, ext := range [][]byte{
		{0xd4, 1, 0}, {0xd4, 0x80, 0x81}, {0xd5, 1, 0, 0}, {0xd6, 1, 0, 0, 0, 0}, {0xd6, 13, 0, 0, 0, 0},
		{0xd7, 5, 0, 0, 0, 0, 0, 0, 0, 0}, {0xc7, 1, 0xff, 0}, {0xc7, 0, 0xff}, {0xc8, 0, 1, 5, 0}, {0xc9, 0, 0, 0, 1, 5, 0},
	} {
		var v any
		require.ErrorIs(t, Codec{}.Decode(ext, &v), errExtension, "%x", ext)
	}
}

func TestAppendRefusesWhatDecodeWould(t *testing.T) {
	type interned struct {
		A string `msgpack:",intern"`
		B string `msgpack:",intern"`
	}
	dst := append(make([]byte, 0, 100), "head"...)
	out, err := Codec{}.Append(dst, interned{"same", "same"})
	require.ErrorIs(t, err, errExtension)
	assert.Equal(t, "head", string(out))

	type node struct{ Next *node }
	top := &node{}
	for range maxDepth {
		top = &node{top}
	}
	_, err = Codec{}.Append(nil, top)
	require.ErrorIs(t, err, errDeep)
	b, err := Codec{}.Append(nil, top.Next)
	require.NoError(t, err)
	require.NoError(t, Codec{}.Decode(b, new(node)))

	_, err = Codec{}.Append(dst, make(chan int))
	require.ErrorContains(t, err, "tiercache: msgpack: ")
}

type textual struct{ s string }

func (x textual) MarshalText() ([]byte, error) { return []byte(x.s), nil }
func (textual) UnmarshalText([]byte) error     { return nil }

func TestPanicsOfTheLibraryAreErrors(t *testing.T) {
	var v textual
	err := Codec{}.Decode([]byte{0xc0}, &v)
	require.ErrorContains(t, err, "tiercache: msgpack: panic with a *reflect.ValueError in a *msgpack.textual")
}

// recursive types of every kind the library recurses through
type (
	list   []list
	maps   map[string]maps
	linked struct {
		Next  *linked
		Nodes []linked
		Any   any
	}
)

// A stack overflow is no panic: it would end this test binary.
func TestRefusesDeepNesting(t *testing.T) {
	const n = 10 << 20
	arrays := bytes.Repeat([]byte{0x91}, n)
	objects := bytes.Repeat([]byte("\x81\xa1k"), n/3)
	structs := bytes.Repeat([]byte("\x81\xa4Next"), n/6)
	slices := bytes.Repeat([]byte("\x81\xa5Nodes\x91"), n/8)
	for name, in := range map[string][]byte{"arrays": arrays, "maps": objects, "structs": structs, "slices": slices} {
		t.Run(name, func(t *testing.T) {
			for _, ptr := range []any{new(any), new(list), new(maps), new(linked), new(map[string]any), new([]any), new(lib.RawMessage)} {
				require.ErrorIs(t, Codec{}.Decode(in, ptr), errDeep)
			}
		})
	}
	deep := append(bytes.Repeat([]byte{0x91}, maxDepth), 0xc0)
	require.NoError(t, Codec{}.Decode(deep, new(any)))
	require.NoError(t, Codec{}.Decode(deep, new(list)))
	require.ErrorIs(t, Codec{}.Decode(append([]byte{0x91}, deep...), new(any)), errDeep)
}

func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// targets are of the kinds for which the library allocates in different ways.
func targets() []any {
	return []any{
		new(any), new([]any), new(map[string]any), new(map[string]string), new([]string), new(string), new([]byte),
		new(map[int]int), new([]int64), new(list), new(maps), new(linked), new(user), new([]user), new(time.Time),
		new(map[any]any), new([4]int), new(lib.RawMessage), new(bool), new(float64),
	}
}

func TestHostileLengthsAllocateNothing(t *testing.T) {
	var bombs [][]byte
	for _, code := range []byte{0xdd, 0xdf, 0xdb, 0xc6, 0xc9} {
		for _, n := range []uint32{1 << 20, 1<<30 + 1, math.MaxUint32} {
			b := binary.BigEndian.AppendUint32([]byte{code}, n)
			bombs = append(bombs, b, append([]byte{0x91}, b...), append([]byte("\x81\xa1k"), b...), append([]byte("\x81\xa4tags"), b...))
		}
	}
	for _, code := range []byte{0xdc, 0xde, 0xda, 0xc5, 0xc8} {
		bombs = append(bombs, []byte{code, 0xff, 0xff})
		bombs = append(bombs, bytes.Repeat([]byte{code, 0xff, 0xff}, 1000))
	}
	for _, b := range bombs {
		for _, ptr := range targets() {
			var err error
			got := allocated(func() { err = Codec{}.Decode(b, ptr) })
			require.Error(t, err)
			require.Less(t, got, int64(16<<10), "%x into %T", b[:min(len(b), 9)], ptr)
		}
	}
}

// A time where a map is expected makes the library read on inside the time. What it reads
// there has never been checked: here, a map of 4 billion entries.
func TestTimesAreNoMaps(t *testing.T) {
	for _, inner := range [][]byte{
		{0xd7, 0xff, 0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0, 0},
		{0xd7, 0xff, 0x81, 0xa1, 'k', 0xdf, 0xff, 0xff, 0xff, 0xff},
		{0xd6, 0xff, 0xde, 0xff, 0xff, 0},
		{0xc7, 12, 0xff, 0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0},
		{0xd6, 0xff, 0xc0, 0xdd, 0xff, 0xff},
	} {
		for nested, b := range [][]byte{inner, append([]byte("\x81\xa1k"), inner...)} {
			for _, ptr := range []any{new(map[string]any), new(map[string]string), new(map[int]any), new(maps), new(map[string]map[string]any)} {
				var err error
				got := allocated(func() { err = Codec{}.Decode(b, ptr) })
				require.Less(t, got, int64(16<<10), "%x into %T", b, ptr)
				if nested == 0 { // else an any may take it for the time it is
					require.Error(t, err)
				}
			}
		}
		var v any
		require.NoError(t, Codec{}.Decode(inner, &v), "it is a time after all")
		require.IsType(t, time.Time{}, v)
	}
}

func TestNoGoroutineOutlivesABubble(t *testing.T) {
	use := func(t *testing.T) {
		b, err := Codec{}.Append(nil, user{ID: 1, Child: &user{Name: "c"}, Attrs: map[string]string{"a": "b"}})
		require.NoError(t, err)
		for _, ptr := range []any{new(user), new(any)} {
			require.NoError(t, Codec{}.Decode(b, ptr))
		}
	}
	synctest.Test(t, use)
	use(t)
}

// TestGoldenDecode holds on to the bytes that release 1 wrote: they must decode for ever.
func TestGoldenDecode(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "codec", "v1.msgpack"))
	require.NoError(t, err)
	var got user
	require.NoError(t, Codec{}.Decode(b, &got))
	assert.Equal(t, goldenUser(), got)
}

func goldenUser() user {
	return user{
		ID: 1 << 40, Small: -3, Count: math.MaxUint64, Name: "Ada", Raw: []byte{0, 255}, Tags: []string{"a", "ü"},
		Attrs: map[string]string{"k": "v"}, Numbers: map[int]float64{-1: 0.5}, Seen: time.Unix(1_700_000_000, 540_000_000),
		Child: &user{Name: "c", Seen: time.Unix(2_200_000_000, 0)},
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{goldenUser(), map[string]any{"k": []any{1, "x", nil, 1.5, true, time.Unix(1, 2)}}, []string{"a"}, "text", 5} {
		b, err := Codec{}.Append(nil, v)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add(bytes.Repeat([]byte{0x91}, 20_000))
	f.Add([]byte{0x81, 0xa1, 'k', 0xd7, 0xff, 0x81, 0xa1, 'k', 0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte(strings.Repeat("\x82\xa4Next\xd6\xff\x81\xa1k\xc0", 10)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, ptr := range targets() {
			got := allocated(func() { _ = Codec{}.Decode(b, ptr) })
			// A byte can stand for a whole element: a user of about 250 bytes, made twice
			// while its slice grows. Workers of the fuzzer allocate beside this.
			require.Less(t, got, int64(len(b))*1000+32<<20, "%T", ptr)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	u := goldenUser()
	for range 10 {
		u.Tags = append(u.Tags, "a tag of some length")
	}
	packed, err := Codec{}.Append(nil, u)
	require.NoError(b, err)
	dst := make([]byte, 0, 2*len(packed))
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Codec{}.Append(dst, &u)
		}
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(packed)))
		for b.Loop() {
			_, _ = check(packed)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v user
			_ = Codec{}.Decode(packed, &v)
		}
	})
	b.Run("decode by library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v user
			_ = lib.Unmarshal(packed, &v)
		}
	})
}
