package l1

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

// One read in so many goes to ristretto although the hot place has the entry: ristretto
// decides by the reads it sees what is worth keeping. And one hit of ristretto in so many
// moves its entry into a hot place that another one has: the entries read most get there
// soonest.
const hotSample = 16

func sampled() bool { return rand.Uint32()%hotSample == 0 } //nolint:gosec // chance, not secrecy

// hotTable is the hot places, by hash. There is about one for each entry of a KiB that the
// budget has room for, which makes the table 3 % of the budget.
type hotTable []hot

const (
	bytesPerHot = 1 << 10
	minHots     = 1 << 10
	maxHots     = 1 << 20
)

func newHotTable(maxBytes int64) hotTable {
	n := minHots
	for int64(n) < min(maxBytes/bytesPerHot, maxHots) {
		n *= 2
	}
	return make(hotTable, n)
}

func (t hotTable) place(hash uint64) *hot { return &t[hash&uint64(len(t)-1)] } //nolint:gosec // a length

// hot is a place for one of the entries ristretto holds, where a read finds it with loads
// only. In ristretto a read writes to memory that all readers of the same key share, which
// is what keeps cores from reading a popular key at once.
//
// What is here is in ristretto too, so it adds nothing to the memory: the callback for an
// entry that leaves ristretto, for whatever reason, takes it out here.
type hot struct {
	entry atomic.Pointer[tier.Entry]
	// hash is the hash of entry, or another while the two are being changed. It saves a
	// look at the entry of another key and decides nothing.
	hash atomic.Uint64
	// version is odd while somebody changes the place, and grows whenever an entry leaves
	// ristretto that has its place here.
	version atomic.Uint64
}

// get returns the entry of k if it is here.
func (h *hot) get(k tier.Key) *tier.Entry {
	if h.hash.Load() != k.Hash {
		return nil
	}
	if e := h.entry.Load(); e != nil && is(e, k) {
		return e
	}
	return nil
}

// wants reports whether e is to be put here: always if the place is free.
func (h *hot) wants(e *tier.Entry) bool {
	held := h.entry.Load()
	return held == nil || held != e && sampled()
}

// offer puts e here if no entry has left since version, which the caller loaded before it
// found e in ristretto. Without the version
//
//  1. a Get finds the entry in ristretto,
//  2. a Delete of the key is applied: the entry leaves ristretto and, were it here, this
//     place; the tombstone goes,
//  3. the Get puts the entry here, and everybody sees it again.
func (h *hot) offer(e *tier.Entry, version uint64) {
	if version%2 != 0 || !h.version.CompareAndSwap(version, version+1) {
		return
	}
	h.hash.Store(e.Key.Hash)
	h.entry.Store(e)
	h.version.Store(version)
}

// leave takes e out, and keeps those who have found it already from putting it back.
func (h *hot) leave(e *tier.Entry) {
	for {
		version := h.version.Load()
		if version%2 == 0 && h.version.CompareAndSwap(version, version+1) {
			h.entry.CompareAndSwap(e, nil)
			h.version.Store(version + 2)
			return
		}
		runtime.Gosched() // somebody is between the three stores of offer
	}
}
