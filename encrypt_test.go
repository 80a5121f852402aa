package tiercache

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

func sealKey(id uint32, size int) SealKey {
	return SealKey{ID: id, Secret: bytes.Repeat([]byte{byte(id) + 0xa1}, size)}
}

func mustKeyRing(t testing.TB, primary SealKey, accepted ...SealKey) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(primary, accepted...)
	require.NoError(t, err)
	return r
}

func TestSealRoundTrip(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		r := mustKeyRing(t, sealKey(7, size))
		rapid.Check(t, func(t *rapid.T) {
			plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
			additional := rapid.SliceOf(rapid.Byte()).Draw(t, "additional")
			sealed := r.seal([]byte("head"), plain, additional)
			require.Equal(t, "head", string(sealed[:4]))
			require.Len(t, sealed[4:], len(plain)+sealOverhead)
			got, err := r.open([]byte("start"), sealed[4:], additional)
			require.NoError(t, err)
			assert.Equal(t, "start"+string(plain), string(got))
		})
	}
}

func TestSealDrawsNonces(t *testing.T) {
	r := mustKeyRing(t, sealKey(1, 32))
	seen := make(map[string]bool)
	for range 1000 {
		seen[string(r.seal(nil, []byte("value"), nil)[4:16])] = true
	}
	assert.Len(t, seen, 1000)
}

func TestOpenRefuses(t *testing.T) {
	r := mustKeyRing(t, sealKey(1, 32), sealKey(2, 32))
	sealed := r.seal(nil, []byte("value"), []byte("context"))
	refused := func(what string, b, additional []byte) {
		t.Helper()
		got, err := r.open(nil, b, additional)
		require.Equal(t, errSealed, err, what)
		assert.Nil(t, got)
	}
	for n := range sealed {
		refused("cut", sealed[:n], []byte("context"))
	}
	for i := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[i/8] ^= 1 << (i % 8)
		refused("bit flipped", bad, []byte("context"))
	}
	refused("one byte more", append(bytes.Clone(sealed), 0), []byte("context"))
	refused("other context", sealed, []byte("contexT"))
	refused("no context", sealed, nil)
	refused("other key of the ring", append([]byte{0, 0, 0, 2}, sealed[4:]...), []byte("context"))
	refused("unknown key", append([]byte{0, 0, 0, 3}, sealed[4:]...), []byte("context"))
}

func TestKeyRotation(t *testing.T) {
	old, next := sealKey(1, 16), sealKey(2, 32)
	a, b := mustKeyRing(t, old), mustKeyRing(t, old) // two processes
	readable := func(r *KeyRing, sealed []byte) bool {
		_, err := r.open(nil, sealed, nil)
		return err == nil
	}
	first := a.seal(nil, []byte("1"), nil)

	require.NoError(t, a.Replace(old, next))
	require.NoError(t, b.Replace(old, next))
	require.NoError(t, a.Replace(next, old))
	second := a.seal(nil, []byte("2"), nil)
	assert.Equal(t, []byte{0, 0, 0, 2}, second[:4])
	for _, r := range []*KeyRing{a, b} {
		assert.True(t, readable(r, first))
		assert.True(t, readable(r, second))
	}

	require.NoError(t, a.Replace(next))
	assert.False(t, readable(a, first), "the old key is dropped")
	assert.True(t, readable(a, second))

	require.Error(t, a.Replace(sealKey(3, 15)))
	assert.True(t, readable(a, second), "a failed Replace changes nothing")
	assert.Equal(t, "KeyRing(primary 2, 0 accepted)", a.String())
}

func TestReplaceBesideCalls(t *testing.T) {
	one, two := sealKey(1, 32), sealKey(2, 32)
	r := mustKeyRing(t, one, two)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 500 {
				got, err := r.open(nil, r.seal(nil, []byte("value"), nil), nil)
				assert.NoError(t, err)
				assert.Equal(t, "value", string(got))
			}
		})
	}
	for range 200 {
		require.NoError(t, r.Replace(two, one))
		require.NoError(t, r.Replace(one, two))
	}
	wg.Wait()
}

