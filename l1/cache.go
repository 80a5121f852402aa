package l1

import (
	"sync"
	"time"

	"github.com/tiercache/tiercache/tier"
)

var (
	_ tier.Local = (*Cache)(nil)
	_ tier.Sizer = (*Cache)(nil)
)

// Cache is a tier.Local and tier.Sizer. Make one with New; all methods are safe for
// concurrent use.
type Cache struct {
	store   store   // ristretto
	gate    gate    // readers in ristretto
	staging staging // writes that ristretto does not show yet
	hot     hotTable

	// Set by New, read-only since.
	maxBytes      int64
	maxStaged     int64
	maxEntryBytes int64
	sweepEvery    time.Duration
	now           func() int64

	wake chan struct{} // holds one: something has been staged
	stop chan struct{} // closed by Close: the owner goroutine shall end
	done chan struct{} // closed by the owner goroutine: it has
	once sync.Once     // Close

	// round is held by whoever writes to ristretto. Lock order: round, then a stripe.
	round struct {
		sync.Mutex
		batch []*node // kept for its capacity
	}
}

// New starts a Cache. It returns all that is wrong with cfg in one error.
// The Cache owns goroutines until Close.
func New(cfg Config) (*Cache, error) {
	c, err := open(cfg)
	if err != nil {
		return nil, err
	}
	go c.run()
	return c, nil
}

// open does all of New but start the owner goroutine, which tests stand in for.
func open(cfg Config) (*Cache, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Cache{
		maxBytes:      cfg.MaxBytes,
		maxStaged:     cfg.staged(),
		maxEntryBytes: cfg.MaxEntryBytes,
		sweepEvery:    cfg.SweepEvery,
		now:           cfg.Now,
		wake:          make(chan struct{}, 1),
		stop:          make(chan struct{}),
		done:          make(chan struct{}),
		hot:           newHotTable(cfg.MaxBytes),
	}
	return c, c.store.open(max(cfg.Counters, minCounters), cfg.MaxBytes-cfg.staged(), c.leave)
}

// leave is told of every entry that leaves ristretto, on whatever goroutine makes it leave.
func (c *Cache) leave(e *tier.Entry) { c.hot.place(e.Key.Hash).leave(e) }

// Get returns the entry last set under k, or false. It does not allocate. For a popular key
// it only loads; for others it takes ristretto's read lock on a 256th of the keys.
func (c *Cache) Get(k tier.Key) (*tier.Entry, bool) {
	// First the staging, then the rest. The other way round a Get could miss a key that is
	// there all the time: it is not yet in ristretto, then it is moved, then it is no
	// longer in the staging.
	if n := find(c.staging.slot(k.Hash).staged.Load(), k.Hash); n != nil {
		if n.entry == nil || !is(n.entry, k) {
			return nil, false
		}
		return n.entry, true
	}
	hot := c.hot.place(k.Hash)
	if e := hot.get(k); e != nil && !sampled() {
		return e, true
	}
	e := c.lookup(k.Hash, hot)
	if e == nil || !is(e, k) {
		return nil, false
	}
	return e, true
}

// lookup asks ristretto, which makes it a use of the hash.
func (c *Cache) lookup(hash uint64, hot *hot) *tier.Entry {
	lane := c.gate.lane()
	if !lane.enter() {
		lane.leave()
		return nil
	}
	version := hot.version.Load()
	e, _ := c.store.get(hash)
	if e != nil && hot.wants(e) {
		hot.offer(e, version)
	}
	lane.leave()
	return e
}

// is compares the key of e in full: a hash is not a key.
func is(e *tier.Entry, k tier.Key) bool { return e.Key.ID == k.ID && e.Key.Space == k.Space }

// Set stores e: once it has returned, every Get of the key returns e or a later entry until
// it is evicted, deleted, or found not worth keeping. An entry over Config.MaxEntryBytes is
// not stored, and an earlier one of the key is removed. When writes come faster than
// ristretto takes them, Set does some of that work itself; it never drops e for that.
// A nil e is ignored.
func (c *Cache) Set(e *tier.Entry) {
	if e == nil {
		return
	}
	if e.Size > c.maxEntryBytes {
		c.Delete(e.Key)
		return
	}
	if c.staging.set(e) {
		c.staged()
	}
}

// Delete removes what is stored under k: once it has returned, no Get returns an entry that
// was set before. Deleting what is not there is cheap.
func (c *Cache) Delete(k tier.Key) {
	if c.staging.remove(k, c.store.held) {
		c.staged()
	}
}

// Usage returns what the cache holds and what it has let go. Bytes include EntryOverhead
// per entry. An entry that is being replaced counts twice for a moment. Usage waits for a
// round of applying to end, at most some milliseconds.
func (c *Cache) Usage() tier.Usage {
	c.round.Lock()
	defer c.round.Unlock()
	return tier.Usage{
		Entries:  c.staging.entries.Load() + c.store.entries.Load(),
		Bytes:    c.staging.bytes.Load() + c.store.bytes.Load(),
		MaxBytes: c.maxBytes,
		Evicted:  c.store.evicted.Load(),
		Rejected: c.store.refused.Load(),
	}
}

// Close drops everything and ends all goroutines of the cache before it returns. It may run
// beside all other calls and may be repeated. It returns nil.
func (c *Cache) Close() error {
	c.once.Do(func() {
		c.gate.shut()     // no reader is in ristretto any more, or fills a hot place
		c.staging.close() // no writer stages any more
		close(c.stop)
		<-c.done // the owner goroutine has ended

		// A writer may be in the middle of a round still; one that comes later finds
		// nothing staged.
		c.round.Lock()
		defer c.round.Unlock()
		c.store.close() // every entry leaves, and with it the hot places are empty
	})
	return nil
}
