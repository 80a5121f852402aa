package tier

import "time"

// ID identifies one stored version of a value. It is random per compute or set, and it is
// also the lease token under which the version was committed.
type ID [16]byte

// Tag is a tag of an entry together with the generation it was read under.
type Tag struct {
	Name       string
	Generation uint64
}

// Entry is a decoded value in L1 with everything a hit must know. Entries are immutable
// once they have been handed to a tier or a caller: to change one, store a changed copy.
//
// Times are nanoseconds of the engine's clock: unix time as the engine sees it, advancing
// monotonically. They mean nothing in another process.
type Entry struct {
	Key   Key
	Value any // the decoded value, in the engine's form; nil when Absent

	// Stamp orders the entry against invalidations: it is drawn before the read or compute
	// that produced the value, and the entry is valid only while no invalidation has drawn
	// a later one. The engine checks it on every hit; a tier just keeps it.
	Stamp uint64

	SoftExpiry int64         // fresh before, stale from here on
	Expiry     int64         // not served in any way from here on; a tier may drop it
	Cost       time.Duration // how long the compute took; 0 when unknown
	Absent     bool          // the source said that there is no such value

	// A hit reads what stands above, which is the first one and a half cache lines.

	Created    int64 // when the value was computed or set
	Loaded     int64 // when it came into this process
	Size       int64 // bytes the entry is accounted with, its key included; at least 1
	ID         ID
	Generation uint64 // generation of the space it was computed under
	Tags       []Tag  // empty for most entries
}
