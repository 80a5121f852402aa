package tiercache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// maxFailures bounds the memory of failing keys. Beyond it some key is forgotten, which
// costs it one more attempt.
const maxFailures = 10_000

// failure is what is known of a key whose last compute failed.
type failure struct {
	err       error
	count     int   // in a row
	retryAt   int64 // while there is a stale value: no compute before
	errorEnds int64 // without one: err is the answer until then
}

// failures remembers keys whose compute failed lately, for backing off while stale values
// are served and for ErrorTTL. Hits never look here.
type failures struct {
	any atomic.Bool // whether there may be entries: spares everybody else the lock
	mu  struct {
		sync.Mutex
		byKey map[tier.Key]failure
	}
}

func (t *failures) get(k tier.Key) (failure, bool) {
	if !t.any.Load() {
		return failure{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.mu.byKey[k]
	return f, ok
}

// note records one more failure of k.
func (t *failures) note(k tier.Key, err error, now int64, r *rules) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.byKey == nil {
		t.mu.byKey = make(map[tier.Key]failure)
	}
	f, known := t.mu.byKey[k]
	if !known && len(t.mu.byKey) >= maxFailures {
		for some := range t.mu.byKey {
			delete(t.mu.byKey, some)
			break
		}
	}
	t.dropOld(now)
	if now > f.retryAt+int64(r.pause(f.count)) {
		f.count = 0 // it has been well for a while
	}
	f.err = err
	f.count++
	f.retryAt = now + int64(r.pause(f.count))
	f.errorEnds = now + int64(r.ErrorTTL)
	t.mu.byKey[k] = f
	t.any.Store(true)
}

// dropOld looks at a few entries and forgets those that have nothing to say any more, so
// that keys which failed once and were never asked for again do not stay.
func (t *failures) dropOld(now int64) {
	looks := 4
	for k, f := range t.mu.byKey {
		if looks--; looks < 0 {
			return
		}
		if now > max(f.retryAt, f.errorEnds)+int64(time.Minute) {
			delete(t.mu.byKey, k)
		}
	}
}

// clear forgets k: it succeeded, or was invalidated or written.
func (t *failures) clear(k tier.Key) {
	if !t.any.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.byKey, k)
	if len(t.mu.byKey) == 0 {
		t.any.Store(false)
	}
}

// resting reports whether k failed so recently that a reader with a stale value should
// make do with it.
func (t *failures) resting(k tier.Key, now int64) bool {
	f, ok := t.get(k)
	return ok && now < f.retryAt
}
