package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// recorder counts answers and how long they took. Its size does not depend on how many
// there are.
type recorder struct {
	mu struct {
		sync.Mutex

		total, window *hdrhistogram.Histogram // in µs
		bytes         int64
		errors        int64
		firstError    error
		windowStart   time.Time
	}
}

const longest = time.Minute // longer ones are counted as this

func newRecorder() *recorder {
	r := &recorder{}
	r.mu.total = hdrhistogram.New(1, longest.Microseconds(), 3)
	r.mu.window = hdrhistogram.New(1, longest.Microseconds(), 3)
	r.mu.windowStart = time.Now()
	return r
}

func (r *recorder) record(took time.Duration, bytes int64, err error) {
	us := min(max(took.Microseconds(), 1), longest.Microseconds())
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.mu.errors++
		if r.mu.firstError == nil {
			r.mu.firstError = err
		}
		return
	}
	// Both take every value between 1 and longest, so there is no error to look at.
	_ = r.mu.total.RecordValue(us)
	_ = r.mu.window.RecordValue(us)
	r.mu.bytes += bytes
}

// Window is what happened since the Window before.
type Window struct {
	PerSecond float64
	P50, P99  time.Duration
}

func (r *recorder) takeWindow() Window {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	w := Window{
		PerSecond: float64(r.mu.window.TotalCount()) / now.Sub(r.mu.windowStart).Seconds(),
		P50:       quantile(r.mu.window, 50),
		P99:       quantile(r.mu.window, 99),
	}
	r.mu.window.Reset()
	r.mu.windowStart = now
	return w
}

func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond
}

// Result is the outcome of a run. Latencies are those of good answers, as the client sees
// them: from the request to the last byte of the body.
type Result struct {
	Requests   int64 // errors included
	Errors     int64 // no answer, or one with the wrong status
	FirstError error
	Bytes      int64 // of bodies
	Elapsed    time.Duration

	P50, P90, P99, Max time.Duration
}

// PerSecond is the rate of requests.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

func (r *recorder) result(elapsed time.Duration) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.mu.total
	return Result{
		Requests: h.TotalCount() + r.mu.errors, Errors: r.mu.errors, FirstError: r.mu.firstError,
		Bytes: r.mu.bytes, Elapsed: elapsed,
		P50: quantile(h, 50), P90: quantile(h, 90), P99: quantile(h, 99),
		Max: time.Duration(h.Max()) * time.Microsecond,
	}
}
