package tiertest

import (
	"container/list"
	"sync"

	"github.com/tiercache/tiercache/tier"
)

// MapLocal is the reference tier.Local: a map and a list under one mutex. It is exact
// where the contract allows a tier to be loose. Nothing is ever forgotten while there is
// room, the least recently used entry goes first when there is none, the budget is never
// exceeded, and Usage does not lag.
type MapLocal struct {
	mu struct {
		sync.Mutex
		entries map[place]*list.Element // nil once closed
		recent  list.List               // of *tier.Entry, most recently used first
		usage   tier.Usage
	}
}

// place is what identifies a key: its Hash is left out because it only repeats the others,
// and differs between processes.
type place struct{ space, id string }

func placeOf(k tier.Key) place { return place{k.Space, k.ID} }

var (
	_ tier.Local = (*MapLocal)(nil)
	_ tier.Sizer = (*MapLocal)(nil)
)

// NewMapLocal returns an empty tier that holds entries of at most maxBytes in total.
// Zero or less means unbounded.
func NewMapLocal(maxBytes int64) *MapLocal {
	l := &MapLocal{}
	l.mu.entries = make(map[place]*list.Element)
	l.mu.usage.MaxBytes = max(maxBytes, 0)
	return l
}

// Get returns the entry under k.
func (l *MapLocal) Get(k tier.Key) (*tier.Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	el, ok := l.mu.entries[placeOf(k)]
	if !ok {
		return nil, false
	}
	l.mu.recent.MoveToFront(el)
	return entryOf(el), true
}

// Set stores e and drops the least recently used entries until the budget holds.
func (l *MapLocal) Set(e *tier.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.entries == nil {
		return
	}
	// The earlier entry goes first, so that neither a refusal nor the eviction below can
	// leave it behind.
	l.remove(placeOf(e.Key))
	usage := &l.mu.usage
	if usage.MaxBytes > 0 && sizeOf(e) > usage.MaxBytes {
		usage.Rejected++
		return
	}
	l.mu.entries[placeOf(e.Key)] = l.mu.recent.PushFront(e)
	usage.Entries++
	usage.Bytes += sizeOf(e)
	for usage.MaxBytes > 0 && usage.Bytes > usage.MaxBytes {
		l.remove(placeOf(entryOf(l.mu.recent.Back()).Key))
		usage.Evicted++
	}
}

// Delete removes the entry under k.
func (l *MapLocal) Delete(k tier.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(placeOf(k))
}

// Close drops everything. The tier stays empty from then on.
func (l *MapLocal) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.entries = nil
	l.mu.recent.Init()
	l.mu.usage.Entries, l.mu.usage.Bytes = 0, 0
	return nil
}

// Usage returns what the tier holds. It is exact.
func (l *MapLocal) Usage() tier.Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.usage
}

// remove drops what is under p. The caller holds the mutex.
func (l *MapLocal) remove(p place) {
	el, ok := l.mu.entries[p]
	if !ok {
		return
	}
	delete(l.mu.entries, p)
	l.mu.usage.Entries--
	l.mu.usage.Bytes -= sizeOf(entryOf(el))
	l.mu.recent.Remove(el)
}

// sizeOf returns the size e is accounted with. An entry without one counts as 1, so that a
// test which forgot to set it is still bounded.
func sizeOf(e *tier.Entry) int64 { return max(e.Size, 1) }

func entryOf(el *list.Element) *tier.Entry {
	e, _ := el.Value.(*tier.Entry) // the list holds nothing else
	return e
}
