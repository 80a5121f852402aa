package tiercache

import "sync/atomic"

// fenceSlots takes 2 MiB per engine. An invalidation also invalidates what L1 holds of the
// other keys of its slot, one in 262,144: they are read from L2 again, or computed where
// there is none. At 1,000 writes a second that alone ends the life of an entry in L1 after
// four minutes in the mean.
const fenceSlots = 1 << 18

// fence orders reads and computes against invalidations, in this process, without locks.
//
// Every entry in L1 and every flight carries a stamp, drawn before the read or compute that
// the value comes from. Every invalidation draws a stamp too and leaves it in the slot of
// its key. A value is valid only while its stamp is the later one. So a compute that began
// before an invalidation can finish at any time, and L1 can apply its writes as late and as
// disorderly as it likes: what they bring back is not valid.
type fence struct {
	seq atomic.Uint64 // written by every read and compute: on a line of its own
	_   [120]byte

	// latest is the latest invalidation of all. What is stamped after it need not look at
	// its slot, which is mostly a line that no cache holds.
	latest atomic.Uint64
	floor  atomic.Uint64 // invalidates everything stamped before it
	_      [112]byte

	slots [fenceSlots]atomic.Uint64
}

func (f *fence) slot(hash uint64) *atomic.Uint64 { return &f.slots[hash%fenceSlots] }

// stamp draws the stamp of a read or compute that is about to begin.
func (f *fence) stamp() uint64 { return f.seq.Add(1) }

// valid reports whether nothing was invalidated since the stamp was drawn.
func (f *fence) valid(hash, stamp uint64) bool {
	return stamp > f.latest.Load() || stamp > f.floor.Load() && stamp > f.slot(hash).Load()
}

// raise invalidates what is stamped so far under the hash and returns the slot's new value.
//
// The slot is raised before latest: a reader that finds latest below its stamp has read it
// before this invalidation was over, and may answer as if before it.
func (f *fence) raise(hash uint64) uint64 {
	stamp := f.seq.Add(1)
	raised := raiseTo(f.slot(hash), stamp)
	raiseTo(&f.latest, stamp)
	return raised
}

// raiseFloor invalidates everything stamped so far.
func (f *fence) raiseFloor() {
	stamp := f.seq.Add(1)
	raiseTo(&f.floor, stamp)
	raiseTo(&f.latest, stamp)
}

// raiseTo moves a up to stamp. A plain store could move it backwards and revive an entry:
// two invalidations draw 7 and 8, the second stores 8, the first stores 7, and an entry
// stamped between them is valid again.
func raiseTo(a *atomic.Uint64, stamp uint64) uint64 {
	for {
		old := a.Load()
		if old >= stamp {
			return old
		}
		if a.CompareAndSwap(old, stamp) {
			return stamp
		}
	}
}

// own returns a stamp for a value this process has just written to L2 itself. pre is what
// raise returned before the write was sent. It reports false, and invalidates, if anything
// happened to the slot in between: the value must then not be kept.
//
// Drawing a stamp after the write would not do: an invalidation by another process can be
// handled between its effect on L2 and our drawing, and the stamp drawn later would
// outrank it although the value written earlier is gone. So the stamp counts only if the
// slot still is where our own raise left it, checked in one step.
func (f *fence) own(hash, pre uint64) (stamp uint64, ok bool) {
	barrier := f.seq.Add(1)
	stamp = f.seq.Add(1)
	if f.slot(hash).CompareAndSwap(pre, barrier) {
		raiseTo(&f.latest, barrier)
		return stamp, true
	}
	f.raise(hash)
	return 0, false
}
