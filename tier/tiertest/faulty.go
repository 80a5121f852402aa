package tiertest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Op is one of the calls that Faulty can make fail.
type Op int

// A batch is one call of its own kind: faults for OpGet do not hit GetMany.
const (
	OpGet Op = iota
	OpSet
	OpDelete
	OpGetMany
	OpSetMany
	OpExpire
	OpPing
	numOps
)

// AllOps returns every Op.
func AllOps() []Op {
	return []Op{OpGet, OpSet, OpDelete, OpGetMany, OpSetMany, OpExpire, OpPing}
}

// String returns the name of the method that op stands for.
func (op Op) String() string {
	names := [numOps]string{"Get", "Set", "Delete", "GetMany", "SetMany", "Expire", "Ping"}
	if op < 0 || op >= numOps {
		return "unknown"
	}
	return names[op]
}

// Fault is what goes wrong with a call. Its parts combine: the call is delayed, then it
// hangs, then the rest applies. A call whose context ends while it waits returns the
// context's error and does not reach the tier.
type Fault struct {
	// Rate is the share of calls that a standing fault hits, from 0 to 1. 0 means all.
	Rate float64
	// Only limits the fault to keys it reports true for; of a batch, to those items. Nil
	// means all keys. It is called while the Faulty is locked and must not call it.
	Only func(k tier.Key) bool

	Delay time.Duration // wait first
	Hang  bool          // wait until the context ends or Release is called

	Err     error // report this
	Applied bool  // with Err: the call reaches the tier all the same, and only its answer is lost
	Lost    bool  // report success, or a miss when reading, and do not reach the tier
	Corrupt bool  // flip one bit of what a read returns
}

func (ft *Fault) hits(k tier.Key) bool { return ft.Only == nil || ft.Only(k) }

// withholds says whether the part of a call that concerns k must not reach the tier.
func (ft *Fault) withholds(k tier.Key) bool {
	return (ft.Lost || ft.Err != nil && !ft.Applied) && ft.hits(k)
}

// Faulty wraps a tier.Remote and makes its calls fail on request. Without faults it
// behaves as the wrapped tier does.
//
// It has every optional ability of package tier. Where the wrapped tier lacks one, Faulty
// does what the engine would do without it: a batch becomes a loop, Expire becomes Delete,
// and Ping succeeds. To test an engine on a tier without abilities, hide them with
// struct{ tier.Remote }{f}.
//
// Faults with a rate are drawn from one generator per Op, so the n-th call of an Op meets
// the same fate in every run with the same seed. A Faulty that is used in a synctest
// bubble must be made in it, since hanging calls wait on its channel.
type Faulty struct {
	next tier.Remote

	mu struct {
		sync.Mutex
		ops     [numOps]script
		release chan struct{} // closed and replaced by Release
		hanging int
	}
}

// script is what happens to the calls of one Op, and what has happened.
type script struct {
	random   *rand.Rand
	queue    []Fault // one call each, in order
	standing []Fault
	calls    int
	faults   int
}

var (
	_ tier.Remote  = (*Faulty)(nil)
	_ tier.Batcher = (*Faulty)(nil)
	_ tier.Expirer = (*Faulty)(nil)
	_ tier.Pinger  = (*Faulty)(nil)
)

// NewFaulty wraps r. The seed decides which calls faults with a rate hit.
func NewFaulty(r tier.Remote, seed uint64) *Faulty {
	f := &Faulty{next: r}
	f.mu.release = make(chan struct{})
	for op := range f.mu.ops {
		f.mu.ops[op].random = rand.New(rand.NewPCG(seed, uint64(op)))
	}
	return f
}

// Unwrap returns the tier behind f, to look at it past all faults.
func (f *Faulty) Unwrap() tier.Remote { return f.next }

// FailNext makes the next n calls of op return err without reaching the tier.
func (f *Faulty) FailNext(op Op, n int, err error) { f.Next(op, n, Fault{Err: err}) }

// Next makes the next n calls of op that fault concerns meet it, once each, after all that
// were asked for before and in place of standing faults. Its Rate does not matter.
func (f *Faulty) Next(op Op, n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.mu.ops[op].queue = append(f.mu.ops[op].queue, fault)
	}
}

// Always makes calls of ops meet fault, at its Rate, until Heal. No ops means all. Where
// several standing faults would hit a call, the first one does.
func (f *Faulty) Always(fault Fault, ops ...Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, op := range orAll(ops) {
		f.mu.ops[op].standing = append(f.mu.ops[op].standing, fault)
	}
}

// Heal takes back all faults of ops, those still queued included, and releases the calls
// that hang, of whatever Op. No ops means all.
func (f *Faulty) Heal(ops ...Op) {
	f.mu.Lock()
	for _, op := range orAll(ops) {
		f.mu.ops[op].queue, f.mu.ops[op].standing = nil, nil
	}
	f.mu.Unlock()
	f.Release()
}

// Release lets the calls that hang go on to what else their faults hold, or to the tier.
func (f *Faulty) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.mu.release)
	f.mu.release = make(chan struct{})
}

// Hanging returns the number of calls that hang now.
func (f *Faulty) Hanging() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.hanging
}

// Calls returns how often op has been called, faults included.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.ops[op].calls
}

// Faults returns how many calls of op a fault has hit.
func (f *Faulty) Faults(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.ops[op].faults
}

func orAll(ops []Op) []Op {
	if len(ops) == 0 {
		return AllOps()
	}
	return ops
}

// begin counts a call, picks its fault and waits as long as the fault says.
// The returned fault says what else goes wrong.
func (f *Faulty) begin(ctx context.Context, op Op, keys ...tier.Key) (Fault, error) {
	fault, release := f.pick(op, keys)
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fault, ctx.Err()
		}
	}
	if fault.Hang {
		f.addHanging(1)
		defer f.addHanging(-1)
		select {
		case <-release:
		case <-ctx.Done():
			return fault, ctx.Err()
		}
	}
	return fault, nil
}

// pick also returns the channel a hanging call waits on. It is read together with the
// fault: were it read when the hang begins, a Heal in between would be missed for ever.
func (f *Faulty) pick(op Op, keys []tier.Key) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.mu.ops[op]
	s.calls++
	if len(s.queue) > 0 && concerns(&s.queue[0], keys) {
		fault := s.queue[0]
		s.queue = s.queue[1:]
		s.faults++
		return fault, f.mu.release
	}
	for i := range s.standing {
		fault := &s.standing[i]
		// The number is drawn before the keys are looked at, so that they have no
		// influence on the fate of later calls.
		hit := fault.Rate <= 0 || s.random.Float64() < fault.Rate
		if hit && concerns(fault, keys) {
			s.faults++
			return *fault, f.mu.release
		}
	}
	return Fault{}, f.mu.release
}

func (f *Faulty) addHanging(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.hanging += n
}

// concerns says whether ft hits any of keys. A call without keys is hit by every fault
// that is not limited to some.
func concerns(ft *Fault, keys []tier.Key) bool {
	return slices.ContainsFunc(keys, ft.hits) || len(keys) == 0 && ft.Only == nil
}
