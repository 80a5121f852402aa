package tiercache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// FuzzOpen hands Engine.open any bytes at all. It must not panic, must say ErrCorrupt or
// ErrNewer, and what it does open must survive being sealed and opened again.
//
// With mend, the version, the key's digest and the checksum are made right first, as by an
// attacker who knows the format: without that the fuzzer would not get past the checksum.
func FuzzOpen(f *testing.F) {
	files := goldens()
	engines, caches := make([]*Engine, len(files)), make([]hidden, len(files))
	for i := range files {
		engines[i], caches[i] = files[i].engine(f, func(cfg *Config) { cfg.MaxValueBytes = 4 << 20 })
		for n := range files {
			f.Add(byte(i), i != n, files[n].frame(f))
		}
	}
	f.Add(byte(0), true, append([]byte("tc\x01\x01"), make([]byte, 200)...))
	f.Add(byte(0), false, newer(make([]byte, 200), 9))
	f.Fuzz(func(t *testing.T, which byte, mend bool, frame []byte) {
		i := int(which) % len(files)
		e, c := engines[i], caches[i]
		if mend && len(frame) >= wireHeader {
			frame = bytes.Clone(frame)
			copy(frame, "tc\x01")
			binary.BigEndian.PutUint64(frame[wireDigest:], c.key.Digest())
			frame = reforged(frame)
		}
		before := bytes.Clone(frame)
		entry, err := e.open(c.job, c.key, frame)
		require.Equal(t, before, frame, "open must not alter what it reads")
		if err != nil {
			require.True(t, errors.Is(err, tier.ErrCorrupt) || errors.Is(err, tier.ErrNewer), "%v", err)
			return
		}
		again := &prepared{entry: entry}
		if !entry.Absent {
			again.raw, err = c.encode(c.value(entry))
			require.NoError(t, err)
			if len(again.raw) > e.cfg.MaxValueBytes {
				return // a codec may need more bytes than the one who wrote the frame
			}
		}
		reopened, err := e.open(c.job, c.key, e.seal(c.job, again))
		require.NoError(t, err)
		require.True(t, sameValue(c.value(entry), c.value(reopened)), "%v became %v", c.value(entry), c.value(reopened))
		require.Equal(t, entry.Absent, reopened.Absent)
		require.Equal(t, entry.Created, reopened.Created)
		require.Equal(t, entry.Cost, reopened.Cost)
		require.Equal(t, entry.ID, reopened.ID)
		require.Equal(t, entry.Generation, reopened.Generation)
		require.Equal(t, entry.Tags, reopened.Tags)
	})
}
