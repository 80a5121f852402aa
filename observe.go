package tiercache

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Observer is told what happens, for metrics and traces. Nil functions are skipped. The
// functions run on the path of the call, without locks held, and must be fast and safe for
// concurrent use. They may be handed keys: whether these leave the process is their choice;
// the engine itself never logs a key or a value.
type Observer struct {
	OnHit     func(HitEvent)     // a call was answered from a tier
	OnMiss    func(MissEvent)    // a call found nothing to answer with in L1
	OnCompute func(ComputeEvent) // a compute ended
	OnError   func(ErrorEvent)   // something failed that its caller was not told
}

// HitEvent tells of a call answered from a tier.
type HitEvent struct {
	Space, Key string
	Source     Source
	Stale      bool
	Age        time.Duration // since the value was computed or set
}

// MissEvent tells of a call that L1 could not answer.
type MissEvent struct {
	Space, Key string
}

// ComputeEvent tells of a compute that ended.
type ComputeEvent struct {
	Space, Key string
	Duration   time.Duration
	Early      bool  // begun before the value expired
	Err        error // nil, or what it returned, ErrNotFound included
}

// ErrorEvent tells of a failure that reached no caller.
type ErrorEvent struct {
	Space string
	Op    string // "l2 get", "l2 set", "open", "encode", "compute"
	Err   error
}

// Source says where a value came from.
type Source uint8

// The sources of a value.
const (
	FromNowhere Source = iota // there is no value
	FromL1
	FromL2
	FromCompute
)

// String returns the name of the source: "l1", "l2", "compute" or "nowhere".
func (s Source) String() string {
	return [...]string{"nowhere", "l1", "l2", "compute"}[min(s, FromCompute)]
}

// watcher calls the Observer of an engine; a nil one calls nobody. A hook that panics is
// logged and otherwise ignored: it must not leave a flight without an end.
type watcher struct {
	Observer

	logger *slog.Logger
}

func newWatcher(o *Observer, logger *slog.Logger) *watcher {
	if o == nil {
		return nil
	}
	return &watcher{Observer: *o, logger: logger}
}

func (w *watcher) guard() {
	if p := recover(); p != nil {
		w.logger.Error("tiercache: an Observer function panicked", "stack", string(debug.Stack()))
	}
}

func (w *watcher) hit(e *tier.Entry, from Source, stale bool, c *clock) {
	if w == nil || w.OnHit == nil {
		return
	}
	defer w.guard()
	w.OnHit(HitEvent{Space: e.Key.Space, Key: e.Key.ID, Source: from, Stale: stale, Age: time.Duration(max(c.coarse()-e.Created, 0))})
}

func (w *watcher) miss(k tier.Key) {
	if w == nil || w.OnMiss == nil {
		return
	}
	defer w.guard()
	w.OnMiss(MissEvent{Space: k.Space, Key: k.ID})
}

func (w *watcher) compute(k tier.Key, cost time.Duration, early bool, err error) {
	if w == nil || w.OnCompute == nil {
		return
	}
	defer w.guard()
	w.OnCompute(ComputeEvent{Space: k.Space, Key: k.ID, Duration: cost, Early: early, Err: err})
}

func (w *watcher) fail(space, op string, err error) {
	if w == nil || w.OnError == nil {
		return
	}
	defer w.guard()
	w.OnError(ErrorEvent{Space: space, Op: op, Err: err})
}
