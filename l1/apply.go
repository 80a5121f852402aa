package l1

import (
	"slices"
	"time"
)

// run is the goroutine that the Cache owns: it starts in New and ends in Close.
func (c *Cache) run() {
	defer close(c.done)
	var tick <-chan time.Time // never, unless sweeping is on
	if c.sweepEvery > 0 {
		ticker := time.NewTicker(c.sweepEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-c.stop:
			return
		case <-c.wake:
			c.apply(0)
		case <-tick:
			c.sweep()
		}
	}
}

// staged is called after every write, without locks. Mostly it tells the owner goroutine
// that there is work. When the staging is over its bound the writer does the work itself,
// or waits for another who is at it: so memory stays bounded and nothing is dropped,
// however fast writers are. No I/O is involved; a round takes microseconds to
// milliseconds.
func (c *Cache) staged() {
	if c.staging.bytes.Load() > c.maxStaged {
		c.apply(c.maxStaged)
		return
	}
	select {
	case c.wake <- struct{}{}:
	default: // it has been told already, and collects after it has heard it
	}
}

// apply moves what is staged into ristretto, if it weighs more than floor by the time it is
// this caller's turn. The lock is held across sends to ristretto's buffer, which block when
// the buffer is full; its reader takes no lock of ours and never stops before Close, which
// takes the lock first.
func (c *Cache) apply(floor int64) {
	c.round.Lock()
	defer c.round.Unlock()
	if c.staging.bytes.Load() <= floor {
		return
	}
	// After Close nothing is staged, and ristretto is not touched.
	batch := c.staging.collect(c.round.batch[:0])
	for chunk := range slices.Chunk(batch, maxChunk) {
		c.move(chunk)
	}
	clear(batch) // lets go of the entries
	c.round.batch = batch[:0]
}

// move moves one chunk. The order matters: would a node be unlinked before the store has
// settled, then
//
//  1. the store has the entry in its buffer,
//  2. the node is unlinked,
//  3. a Get finds neither, although Set has returned;
//
// and with a tombstone, it would find what had been deleted.
func (c *Cache) move(chunk []*node) {
	var entries, bytes int64
	for _, n := range chunk {
		switch {
		case n.entry == nil:
			c.store.drop(n.hash)
		case c.store.put(n.entry):
			entries++
			bytes += cost(n.entry)
		}
	}
	c.store.settle()
	for _, n := range chunk {
		c.staging.unlink(n)
	}
	c.store.count(entries, bytes)
}
