package l1

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

const (
	slotCount   = 1 << 12 // 32 KiB, which every hit reads and a core's cache keeps
	stripeCount = 64

	slotsPerStripe = slotCount / stripeCount
	slotsPerBit    = slotsPerStripe / 64 // of a stripe's dirty word
)

// staging holds the writes that ristretto does not show yet. Readers look here first and
// take no lock: a slot is an atomic pointer to a list whose nodes never change.
//
// A node speaks for its hash, not for its key, because ristretto has one place per hash:
// two keys of one hash replace each other there, and so they do here.
type staging struct {
	slots   [slotCount]slot // stored under the lock of the stripe, loaded without
	stripes [stripeCount]stripe

	_       [128]byte    // keeps writers' counters off the lines that readers load
	bytes   atomic.Int64 // weight of all nodes
	entries atomic.Int64 // nodes that are not tombstones
}

// slot is where a read begins: the writes that are staged for some of the hashes.
type slot struct{ staged atomic.Pointer[node] }

// stripe is the write side of slotsPerStripe neighbouring slots.
type stripe struct {
	mu struct {
		sync.Mutex
		dirty  uint64 // a bit for slotsPerBit slots written to since the last collect
		closed bool
	}
	_ [96]byte
}

// node is one staged write. Nodes are immutable once a slot points to them.
type node struct {
	hash  uint64
	entry *tier.Entry // nil for a tombstone: the hash has been deleted
	next  *node
}

func find(n *node, hash uint64) *node {
	for ; n != nil; n = n.next {
		if n.hash == hash {
			return n
		}
	}
	return nil
}

// without returns the list without the node of hash, which must be in it. What stood
// before that node is copied: readers may be walking the old list.
func without(n *node, hash uint64) *node {
	if n.hash == hash {
		return n.next
	}
	return &node{hash: n.hash, entry: n.entry, next: without(n.next, hash)}
}

// weight is what a node counts against the bound of the staging. Tombstones have one too,
// so that the bound on bytes is a bound on nodes as well.
func (n *node) weight() int64 {
	if n.entry == nil {
		return EntryOverhead
	}
	return cost(n.entry)
}

func (s *staging) slot(hash uint64) *slot { return &s.slots[hash%slotCount] }

// stripe returns the stripe of the slot of hash.
func (s *staging) stripe(hash uint64) *stripe { return &s.stripes[hash%slotCount/slotsPerStripe] }

// set stages e. It reports whether something has been staged, as remove does.
func (s *staging) set(e *tier.Entry) bool {
	hash := e.Key.Hash
	st := s.stripe(hash)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.mu.closed {
		return false
	}
	s.link(st, hash, e)
	return true
}

// remove stages a tombstone for k, unless there is nothing to hide. It asks held only when
// no write of the hash is staged, and then ristretto's answer is settled: the one who
// applies writes is the only one who adds to ristretto, and he adds what is staged.
func (s *staging) remove(k tier.Key, held func(hash uint64) bool) bool {
	st := s.stripe(k.Hash)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.mu.closed {
		return false
	}
	if n := find(s.slot(k.Hash).staged.Load(), k.Hash); n == nil {
		if !held(k.Hash) {
			return false
		}
	} else if n.entry == nil || n.entry.Key != k {
		return false // deleted already, or pushed out by another key of the hash
	}
	// Taking a staged node out would not do, even if ristretto holds nothing:
	//
	//  1. The applier has read the node and is about to hand it to ristretto.
	//  2. Delete takes the node out and returns.
	//  3. ristretto applies the value, and everybody sees it again.
	//
	// The tombstone stays in front of ristretto until a later round has removed the value.
	s.link(st, k.Hash, nil)
	return true
}

// link puts a node for hash into its slot, in place of an earlier one. The stripe is locked.
func (s *staging) link(st *stripe, hash uint64, e *tier.Entry) {
	slot := s.slot(hash)
	rest := slot.staged.Load()
	if old := find(rest, hash); old != nil {
		rest = without(rest, hash)
		s.count(old, -1)
	}
	n := &node{hash: hash, entry: e, next: rest}
	s.count(n, 1)
	slot.staged.Store(n)
	st.mu.dirty |= 1 << (hash % slotsPerStripe / slotsPerBit)
}

// unlink takes a node out after ristretto has been given its write. It leaves a later write
// of the hash alone: that one is still to be applied. Comparing the entries is enough, the
// node may have been copied since. If an equal write was staged in between, a second
// tombstone or the same entry again, then ristretto is as that write wants it.
func (s *staging) unlink(applied *node) {
	st := s.stripe(applied.hash)
	st.mu.Lock()
	defer st.mu.Unlock()
	slot := s.slot(applied.hash)
	head := slot.staged.Load()
	n := find(head, applied.hash)
	if n == nil || n.entry != applied.entry {
		return
	}
	slot.staged.Store(without(head, applied.hash))
	s.count(n, -1)
}

// collect appends what was staged since the last collect, at most one node per hash.
func (s *staging) collect(batch []*node) []*node {
	for i := range s.stripes {
		st := &s.stripes[i]
		st.mu.Lock()
		for ; st.mu.dirty != 0; st.mu.dirty &= st.mu.dirty - 1 {
			first := i*slotsPerStripe + bits.TrailingZeros64(st.mu.dirty)*slotsPerBit
			for j := range slotsPerBit {
				for n := s.slots[first+j].staged.Load(); n != nil; n = n.next {
					batch = append(batch, n)
				}
			}
		}
		st.mu.Unlock()
	}
	return batch
}

// close drops everything and refuses later writes.
func (s *staging) close() {
	for i := range s.stripes {
		st := &s.stripes[i]
		st.mu.Lock()
		st.mu.closed = true
		st.mu.dirty = 0
		for j := range slotsPerStripe {
			for n := s.slots[i*slotsPerStripe+j].staged.Swap(nil); n != nil; n = n.next {
				s.count(n, -1)
			}
		}
		st.mu.Unlock()
	}
}

func (s *staging) count(n *node, sign int64) {
	s.bytes.Add(sign * n.weight())
	if n.entry != nil {
		s.entries.Add(sign)
	}
}
