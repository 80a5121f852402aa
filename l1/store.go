package l1

import (
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/tiercache/tiercache/tier"
)

// EntryOverhead is what an entry is accounted with besides its Entry.Size, in bytes: the
// Entry struct, 160 bytes, and what ristretto keeps for it in its two maps, 120 to 200
// bytes, depending on how full their tables happen to be and how much has come and gone.
// It was measured as the growth of the heap; TestEntryOverhead repeats that and prints it.
const EntryOverhead = 360

func cost(e *tier.Entry) int64 { return max(e.Size, 1) + EntryOverhead }

// store is ristretto, used in the one way that makes it predictable. Whoever calls put,
// drop and settle holds Cache.round, hands over each hash at most once between two settles,
// and no more than maxChunk of them. Then
//
//   - no Set is lost: ristretto drops Sets when its buffer of 32768 is full, and a chunk of
//     at most two operations per hash is less than that;
//   - the last write wins: two Sets of a new key that meet in the buffer leave the older
//     value, because ristretto takes the second for an update of what it has and skips it;
//   - Sets and deletes cannot pass each other.
type store struct {
	rc *ristretto.Cache[uint64, *tier.Entry]

	_       [128]byte // keeps the counters off the line that readers load rc from
	entries atomic.Int64
	bytes   atomic.Int64
	evicted atomic.Int64
	refused atomic.Int64
}

const maxChunk = 8192

// open starts ristretto. Its callbacks run on the goroutine that applies the buffer, which
// everything waits for: they add to counters and nothing else.
func (s *store) open(counters, maxCost int64, leave func(*tier.Entry)) (err error) {
	s.rc, err = ristretto.NewCache(&ristretto.Config[uint64, *tier.Entry]{
		NumCounters: counters,
		MaxCost:     maxCost,
		BufferItems: 64,
		// By default 56 is added to every cost. EntryOverhead has the real figure.
		IgnoreInternalCost: true,
		// Key.Hash is a hash already, and the default goes through a type switch.
		KeyToHash: func(hash uint64) (uint64, uint64) { return hash, 0 },
		// We set no TTLs: the engine checks expiry on every hit itself, and theirs would
		// read the clock once more. A century keeps the ticker for them quiet.
		TtlTickerDurationInSec: 100 * 365 * 24 * 3600,
		OnReject:               func(*ristretto.Item[*tier.Entry]) { s.refused.Add(1) },
		// A key that got into the sample of candidates twice is evicted twice, the second
		// time without a value.
		OnEvict: func(item *ristretto.Item[*tier.Entry]) {
			if item.Value != nil {
				s.evicted.Add(1)
			}
		},
		// Called once for every entry that goes, whatever the reason: put never updates in
		// place. It is also called with nothing when there was nothing to delete.
		OnExit: func(e *tier.Entry) {
			if e != nil {
				s.entries.Add(-1)
				s.bytes.Add(-cost(e))
				leave(e)
			}
		},
	})
	return err
}

// get counts as a use of hash, even when it misses: that is how a new entry gets admitted.
func (s *store) get(hash uint64) (*tier.Entry, bool) { return s.rc.Get(hash) }

// held reports whether there is anything under hash, without counting as a use.
func (s *store) held(hash uint64) bool {
	_, ok := s.rc.GetTTL(hash)
	return ok
}

// put hands e over and reports whether it is to be counted: see count. After the next
// settle e is stored or refused.
//
// An entry that is there goes first. In place, ristretto would take an update of any size
// without making room for it: entries that grow would push it over its budget until the
// next new key comes along. It would also refuse nothing of a delete and a set together
// that it would have taken in place, because the delete has made the room.
func (s *store) put(e *tier.Entry) bool {
	if s.held(e.Key.Hash) {
		s.rc.Del(e.Key.Hash)
	}
	return s.rc.Set(e.Key.Hash, e, cost(e)) // false for a full buffer, which maxChunk rules out
}

// count adds what has been put. OnExit has taken off what is gone again.
func (s *store) count(entries, bytes int64) {
	s.entries.Add(entries)
	s.bytes.Add(bytes)
}

// drop removes what is under hash.
func (s *store) drop(hash uint64) { s.rc.Del(hash) }

// settle returns when everything handed over has been applied and shows.
func (s *store) settle() { s.rc.Wait() }

// close ends ristretto's goroutines and drops everything. Nobody may be inside any other
// method but held, or enter one later.
func (s *store) close() {
	evicted := s.evicted.Load()
	s.rc.Close() // reports all that it still holds as evicted
	s.evicted.Store(evicted)
}
