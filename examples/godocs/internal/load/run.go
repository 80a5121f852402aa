package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Config describes a run.
type Config struct {
	URL      string // of the server, without a slash at the end
	Plan     *Plan
	Workers  int // each sends its next request when it has read the answer to the one before
	Seed     uint64
	Duration time.Duration
}

func (c Config) validate() error {
	var errs []error
	if c.Workers < 1 {
		errs = append(errs, fmt.Errorf("workers: %d is not a number of workers", c.Workers))
	}
	if c.Duration <= 0 {
		errs = append(errs, fmt.Errorf("duration: %v is over before it begins", c.Duration))
	}
	if p := c.Plan; p == nil || len(p.Pages) == 0 || len(p.Sources) == 0 || len(p.Words) == 0 || len(p.Missing) == 0 {
		errs = append(errs, errors.New("plan: every list needs an element"))
	}
	return errors.Join(errs...)
}

// Run is a run under way.
type Run struct {
	recorder *recorder
	started  time.Time
	done     chan struct{}
	result   Result // written before done is closed
}

// Start sends the workers off. They stop when the duration is over, or ctx ends.
func Start(ctx context.Context, c Config) (*Run, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	r := &Run{recorder: newRecorder(), started: time.Now(), done: make(chan struct{})}
	transport := &http.Transport{
		MaxIdleConns: c.Workers, MaxIdleConnsPerHost: c.Workers, // each worker keeps its connection
		DisableCompression: true,
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   longest,
		// A redirect would be a wrong status, not a second request.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	end := r.started.Add(c.Duration)
	var workers sync.WaitGroup
	for i := range c.Workers {
		stream := c.Plan.stream(c.Seed, uint64(i))
		workers.Go(func() {
			// Whatever has begun when the time is up is awaited: cutting it off would hide
			// the slowest requests.
			for ctx.Err() == nil && time.Now().Before(end) {
				r.send(ctx, client, c.URL, stream.next())
			}
		})
	}
	go func() {
		defer close(r.done)
		workers.Wait()
		transport.CloseIdleConnections()
		r.result = r.recorder.result(time.Since(r.started))
	}()
	return r, nil
}

func (r *Run) send(ctx context.Context, client *http.Client, base string, what request) {
	start := time.Now()
	n, err := fetch(ctx, client, base+what.path, what.status)
	if err != nil && ctx.Err() != nil {
		return // we hung up, it is nobody's error
	}
	r.recorder.record(time.Since(start), n, err)
}

func fetch(ctx context.Context, client *http.Client, url string, want int) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("GET %s: status %d, expected %d", url, res.StatusCode, want)
	}
	return n, err
}

// Done is closed when all workers have stopped.
func (r *Run) Done() <-chan struct{} { return r.done }

// Window returns what happened since it was last called.
func (r *Run) Window() Window { return r.recorder.takeWindow() }

// Elapsed is how long the run has been going on.
func (r *Run) Elapsed() time.Duration { return time.Since(r.started) }

// Wait returns the outcome once all workers have stopped.
func (r *Run) Wait() Result {
	<-r.done
	return r.result
}
