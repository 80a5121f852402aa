package l1

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func TestSetShowsBeforeItIsApplied(t *testing.T) {
	c := manual(t, Config{})
	c.maxStaged = 1 << 30
	for i := range 2 * slotCount { // some share a slot
		c.Set(entry(key(i), 1))
	}
	for i := range 2 * slotCount {
		e := entry(key(i), 2)
		c.Set(e)
		wantHit(t, c, e, "after the second Set")
	}
	require.EqualValues(t, 2*slotCount, c.Usage().Entries)
	require.Len(t, c.staging.collect(nil), 2*slotCount)
}

func TestDeleteShowsBeforeItIsApplied(t *testing.T) {
	c := manual(t, Config{})
	c.Set(entry(key(1), 1))
	c.applyAll()
	require.NotNil(t, c.inStore(key(1)))
	c.Delete(key(1))
	wantMiss(t, c, key(1), "ristretto holds it still")
	c.applyAll()
	require.Nil(t, c.inStore(key(1)))
	require.Zero(t, c.Usage().Entries)
	require.Zero(t, c.Usage().Bytes)
}

// A Delete comes while the entry is on its way into ristretto.
func TestDeleteHidesWhatIsOnItsWay(t *testing.T) {
	c := manual(t, Config{})
	c.Set(entry(key(1), 1))
	batch := c.staging.collect(nil)
	c.Delete(key(1))
	wantMiss(t, c, key(1), "before it arrives")
	c.move(batch)
	wantMiss(t, c, key(1), "when it has arrived")
	c.applyAll()
	wantMiss(t, c, key(1), "when the tombstone has been applied")
	require.Nil(t, c.inStore(key(1)))
}

// A Set comes while an earlier entry, or a tombstone, is on its way into ristretto.
func TestLaterWriteOutlivesTheRound(t *testing.T) {
	for _, first := range []string{"set", "delete"} {
		t.Run(first, func(t *testing.T) {
			c := manual(t, Config{})
			c.Set(entry(key(1), 1))
			if first == "delete" {
				c.applyAll()
				c.Delete(key(1))
			}
			batch := c.staging.collect(nil)
			later := entry(key(1), 2)
			c.Set(later)
			c.move(batch)
			wantHit(t, c, later, "after the round of the earlier write")
			c.applyAll()
			wantHit(t, c, later, "after its own round")
			require.Same(t, later, c.inStore(key(1)))
		})
	}
}

// Ristretto keeps the older of two Sets of a new key that meet in its buffer.
func TestSetTwiceLeavesTheLaterInTheStore(t *testing.T) {
	c := manual(t, Config{})
	for i := range 1000 {
		c.Set(entry(key(i), 1))
		c.Set(entry(key(i), 2))
	}
	c.applyAll()
	for i := range 1000 {
		e := c.inStore(key(i))
		require.NotNil(t, e)
		require.EqualValues(t, 2, e.Stamp)
	}
}

func TestDeleteOfNothingStagesNothing(t *testing.T) {
	c := manual(t, Config{})
	for i := range 1000 {
		c.Delete(key(i))
	}
	require.Zero(t, c.staging.bytes.Load())
	require.Empty(t, c.staging.collect(nil))
}

func TestKeysOfOneSlotDoNotDisturbEachOther(t *testing.T) {
	c := manual(t, Config{})
	keys := make([]tier.Key, 5)
	entries := make([]*tier.Entry, len(keys))
	for i := range keys {
		keys[i] = tier.Key{Space: "s", ID: string(rune('a' + i)), Hash: 7 + uint64(i)*slotCount}
		entries[i] = entry(keys[i], 1)
		c.Set(entries[i])
	}
	batch := c.staging.collect(nil)
	entries[2] = entry(keys[2], 2) // copies what stands before it in the list
	c.Set(entries[2])
	c.move(batch)
	require.EqualValues(t, 1, c.staging.entries.Load(), "the copies have been unlinked too")
	for i := range keys {
		wantHit(t, c, entries[i], "after the round")
	}
}

func TestKeysOfOneHash(t *testing.T) {
	one := tier.Key{Space: "s", ID: "one", Hash: 42}
	two := tier.Key{Space: "s", ID: "two", Hash: 42}
	other := tier.Key{Space: "r", ID: "one", Hash: 42}
	for _, where := range []string{"staged", "stored", "hot"} {
		t.Run(where, func(t *testing.T) {
			c := manual(t, Config{})
			e := entry(one, 1)
			c.Set(e)
			if where != "staged" {
				c.applyAll()
			}
			if where == "hot" {
				c.makeHot(t, e)
			}
			wantHit(t, c, e, "of its key")
			wantMiss(t, c, two, "of another id")
			wantMiss(t, c, other, "of another space")
			second := entry(two, 2)
			c.Set(second)
			wantHit(t, c, second, "the later one")
			wantMiss(t, c, one, "the earlier one has been pushed out")
			c.Delete(one)
			wantHit(t, c, second, "after Delete of the one pushed out")
			c.applyAll()
			wantHit(t, c, second, "when applied")
			wantMiss(t, c, one, "when the later one is applied")
		})
	}
}
