//go:build !race

package l1

import (
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

// TestEntryOverhead measures what EntryOverhead stands for: the growth of the heap per
// entry, the bytes of key and value excluded. It depends on how full the tables of
// ristretto's maps are and how much has come and gone in them, so it is taken at several
// levels, each time when new and after the entries have been replaced by others four
// times. Run it with -v to see the figures.
func TestEntryOverhead(t *testing.T) {
	const id = 8
	var low, high, sum, n int64 = 1 << 62, 0, 0, 0
	measured := func(c *Cache, empty int64, when string) {
		held := c.Usage().Entries
		each := (heap()-empty)/held - id
		t.Logf("%7d entries, %s: %d bytes each", held, when, each)
		low, high, sum, n = min(low, each), max(high, each), sum+each, n+1
	}
	for _, level := range []int64{20_000, 28_000, 40_000, 56_000, 80_000, 112_000} {
		budget := level * (1 + EntryOverhead) * stagedShare / (stagedShare - 1)
		c := manual(t, Config{MaxBytes: budget, Counters: minCounters})
		empty := heap() // with the tables of fixed size
		next := int64(0)
		insert := func(count int64) {
			for end := next + count; next < end; next++ {
				c.Set(&tier.Entry{Key: testSpace.Key(strconv.FormatInt(10_000_000+next, 10)), Size: 1})
			}
			c.applyAll()
		}
		insert(level)
		measured(c, empty, "new")
		insert(4 * level)
		measured(c, empty, "after churn")
		require.NoError(t, c.Close())
	}
	t.Logf("%d to %d bytes, %d on average, of which the Entry takes %d; EntryOverhead is %d",
		low, high, sum/n, unsafe.Sizeof(tier.Entry{}), EntryOverhead)
	require.InEpsilon(t, EntryOverhead, high, 0.2)
}

// heap returns the live bytes on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
