package l1

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func TestDefaults(t *testing.T) {
	cfg := Config{}.withDefaults()
	require.EqualValues(t, 64<<20, cfg.MaxBytes)
	require.EqualValues(t, 8<<20, cfg.MaxEntryBytes)
	require.EqualValues(t, 1<<20, cfg.Counters)
	require.Equal(t, time.Minute, cfg.SweepEvery)
	require.InDelta(t, time.Now().UnixNano(), cfg.Now(), float64(time.Minute))
}

func TestConfigErrorsNameTheField(t *testing.T) {
	_, err := New(Config{MaxBytes: -1, MaxEntryBytes: -2, Counters: -3})
	require.EqualError(t, err, `l1: Config.MaxBytes: -1 is negative; leave it 0 for the default of 64 MiB
l1: Config.MaxEntryBytes: -2 is negative; leave it 0 for an eighth of MaxBytes
l1: Config.Counters: -3 is negative; leave it 0 for one per 64 bytes of MaxBytes`)

	_, err = New(Config{MaxBytes: 100})
	require.ErrorContains(t, err, "l1: Config.MaxBytes: 100 has no room for one entry; at least ")
	_, err = New(Config{MaxBytes: 1 << 20, MaxEntryBytes: 1 << 20})
	require.ErrorContains(t, err, "l1: Config.MaxEntryBytes: 1048576 does not fit into MaxBytes 1048576")
}

func TestSmallestConfig(t *testing.T) {
	c := manual(t, Config{MaxBytes: minMaxBytes, Counters: 1})
	e := &tier.Entry{Key: key(1), Size: 1}
	c.Set(e)
	c.applyAll()
	require.Same(t, e, c.inStore(key(1)))
}

func TestMaxEntryBytes(t *testing.T) {
	c := manual(t, Config{MaxEntryBytes: 1000})
	sized := func(size int64) *tier.Entry { return &tier.Entry{Key: key(1), Size: size} }
	for _, applied := range []bool{false, true} {
		fits := sized(1000)
		c.Set(fits)
		if applied {
			c.applyAll()
		}
		wantHit(t, c, fits, "as large as allowed")
		c.Set(sized(1001))
		wantMiss(t, c, key(1), "too large")
		c.applyAll()
		wantMiss(t, c, key(1), "too large, applied")
	}
	huge := sized(1<<63 - 1) // would overflow with the overhead
	c.Set(huge)
	wantMiss(t, c, key(1), "of any size")
	for _, size := range []int64{0, -5} {
		e := sized(size)
		c.Set(e)
		c.applyAll()
		require.EqualValues(t, 1+EntryOverhead, c.Usage().Bytes, "a size below one counts as one")
	}
	c.Set(nil)
}

func TestLargestEntryIsStored(t *testing.T) {
	cfg := Config{MaxBytes: 1 << 20}
	cfg.MaxEntryBytes = cfg.largestEntry()
	c := manual(t, cfg)
	e := &tier.Entry{Key: key(1), Size: cfg.MaxEntryBytes}
	c.Set(e)
	c.applyAll()
	require.Same(t, e, c.inStore(key(1)))
	require.LessOrEqual(t, c.Usage().Bytes, c.Usage().MaxBytes)
}
