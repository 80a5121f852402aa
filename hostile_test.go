package tiercache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

// Layout of an envelope of version 1, as far as these tests aim at parts of it.
const (
	wireVersion = 2
	wireFlags   = 3
	wireCodec   = 4
	wireSoft    = tier.SoftExpiryOffset
	wireRawSize = 60
	wireDigest  = 64
	wireCheck   = 72
	wireHeader  = 76
)

// fate is what must become of bytes that lie where a value should be.
type fate int

const (
	discarded fate = iota // a counted miss, and overwritten
	leftAlone             // a counted miss of a newer version: not overwritten
	tolerated             // no error, and no value but the stored or the computed one
	survived              // anything but an error: the bytes were forged with care
)

// victim is an engine that finds hostile bytes in L2. It has no L1 that would hide them.
type victim struct {
	g     *goldenFile
	e     *Engine
	m     *tiertest.Memory
	c     hidden
	count int // of bytes met
}

func newVictim(t testing.TB, g *goldenFile) *victim {
	t.Helper()
	v := &victim{g: g, m: tiertest.NewMemory(0)}
	v.e, v.c = g.engine(t, func(cfg *Config) { cfg.L2 = v.m })
	return v
}

// meets has GetOrCompute meet the bytes and, one time in eight, the other kinds of reads.
// It must run in a synctest bubble.
func (v *victim) meets(t *testing.T, bad []byte, want fate, what string, args ...any) {
	note := append([]any{what}, args...)
	if v.count++; v.count%8 == 1 {
		v.m.Put(v.c.key, bad, time.Hour)
		if _, err := v.c.get(t.Context()); want <= leftAlone {
			require.ErrorIs(t, err, ErrMiss, note...)
		}
		v.meetsIn(t, v.c.batch, bad, want, note)
	}
	v.meetsIn(t, v.c.getOrCompute, bad, want, note)
}

func (v *victim) meetsIn(t *testing.T, ask func(context.Context) (any, error), bad []byte, want fate, note []any) {
	v.m.Put(v.c.key, bad, time.Hour)
	before := v.e.Stats().Total
	got, err := ask(t.Context())
	synctest.Wait() // until the flight has written
	after := v.e.Stats().Total
	require.Zero(t, after.Failed, note...)
	switch want {
	case discarded, leftAlone:
		require.NoError(t, err, note...)
		require.True(t, sameValue(v.g.other, got), note...)
		require.EqualValues(t, 1, after.Corrupt-before.Corrupt, note...)
		require.EqualValues(t, 1, after.Computes-before.Computes, note...)
		stored, _ := v.m.Raw(v.c.key)
		if want == leftAlone {
			require.Equal(t, bad, stored, note...)
			return
		}
		entry, err := v.e.open(v.c.job, v.c.key, stored)
		require.NoError(t, err, note...)
		require.True(t, sameValue(v.g.other, v.c.value(entry)), note...)
	case tolerated:
		if v.g.absent && errors.Is(err, ErrNotFound) {
			return
		}
		require.NoError(t, err, note...)
		require.True(t, sameValue(v.g.want, got) || sameValue(v.g.other, got), note...)
	case survived:
		if !errors.Is(err, ErrNotFound) {
			require.NoError(t, err, note...)
		}
	}
}

// fateOfFlip tells what one flipped bit must lead to if the checksum is as it was.
func fateOfFlip(frame []byte, bit int) fate {
	switch at := bit / 8; {
	case at == wireVersion && flipped(frame, bit)[wireVersion] > tier.EnvelopeVersion:
		return leftAlone
	case at >= wireSoft && at < wireSoft+8:
		return tolerated // scripts overwrite it in place: no checksum covers it
	}
	return discarded
}

func flipped(frame []byte, bit int) []byte {
	bad := bytes.Clone(frame)
	bad[bit/8] ^= 1 << (bit % 8)
	return bad
}

func TestEveryFlippedBitIsAMiss(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frame, v := g.frame(t), newVictim(t, &g)
				for bit := range len(frame) * 8 {
					v.meets(t, flipped(frame, bit), fateOfFlip(frame, bit), "bit %d of byte %d", bit%8, bit/8)
				}
			})
		})
	}
}

func TestEveryTruncationIsAMiss(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frame, v := g.frame(t), newVictim(t, &g)
				for n := range frame {
					v.meets(t, frame[:n], discarded, "cut to %d of %d", n, len(frame))
				}
				v.meets(t, append(bytes.Clone(frame), 0), discarded, "one byte more")
				v.meets(t, append(bytes.Clone(frame), frame...), discarded, "twice")
			})
		})
	}
}

// reforged returns frame with the checksum that belongs to it, which anybody can compute.
func reforged(frame []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, frame[:wireSoft])
	sum = crc32.Update(sum, table, frame[wireSoft+8:wireCheck])
	sum = crc32.Update(sum, table, frame[wireCheck+4:])
	out := bytes.Clone(frame)
	binary.BigEndian.PutUint32(out[wireCheck:], sum)
	return out
}

// With the checksum made right, every altered bit of a sealed value is still a miss. Of one
// that is not sealed no bit makes an error or a panic, and those that say whose value it
// is, in which codec and how long, are misses.
func TestForgedBits(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frame, v := g.frame(t), newVictim(t, &g)
				require.Equal(t, frame, reforged(frame))
				for bit := range len(frame) * 8 {
					want := survived
					switch at := bit / 8; {
					case at >= wireCheck && at < wireHeader:
						continue // nothing would be altered
					case at <= wireVersion, at >= wireSoft && at < wireSoft+8, g.sealed, at >= wireDigest && at < wireCheck:
						want = fateOfFlip(frame, bit)
					case !g.absent && (at == wireCodec || at >= wireRawSize && at < wireDigest):
						want = discarded
					}
					v.meets(t, reforged(flipped(frame, bit)), want, "bit %d of byte %d", bit%8, bit/8)
				}
			})
		})
	}
}

// The soft expiry can be any number: another client may set it, and scripts do.
func TestAnySoftExpiry(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frame, v := g.frame(t), newVictim(t, &g)
				now := uint64(time.Now().UnixMilli())
				for _, soft := range []uint64{0, 1, now - 1, now, now + 1, 9_223_372_036_854, 9_223_372_036_855, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
					bad := bytes.Clone(frame)
					binary.BigEndian.PutUint64(bad[wireSoft:], soft)
					v.meets(t, bad, tolerated, "soft expiry %d", soft)
				}
			})
		})
	}
}

// Bytes that never were an envelope.
func TestNoEnvelopeIsAMiss(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVictim(t, &g)
				for what, bad := range map[string][]byte{
					"nothing":            {},
					"null":               {0},
					"text":               []byte("hello, world"),
					"JSON":               []byte(`{"id":1,"name":"someone else's cache"}`),
					"the magic alone":    []byte("tc\x01"),
					"version 0":          append([]byte("tc\x00"), make([]byte, 200)...),
					"zeros":              make([]byte, 4096),
					"ones":               bytes.Repeat([]byte{0xff}, 4096),
					"a gob":              {0x0d, 0x7f, 0x04, 0x01, 0x02, 0xff, 0x80, 0x00, 0x01, 0x0c, 0x01, 0x10, 0x00, 0x00},
					"65535 tags claimed": reforged(append([]byte("tc\x01\x00\x01\x00\xff\xff"), make([]byte, 200)...)),
				} {
					v.meets(t, bad, discarded, "%s", what)
				}
			})
		})
	}
}
