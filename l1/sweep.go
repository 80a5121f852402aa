package l1

import (
	"slices"

	"github.com/tiercache/tiercache/tier"
)

// sweepChunk bounds how long a sweep keeps writers from applying: about a millisecond.
const sweepChunk = 1024

// sweep drops the entries whose Expiry has passed, to give their memory back. It is not
// what keeps them from being served: the engine checks the expiry on every hit.
//
// Readers are not stalled: ristretto read-locks one of its 256 shards at a time. Only its
// own applying goroutine waits for a shard, for as long as it takes to look at a 256th of
// the entries.
func (c *Cache) sweep() {
	now := c.now()
	var expired []*tier.Entry
	c.store.rc.IterValues(func(e *tier.Entry) (stop bool) {
		if e.Expiry > 0 && e.Expiry <= now {
			expired = append(expired, e)
		}
		return c.stopping()
	})
	for chunk := range slices.Chunk(expired, sweepChunk) {
		if c.stopping() {
			return
		}
		c.dropAll(chunk)
	}
}

// dropAll drops entries that are still what ristretto holds. It must look again, under the
// lock of those who write to ristretto:
//
//  1. The sweep finds an expired entry.
//  2. The key is computed anew, set, and applied.
//  3. The sweep drops the key: the fresh entry is gone.
//
// What is staged is not touched; a staged write of the key comes later and stays.
func (c *Cache) dropAll(expired []*tier.Entry) {
	c.round.Lock()
	defer c.round.Unlock()
	for _, e := range expired {
		if now, _ := c.store.get(e.Key.Hash); now == e {
			c.store.drop(e.Key.Hash)
		}
	}
	c.store.settle()
}

func (c *Cache) stopping() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}
