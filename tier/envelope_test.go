package tier_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

// Offsets the tests need besides the exported ones.
const (
	flagsAt  = 3
	tagsAt   = 6
	checkAt  = 72
	header   = 76
	maxTime  = math.MaxInt64 / 1_000_000
	manyTags = 64
)

// check gives frame, which must have a whole header, the checksum it needs to be believed.
func check(frame []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	covered := bytes.Join([][]byte{frame[:tier.SoftExpiryOffset], frame[tier.SoftExpiryOffset+8 : checkAt], frame[header:]}, nil)
	binary.BigEndian.PutUint32(frame[checkAt:], crc32.Checksum(covered, table))
	return frame
}

func anyEnvelope() *rapid.Generator[tier.Envelope] {
	return rapid.Custom(func(t *rapid.T) tier.Envelope {
		e := tier.Envelope{
			Codec:      rapid.Byte().Draw(t, "codec"),
			Compressor: rapid.Byte().Draw(t, "compressor"),
			Absent:     rapid.Bool().Draw(t, "absent"),
			Sealed:     rapid.Bool().Draw(t, "sealed"),
			Generation: rapid.Uint64().Draw(t, "generation"),
			TagDigest:  rapid.Uint64().Draw(t, "tag digest"),
			SoftExpiry: rapid.Int64Range(0, maxTime).Draw(t, "soft expiry"),
			Created:    rapid.Int64Range(0, maxTime).Draw(t, "created"),
			CostMicros: rapid.Uint32().Draw(t, "cost"),
			RawLength:  rapid.Uint32().Draw(t, "raw length"),
			KeyDigest:  rapid.Uint64().Draw(t, "key digest"),
			Payload:    rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), len(e.ID), len(e.ID)).Draw(t, "id"))
		for range rapid.IntRange(0, 5).Draw(t, "tags") {
			name := rapid.SliceOfN(rapid.Byte(), 1, 255).Draw(t, "name")
			e.Tags = append(e.Tags, tier.Tag{Name: string(name), Generation: rapid.Uint64().Draw(t, "tag generation")})
		}
		return e
	})
}

func TestEnvelopeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEnvelope().Draw(t, "envelope")
		dst := rapid.SliceOf(rapid.Byte()).Draw(t, "dst")
		all := tier.AppendEnvelope(bytes.Clone(dst), &e)
		assert.True(t, bytes.HasPrefix(all, dst))

		frame := all[len(dst):]
		assert.Equal(t, e.ID[:], frame[tier.IDOffset:tier.IDOffset+len(e.ID)])
		assert.Equal(t, uint64(e.SoftExpiry), binary.BigEndian.Uint64(frame[tier.SoftExpiryOffset:]))
		got, err := tier.ParseEnvelope(frame)
		require.NoError(t, err)
		assert.Equal(t, e, got)

		// A script in the store overwrites the soft expiry, and only that.
		e.SoftExpiry = rapid.Int64Range(0, maxTime).Draw(t, "new soft expiry")
		binary.BigEndian.PutUint64(frame[tier.SoftExpiryOffset:], uint64(e.SoftExpiry))
		got, err = tier.ParseEnvelope(frame)
		require.NoError(t, err)
		assert.Equal(t, e, got)
	})
}

func TestPayloadIsAViewIntoTheFrame(t *testing.T) {
	t.Parallel()
	frame := tier.AppendEnvelope(nil, &tier.Envelope{Tags: []tier.Tag{{Name: "tag"}}, Payload: []byte("payload")})
	e, err := tier.ParseEnvelope(frame)
	require.NoError(t, err)
	frame[len(frame)-1] = '!'
	assert.Equal(t, "payloa!", string(e.Payload))
	clear(frame)
	assert.Equal(t, "tag", e.Tags[0].Name, "tags are copies: they outlive the frame")
}

