package tier_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// golden returns what the files in testdata/envelope hold, by name.
func golden() map[string]tier.Envelope {
	var id1, id2, id3, id4 tier.ID
	for i := range id1 {
		id1[i], id2[i], id3[i], id4[i] = byte(i+1), byte(16-i), 0xff, 1
	}
	most := make([]tier.Tag, 64)
	for i := range most {
		most[i] = tier.Tag{Name: fmt.Sprint("t", i), Generation: uint64(i)}
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return map[string]tier.Envelope{
		"v1-empty": {Payload: []byte{}},
		"v1-plain": {
			ID: id1, Codec: 1, Generation: 7, SoftExpiry: 1767225660000, Created: 1767225600000,
			CostMicros: 2500, RawLength: 15, KeyDigest: 0x8dac7502debad2ae, Payload: []byte(`{"name":"Alice"`),
		},
		"v1-absent": {
			ID: id2, Codec: 1, Absent: true, Generation: 1, SoftExpiry: 1767225605000, Created: 1767225600000,
			CostMicros: 900, KeyDigest: 0xf7f7def8069459d6, Payload: []byte{},
		},
		"v1-tags": {
			ID: id3, Codec: 2, Compressor: 1, Sealed: true, Generation: 1<<64 - 1, TagDigest: 0xfedcba9876543210,
			SoftExpiry: 9223372036854, Created: 9223372036854, // the last that fit as nanoseconds
			CostMicros: 1<<32 - 1, RawLength: 1<<32 - 1, KeyDigest: 1<<64 - 1,
			Tags:    []tier.Tag{{Name: "user:42", Generation: 3}, {Name: "\x00\r\n\xff", Generation: 1 << 63}, {Name: strings.Repeat("x", 255)}},
			Payload: every,
		},
		"v1-most-tags": {ID: id4, Codec: 1, Tags: most, Payload: []byte("!")},
	}
}

func readGolden(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "envelope", name+".hex"))
	require.NoError(tb, err)
	frame, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(tb, err)
	return frame
}

func TestEnvelopeBytesAreThoseOfEveryRelease(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "envelope", "*.hex"))
	require.NoError(t, err)
	assert.Len(t, files, len(golden()), "a file without a test, or the other way round")
	for name, want := range golden() {
		frame := readGolden(t, name)
		got, err := tier.ParseEnvelope(frame)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
		require.NoError(t, tier.CheckTags(got.Tags), name)
		assert.Equal(t, frame, tier.AppendEnvelope(nil, &want), name)
	}
}

func TestEveryTruncationIsCorrupt(t *testing.T) {
	t.Parallel()
	for name := range golden() {
		frame := readGolden(t, name)
		for n := range frame {
			_, err := tier.ParseEnvelope(frame[:n])
			require.ErrorIs(t, err, tier.ErrCorrupt, "%s cut to %d", name, n)
		}
		_, err := tier.ParseEnvelope(append(frame, 0))
		require.ErrorIs(t, err, tier.ErrCorrupt, "%s with a byte more", name)
	}
}

func TestEveryBitFlipIsNoticed(t *testing.T) {
	t.Parallel()
	const version = 2 // the offset
	for name, whole := range golden() {
		frame := readGolden(t, name)
		for bit := range 8 * len(frame) {
			at := bit / 8
			frame[at] ^= 1 << (bit % 8)
			got, err := tier.ParseEnvelope(frame)
			switch {
			case at == version && frame[at] > tier.EnvelopeVersion:
				// Such a flip cannot be told from a newer release. The bytes stay until their
				// ttl ends, which is the price of not destroying what newer releases wrote.
				require.ErrorIs(t, err, tier.ErrNewer, "%s, bit %d", name, bit)
			case at >= tier.SoftExpiryOffset && at < tier.SoftExpiryOffset+8 && err == nil:
				// Scripts overwrite this field: nothing can be known of it but its range.
				assert.NotEqual(t, whole.SoftExpiry, got.SoftExpiry)
				got.SoftExpiry = whole.SoftExpiry
				assert.Equal(t, whole, got, "%s, bit %d", name, bit)
			default:
				require.ErrorIs(t, err, tier.ErrCorrupt, "%s, bit %d", name, bit)
			}
			frame[at] ^= 1 << (bit % 8)
		}
	}
}
