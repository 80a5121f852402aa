package protobuf

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

func goldenStruct(t testing.TB) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(map[string]any{"id": 42.0, "name": "Ada", "tags": []any{"a", nil, true}})
	require.NoError(t, err)
	return s
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &descriptorpb.FileDescriptorProto{
			Name:             new(rapid.String().Draw(t, "name")),
			Dependency:       rapid.SliceOf(rapid.String()).Draw(t, "dependency"),
			PublicDependency: rapid.SliceOf(rapid.Int32()).Draw(t, "public"),
			MessageType:      []*descriptorpb.DescriptorProto{{Name: new(rapid.String().Draw(t, "message"))}},
		}
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "prefix")
		b, err := Codec{}.Append(bytes.Clone(prefix), want)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, prefix))
		var got *descriptorpb.FileDescriptorProto
		require.NoError(t, Codec{}.Decode(b[len(prefix):], &got))
		assert.True(t, proto.Equal(want, got))
	})
}

func TestEmptyMessage(t *testing.T) {
	b, err := Codec{}.Append([]byte("head"), &wrapperspb.StringValue{})
	require.NoError(t, err)
	assert.Equal(t, "head", string(b))
	var got *wrapperspb.StringValue
	require.NoError(t, Codec{}.Decode(nil, &got))
	require.NotNil(t, got)
}

func TestDecodeDoesNotShareMemory(t *testing.T) {
	b, err := Codec{}.Append(nil, wrapperspb.Bytes([]byte("abc")))
	require.NoError(t, err)
	var got *wrapperspb.BytesValue
	require.NoError(t, Codec{}.Decode(b, &got))
	clear(b)
	assert.Equal(t, "abc", string(got.GetValue()))
}

func TestFailureLeavesTheTargetAlone(t *testing.T) {
	had := wrapperspb.String("had")
	got := had
	require.Error(t, Codec{}.Decode([]byte{0xff}, &got))
	assert.Same(t, had, got)
}

func TestOtherTypesAreNamed(t *testing.T) {
	var missing *wrapperspb.StringValue
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "<nil> is not a pointer"},
		{7, "int is not a pointer"},
		{struct{}{}, "struct {} is not a pointer"},
		{new(int), "*int is not a pointer"},
		{missing, "a nil *wrapperspb.StringValue cannot be told"},
	} {
		out, err := Codec{}.Append([]byte("head"), tt.v)
		require.ErrorContains(t, err, "tiercache: protobuf: "+tt.want)
		assert.Equal(t, "head", string(out))
	}
	var asInterface proto.Message
	var target **wrapperspb.StringValue
	for _, tt := range []struct {
		ptr  any
		want string
	}{
		{nil, "cannot decode into a <nil>"},
		{7, "cannot decode into a int"},
		{target, "cannot decode into a **wrapperspb.StringValue"},
		{new(int), "int is not a pointer"},
		{new(*int), "*int is not a pointer"},
		{&asInterface, "protoreflect.ProtoMessage is not a pointer"},
		{&wrapperspb.StringValue{}, "wrapperspb.StringValue is a message by value; cache *wrapperspb.StringValue"},
	} {
		require.ErrorContains(t, Codec{}.Decode(nil, tt.ptr), "tiercache: protobuf: "+tt.want)
	}
}

func TestAppendRefusesInvalidUTF8(t *testing.T) {
	out, err := Codec{}.Append([]byte("head"), wrapperspb.String("\xff"))
	require.ErrorContains(t, err, "tiercache: protobuf: ")
	assert.Equal(t, "head", string(out))
}

func TestRefuses(t *testing.T) {
	whole, err := Codec{}.Append(nil, wrapperspb.String("some value"))
	require.NoError(t, err)
	var v *wrapperspb.StringValue
	for n := 1; n < len(whole); n++ {
		require.Error(t, Codec{}.Decode(whole[:n], &v), "cut to %d", n)
	}
	require.Error(t, Codec{}.Decode(append(bytes.Clone(whole), 0xff), &v))
}

// nested wraps messages into each other by the fields in turn, about size bytes in all.
// The last of the fields is the outermost.
func nested(size int, fields ...protowire.Number) []byte {
	var rev []byte // backwards, as every header depends on what it encloses
	for len(rev) < size {
		for _, f := range fields {
			head := protowire.AppendTag(nil, f, protowire.BytesType)
			head = protowire.AppendVarint(head, uint64(len(rev)))
			slices.Reverse(head)
			rev = append(rev, head...)
		}
	}
	slices.Reverse(rev)
	return rev
}

// A stack overflow is no panic: it would end this test binary.
func TestRefusesDeepNesting(t *testing.T) {
	var message *descriptorpb.DescriptorProto
	require.Error(t, Codec{}.Decode(nested(10<<20, 3), &message)) // nested_type
	require.NoError(t, Codec{}.Decode(nested(10<<10, 3), &message))

	groups := bytes.Repeat(protowire.AppendTag(nil, 1000, protowire.StartGroupType), 5<<20)
	require.Error(t, Codec{}.Decode(groups, &message), "groups of an unknown field")

	var list *structpb.ListValue
	require.Error(t, Codec{}.Decode(nested(10<<20, 6, 1), &list)) // a list of values, the value a list
}

func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

func TestHostileLengthsAllocateNothing(t *testing.T) {
	var first *descriptorpb.FileDescriptorProto // the library sets a type up on first use
	require.NoError(t, Codec{}.Decode(nil, &first))
	for _, n := range []uint64{1 << 20, 1 << 30, math.MaxInt32, math.MaxUint32, math.MaxInt64, math.MaxUint64} {
		for field := protowire.Number(1); field <= 12; field++ {
			b := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), n)
			var m *descriptorpb.FileDescriptorProto
			var err error
			got := allocated(func() { err = Codec{}.Decode(b, &m) })
			require.Error(t, err)
			require.Less(t, got, int64(16<<10), "field %d claims %d", field, n)
		}
	}
}

// TestGoldenDecode holds on to the bytes that release 1 wrote: they must decode for ever.
func TestGoldenDecode(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "codec", "v1.protobuf"))
	require.NoError(t, err)
	var got *structpb.Struct
	require.NoError(t, Codec{}.Decode(b, &got))
	assert.True(t, proto.Equal(goldenStruct(t), got))
}

func FuzzDecode(f *testing.F) {
	b, err := Codec{}.Append(nil, goldenStruct(f))
	require.NoError(f, err)
	f.Add(b)
	f.Add(nested(1000, 3))
	f.Add(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), math.MaxUint64))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s *structpb.Struct
		var d *descriptorpb.DescriptorProto
		for _, ptr := range []any{&s, &d} {
			got := allocated(func() { _ = Codec{}.Decode(b, ptr) })
			// Two bytes can stand for an empty message of some hundred. Workers of the
			// fuzzer allocate beside this.
			require.Less(t, got, int64(len(b))*1000+32<<20)
		}
		if s != nil {
			again, err := Codec{}.Append(nil, s)
			require.NoError(t, err)
			var same *structpb.Struct
			require.NoError(t, Codec{}.Decode(again, &same))
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	s := goldenStruct(b)
	packed, err := Codec{}.Append(nil, s)
	require.NoError(b, err)
	dst := make([]byte, 0, 2*len(packed))
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Codec{}.Append(dst, s)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v *structpb.Struct
			_ = Codec{}.Decode(packed, &v)
		}
	})
}