func TestParseRefusesWhatAChecksumCannotShow(t *testing.T) {
	t.Parallel()
	base := tier.Envelope{Tags: []tier.Tag{{Name: "ab"}}, Payload: []byte("payload")}
	nothing := []byte{}
	for name, alter := range map[string]func(frame []byte) []byte{
		"unknown flags":             func(f []byte) []byte { f[flagsAt] |= 4; return f },
		"highest flag":              func(f []byte) []byte { f[flagsAt] |= 128; return f },
		"version 0":                 func(f []byte) []byte { f[2] = 0; return f },
		"negative soft expiry":      func(f []byte) []byte { f[tier.SoftExpiryOffset] = 0x80; return f },
		"overflowing soft expiry":   func(f []byte) []byte { binary.BigEndian.PutUint64(f[tier.SoftExpiryOffset:], maxTime+1); return f },
		"negative created":          func(f []byte) []byte { f[48] = 0x80; return f },
		"overflowing created":       func(f []byte) []byte { binary.BigEndian.PutUint64(f[48:], maxTime+1); return f },
		"a tag too many":            func(f []byte) []byte { f[tagsAt+1]++; return f },
		"a tag of no bytes":         func(f []byte) []byte { f[header+1] = 0; return f },
		"a tag beyond the end":      func(f []byte) []byte { f[header+1] = 20; return f },
		"a tag of 256 bytes":        func(f []byte) []byte { f[header] = 1; return append(f, make([]byte, 512)...) },
		"cut in a tag's generation": func(f []byte) []byte { return f[:header+2+2+7] },
		"cut in a tag's length":     func(f []byte) []byte { return f[:header+1] },
		"cut before the tags":       func(f []byte) []byte { return f[:header] },
		"65 tags": func(f []byte) []byte {
			f[tagsAt+1] = 65
			return append(f[:header], bytes.Repeat([]byte{0, 1, 't', 0, 0, 0, 0, 0, 0, 0, 0}, 65)...)
		},
	} {
		_, err := tier.ParseEnvelope(check(alter(tier.AppendEnvelope(nothing, &base))))
		require.ErrorIs(t, err, tier.ErrCorrupt, name)
	}
}

func TestParseTellsNewerVersions(t *testing.T) {
	t.Parallel()
	frame := tier.AppendEnvelope(nil, &tier.Envelope{Payload: []byte("payload")})
	for version := tier.EnvelopeVersion + 1; version < 256; version++ {
		frame[2] = byte(version)
		for _, f := range [][]byte{frame, frame[:3], check(bytes.Clone(frame))} {
			_, err := tier.ParseEnvelope(f)
			require.ErrorIs(t, err, tier.ErrNewer, "version %d", version)
			require.NotErrorIs(t, err, tier.ErrCorrupt, "it would be overwritten")
		}
	}
	frame[0] = 'T'
	_, err := tier.ParseEnvelope(frame)
	require.ErrorIs(t, err, tier.ErrCorrupt, "another magic")
}

func TestCheckTags(t *testing.T) {
	t.Parallel()
	tags := func(n, size int) []tier.Tag {
		tags := make([]tier.Tag, n)
		for i := range tags {
			tags[i].Name = strings.Repeat("t", size)
		}
		return tags
	}
	require.NoError(t, tier.CheckTags(nil))
	require.NoError(t, tier.CheckTags(tags(1, 1)))
	require.NoError(t, tier.CheckTags(tags(manyTags, 255)))
	require.ErrorContains(t, tier.CheckTags(tags(manyTags+1, 1)), "65 tags")
	require.ErrorContains(t, tier.CheckTags(tags(1, 0)), "0 bytes")
	require.ErrorContains(t, tier.CheckTags(append(tags(2, 1), tags(1, 256)...)), "256 bytes")

	// What it lets through survives the trip, the largest included.
	e := tier.Envelope{Tags: tags(manyTags, 255), Payload: []byte{}}
	got, err := tier.ParseEnvelope(tier.AppendEnvelope(nil, &e))
	require.NoError(t, err)
	assert.Equal(t, e, got)
}