func TestNewKeyRingNamesFields(t *testing.T) {
	_, err := NewKeyRing(SealKey{ID: 1, Secret: []byte("hunter2")}, SealKey{}, sealKey(3, 16), sealKey(3, 32))
	for _, want := range []string{
		"tiercache: primary.Secret: 7 bytes, possible are 16, 24 and 32",
		"tiercache: accepted[0].Secret: 0 bytes",
		"tiercache: accepted[2].ID: 3 is the id of another key",
	} {
		require.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestKeyRingCopiesSecrets(t *testing.T) {
	k := sealKey(1, 32)
	r := mustKeyRing(t, k)
	sealed := r.seal(nil, []byte("value"), nil)
	clear(k.Secret)
	_, err := mustKeyRing(t, sealKey(1, 32)).open(nil, sealed, nil)
	require.NoError(t, err)
	_, err = r.open(nil, sealed, nil)
	require.NoError(t, err)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "0123456789abcdefsecretsecretsecr"
	k := SealKey{ID: 7, Secret: []byte(secret)}
	r := mustKeyRing(t, k)
	type config struct {
		Key  SealKey
		Ptr  *SealKey
		Keys []SealKey
		Ring *KeyRing
	}
	var out bytes.Buffer
	for _, v := range []any{k, &k, r, []SealKey{k}, config{k, &k, []SealKey{k}, r}, map[string]any{"k": k, "r": r}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("started", "v", v)
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
	}
	text := out.String()
	for _, leak := range []string{
		secret, secret[:8], hex.EncodeToString([]byte(secret))[:16], fmt.Sprintf("%X", secret)[:16],
		base64.StdEncoding.EncodeToString([]byte(secret))[:16], "48 49 50", "0x30, 0x31",
	} {
		assert.NotContains(t, text, leak)
	}
	assert.Contains(t, text, "SealKey(7)")
	assert.Contains(t, text, "KeyRing(primary 7, 0 accepted)")
	assert.Equal(t, "KeyRing(empty)", new(KeyRing).String())
}

func TestSealBindsHeaderAndKey(t *testing.T) {
	r := mustKeyRing(t, sealKey(1, 32))
	k := tier.NewKey("users", "42")
	env := func() *tier.Envelope {
		return &tier.Envelope{
			ID: tier.ID{1, 2, 3}, Codec: 2, Compressor: 1, Sealed: true, Generation: 5, TagDigest: 6,
			SoftExpiry: 7, Created: 8, CostMicros: 9, RawLength: 10, KeyDigest: k.Digest(),
			Tags: []tier.Tag{{Name: "a", Generation: 1}, {Name: "b", Generation: 2}},
		}
	}
	sealed := r.seal(nil, []byte("value"), sealContext(nil, env(), k))
	opens := func(e *tier.Envelope, k tier.Key) bool {
		got, err := r.open(nil, sealed, sealContext(nil, e, k))
		return err == nil && string(got) == "value"
	}
	require.True(t, opens(env(), k))

	for name, change := range map[string]func(*tier.Envelope){
		"id":             func(e *tier.Envelope) { e.ID[0]++ },
		"codec":          func(e *tier.Envelope) { e.Codec++ },
		"compressor":     func(e *tier.Envelope) { e.Compressor++ },
		"absent":         func(e *tier.Envelope) { e.Absent = true },
		"sealed":         func(e *tier.Envelope) { e.Sealed = false },
		"generation":     func(e *tier.Envelope) { e.Generation++ },
		"tag digest":     func(e *tier.Envelope) { e.TagDigest++ },
		"created":        func(e *tier.Envelope) { e.Created++ },
		"cost":           func(e *tier.Envelope) { e.CostMicros++ },
		"raw length":     func(e *tier.Envelope) { e.RawLength++ },
		"key digest":     func(e *tier.Envelope) { e.KeyDigest++ },
		"a tag's name":   func(e *tier.Envelope) { e.Tags[0].Name = "c" },
		"a generation":   func(e *tier.Envelope) { e.Tags[1].Generation++ },
		"order of tags":  func(e *tier.Envelope) { e.Tags[0], e.Tags[1] = e.Tags[1], e.Tags[0] },
		"number of tags": func(e *tier.Envelope) { e.Tags = e.Tags[:1] },
	} {
		e := env()
		change(e)
		assert.False(t, opens(e, k), name)
	}
	for _, other := range []tier.Key{
		tier.NewKey("users", "43"), tier.NewKey("user", "s42"), tier.NewKey("users4", "2"),
		tier.NewKey("", "users42"), tier.NewKey("orders", "42"), tier.NewKey("users", ""),
	} {
		assert.False(t, opens(env(), other), "%q %q", other.Space, other.ID)
	}
	e := env()
	e.SoftExpiry = 1 << 40
	assert.True(t, opens(e, k), "scripts move the soft expiry in place")

	frame := tier.AppendEnvelope(nil, func() *tier.Envelope { e := env(); e.Payload = sealed; return e }())
	parsed, err := tier.ParseEnvelope(frame)
	require.NoError(t, err)
	got, err := r.open(nil, parsed.Payload, sealContext(nil, &parsed, k))
	require.NoError(t, err)
	assert.Equal(t, "value", string(got))
}

func TestGoldenOpen(t *testing.T) {
	r := mustKeyRing(t, sealKey(9, 32), sealKey(0x01020304, 32))
	sealed := golden(t, "v1.sealed")
	require.Equal(t, []byte{1, 2, 3, 4}, sealed[:4])
	got, err := r.open(nil, sealed, []byte("context"))
	require.NoError(t, err)
	assert.Equal(t, "value of release 1", string(got))
}

func FuzzOpenSealed(f *testing.F) {
	r, err := NewKeyRing(sealKey(1, 32), sealKey(2, 16))
	require.NoError(f, err)
	good := r.seal(nil, []byte("value"), []byte("context"))
	f.Add(good, []byte("contexT"))
	f.Add(good[:31], []byte("context"))
	f.Add([]byte{0, 0, 0, 2}, []byte(nil))
	f.Add(make([]byte, 32), []byte(nil))
	f.Fuzz(func(t *testing.T, sealed, additional []byte) {
		got, err := r.open(nil, sealed, additional)
		if err == nil { // of this process or another one of the fuzzer
			require.Equal(t, "value", string(got))
			require.Equal(t, "context", string(additional))
			return
		}
		require.ErrorIs(t, err, errSealed)
		require.Nil(t, got)
	})
}

func BenchmarkSeal(b *testing.B) {
	r := mustKeyRing(b, sealKey(1, 32))
	for _, size := range []int{132, 1 << 10, 16 << 10, 256 << 10} {
		plain, additional := randomBytes(size, 1), make([]byte, 100)
		sealed := r.seal(nil, plain, additional)
		dst := make([]byte, 0, len(sealed))
		b.Run(fmt.Sprintf("seal/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				r.seal(dst, plain, additional)
			}
		})
		b.Run(fmt.Sprintf("open/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				_, _ = r.open(dst, sealed, additional)
			}
		})
	}
}
