package tiertest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// recorder is a tb that keeps what a check reports, for checks that are expected to fail.
type recorder struct {
	rapid.TB // nil: calls that are not overridden below must not happen

	ctx context.Context //nolint:containedctx // what tb.Context returns

	mu struct {
		sync.Mutex
		failures []string
		cleanups []func()
	}
}

func (r *recorder) Helper()                        {}
func (r *recorder) Name() string                   { return "recorder" }
func (r *recorder) Logf(string, ...any)            {}
func (r *recorder) Log(...any)                     {}
func (r *recorder) Context() context.Context       { return r.ctx }
func (r *recorder) Errorf(format string, a ...any) { r.fail(fmt.Sprintf(format, a...)) }
func (r *recorder) Error(a ...any)                 { r.fail(fmt.Sprint(a...)) }
func (r *recorder) Fail()                          { r.fail("Fail") }
func (r *recorder) FailNow()                       { r.fail("FailNow"); runtime.Goexit() }
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...); runtime.Goexit() }
func (r *recorder) Fatal(a ...any)                 { r.Error(a...); runtime.Goexit() }
func (r *recorder) Failed() bool                   { return len(r.reported()) > 0 }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.cleanups = append(r.mu.cleanups, f)
}

func (r *recorder) fail(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.failures = append(r.mu.failures, message)
}

func (r *recorder) reported() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mu.failures)
}

// failuresOf runs c in a bubble, where waiting for what never comes takes no time, and
// returns what it reports. A panic counts as a report.
func failuresOf[Open any](t *testing.T, c check[Open], open Open) (failures []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recorder{ctx: ctx}
		var wg sync.WaitGroup
		wg.Go(func() { // FailNow ends the goroutine
			defer func() {
				if p := recover(); p != nil {
					r.fail(fmt.Sprint("panic: ", p))
				}
			}()
			c.run(r, open)
		})
		wg.Wait()
		cancel()
		for _, f := range slices.Backward(r.mu.cleanups) {
			f()
		}
		time.Sleep(24 * time.Hour) // what a broken tier leaves running ends by itself
		failures = r.reported()
	})
	return failures
}
