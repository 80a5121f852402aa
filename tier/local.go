package tier

// Local is an in-process tier (L1). All methods are safe for concurrent use, cannot fail
// and never call back into their caller.
//
// The contract is deliberately weak, so that fast lossy caches fit: a Local may forget any
// entry at any time, and the engine validates the stamp of whatever Get returns. What a
// Local must hold to:
//
//  1. Get returns an entry that was passed to Set under exactly this key, compared by Space
//     and ID and not by Hash alone, or reports false.
//  2. Read your own write: once Set has returned, a Get of that key by any goroutine returns
//     that entry or one set later, until the tier evicts or deletes it. It never returns an
//     earlier one: Set(a), Set(b), Get gives b or nothing.
//  3. Once Delete has returned, no Get returns an entry set before.
//  4. The sum of Entry.Size over what it holds stays within its budget, up to a constant
//     that its documentation names. An entry too large for the budget is not stored, and an
//     earlier entry of the key is removed.
//  5. Nothing here blocks on I/O. Set may wait for room for a bounded time.
//  6. After Close, Get reports false, Set and Delete do nothing. Close ends every goroutine
//     of the tier, may run beside all other calls and may be repeated.
type Local interface {
	Get(k Key) (*Entry, bool)
	Set(e *Entry)
	Delete(k Key)
	Close() error
}

// Sizer is an optional ability of a Local: it tells how much it holds.
type Sizer interface {
	// Usage returns the number of entries and the bytes they are accounted with.
	// Both may lag behind the latest calls by a moment.
	Usage() Usage
}

// Usage is what a Local holds and what it has let go.
type Usage struct {
	Entries  int64 // held now
	Bytes    int64 // accounted now
	MaxBytes int64 // the budget; 0 means unbounded
	Evicted  int64 // entries dropped to make room, since the start
	Rejected int64 // entries not admitted, since the start
}
