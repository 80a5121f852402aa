package l1

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

// TestModel interleaves the steps of writers, readers and the applier in random orders, one
// at a time: a round may have begun when a key is written, a reader may have looked into
// ristretto long before it fills the hot place. Keys share slots and hashes.
func TestModel(t *testing.T) {
	var keys []tier.Key
	for _, hash := range []uint64{1, 1, 2, 1 + slotCount, 1 + 2*slotCount} {
		keys = append(keys, tier.Key{Space: "s", ID: string(rune('a' + len(keys))), Hash: hash})
	}
	rapid.Check(t, func(rt *rapid.T) {
		c, err := open(Config{Counters: 1024})
		require.NoError(rt, err)
		close(c.done)
		defer c.Close()

		var (
			latest  = map[uint64]*tier.Entry{} // by hash: what a Get of its key must return
			round   []*node                    // collected, not yet moved
			reader  *tier.Entry                // found in ristretto, not yet offered
			version uint64                     // loaded before
			stamp   uint64
		)
		anyKey := rapid.SampledFrom(keys)
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(rt *rapid.T) {
				stamp++
				e := entry(anyKey.Draw(rt, "key"), stamp)
				c.Set(e)
				latest[e.Key.Hash] = e
			},
			"set again": func(rt *rapid.T) { // the very same entry
				if e := latest[anyKey.Draw(rt, "key").Hash]; e != nil {
					c.Set(e)
				}
			},
			"delete": func(rt *rapid.T) {
				k := anyKey.Draw(rt, "key")
				c.Delete(k)
				if e := latest[k.Hash]; e != nil && (e.Key == k || !c.holds(e)) {
					latest[k.Hash] = nil
				}
			},
			"collect": func(rt *rapid.T) {
				if round == nil {
					round = c.staging.collect(nil)
				}
			},
			"move": func(rt *rapid.T) {
				c.move(round)
				round = nil
			},
			"look": func(rt *rapid.T) {
				k := anyKey.Draw(rt, "key")
				version = c.hot.place(k.Hash).version.Load()
				reader = c.inStore(k)
			},
			"offer": func(rt *rapid.T) {
				if reader != nil {
					c.hot.place(reader.Key.Hash).offer(reader, version)
				}
				reader = nil
			},
			"": func(rt *rapid.T) {
				for _, k := range keys {
					got, ok := c.Get(k)
					want := latest[k.Hash]
					if want != nil && want.Key != k {
						want = nil
					}
					if ok != (want != nil) || got != want {
						rt.Fatalf("Get(%s): %+v, want %+v", k.ID, got, want)
					}
				}
			},
		})
		c.move(round)
		c.applyAll()
		var held int64
		for _, e := range latest {
			if e != nil {
				held++
			}
		}
		require.Equal(rt, held, c.Usage().Entries)
		require.Equal(rt, held*(100+EntryOverhead), c.Usage().Bytes)
	})
}

// holds tells whether e has outlived a Delete of another key of its hash, which it may not.
func (c *Cache) holds(e *tier.Entry) bool {
	got, _ := c.Get(e.Key)
	return got == e
}
