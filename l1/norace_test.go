//go:build !race

package l1

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// These need a run without the race detector, which make test does as well: under it
// sync.Pool, where ristretto counts reads, forgets on purpose.

// The policy must learn of hits in the hot place, or popular entries would be the first to
// be evicted.
func TestHotEntriesAreNotEvicted(t *testing.T) {
	c := manual(t, Config{MaxBytes: 1 << 20, Counters: 1 << 18})
	e := entry(key(-1), 1)
	c.Set(e)
	c.applyAll()
	c.makeHot(t, e)
	for range 50_000 {
		wantHit(t, c, e, "before the flood")
	}
	for i := range 20_000 {
		c.Get(key(i))
		c.Set(entry(key(i), 1))
	}
	c.applyAll()
	require.NotZero(t, c.Usage().Evicted)
	wantHit(t, c, e, "after the flood")
}