func TestSealCoversAllButSoftExpiryAndPayload(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEnvelope().Draw(t, "envelope")
		sealed := e.AppendSealed(nil)
		assert.Equal(t, append([]byte("dst"), sealed...), e.AppendSealed([]byte("dst")))

		moved := e
		moved.SoftExpiry = rapid.Int64Range(0, maxTime).Draw(t, "new soft expiry")
		moved.Payload = rapid.SliceOf(rapid.Byte()).Draw(t, "new payload")
		assert.Equal(t, sealed, moved.AppendSealed(nil))

		for name, alter := range map[string]func(e *tier.Envelope){
			"id":          func(e *tier.Envelope) { e.ID[15]++ },
			"codec":       func(e *tier.Envelope) { e.Codec++ },
			"compressor":  func(e *tier.Envelope) { e.Compressor++ },
			"absent":      func(e *tier.Envelope) { e.Absent = !e.Absent },
			"sealed":      func(e *tier.Envelope) { e.Sealed = !e.Sealed },
			"generation":  func(e *tier.Envelope) { e.Generation++ },
			"tag digest":  func(e *tier.Envelope) { e.TagDigest++ },
			"created":     func(e *tier.Envelope) { e.Created++ },
			"cost":        func(e *tier.Envelope) { e.CostMicros++ },
			"raw length":  func(e *tier.Envelope) { e.RawLength++ },
			"key digest":  func(e *tier.Envelope) { e.KeyDigest++ },
			"another tag": func(e *tier.Envelope) { e.Tags = append(slices.Clip(e.Tags), tier.Tag{Name: "t"}) },
		} {
			other := e
			alter(&other)
			assert.NotEqual(t, sealed, other.AppendSealed(nil), name)
		}
	})
}

func TestErrorsAreDifferent(t *testing.T) {
	t.Parallel()
	all := []error{tier.ErrMiss, tier.ErrCorrupt, tier.ErrNewer, tier.ErrClosed}
	for i, a := range all {
		for j, b := range all {
			assert.Equal(t, i == j, errors.Is(a, b), "%v, %v", a, b)
		}
	}
}

func FuzzParseEnvelope(f *testing.F) {
	for name := range golden() {
		f.Add(readGolden(f, name))
	}
	f.Add([]byte{})
	f.Add([]byte("tc\x02 of a newer version"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		parse(t, frame)
		if len(frame) >= header {
			parse(t, check(bytes.Clone(frame))) // nearly nothing gets past the checksum by chance
		}
	})
}

// parse fails t unless frame is refused or is the one way to write what it says.
func parse(t *testing.T, frame []byte) {
	t.Helper()
	e, err := tier.ParseEnvelope(frame)
	if err != nil {
		if !errors.Is(err, tier.ErrCorrupt) && !errors.Is(err, tier.ErrNewer) {
			t.Fatalf("an error of neither kind: %v", err)
		}
		return
	}
	if err := tier.CheckTags(e.Tags); err != nil {
		t.Fatal(err)
	}
	if again := tier.AppendEnvelope(nil, &e); !bytes.Equal(again, frame) {
		t.Fatalf("%x\nwas parsed as %+v, which is written as\n%x", frame, e, again)
	}
}

// The tests below count allocations, which no other test may do meanwhile: no t.Parallel.

func TestParseAllocatesForTagsOnly(t *testing.T) {
	tag := []byte{0, 1, 't', 0, 0, 0, 0, 0, 0, 0, 0}
	hostile := func(count int, body []byte) []byte {
		frame := append(tier.AppendEnvelope(nil, &tier.Envelope{}), body...)
		binary.BigEndian.PutUint16(frame[tagsAt:], uint16(count))
		return check(frame)
	}
	for name, c := range map[string]struct {
		frame []byte
		most  float64
	}{
		"no tags, large payload":          {hostile(0, make([]byte, 1<<20)), 0},
		"65535 tags, nothing there":       {hostile(math.MaxUint16, nil), 0},
		"65535 tags, all there":           {hostile(math.MaxUint16, bytes.Repeat(tag, math.MaxUint16)), 0},
		"65 tags, all there":              {hostile(65, bytes.Repeat(tag, 65)), 0},
		"64 tags, nothing there":          {hostile(manyTags, nil), 0},
		"64 tags, a byte short":           {hostile(manyTags, bytes.Repeat(tag, manyTags)[1:]), 0},
		"64 tags, all of no bytes":        {hostile(manyTags, make([]byte, 11*manyTags)), 1},
		"64 tags":                         {hostile(manyTags, bytes.Repeat(tag, manyTags)), 1 + manyTags},
		"broken checksum over many tags":  {append(hostile(manyTags, bytes.Repeat(tag, manyTags)), 0), 0},
		"newer version with 1 MiB behind": {append([]byte("tc\x02"), make([]byte, 1<<20)...), 0},
	} {
		allocs := testing.AllocsPerRun(10, func() { _, _ = tier.ParseEnvelope(c.frame) })
		assert.LessOrEqual(t, allocs, c.most, name)
	}
}
