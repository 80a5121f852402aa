package load

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func examplePlan() *Plan {
	p := &Plan{Words: []string{"a b", "c"}, Missing: []string{"/pkg/none"}}
	for i := range 100 {
		p.Pages = append(p.Pages, fmt.Sprintf("/pkg/%d", i))
		p.Sources = append(p.Sources, fmt.Sprintf("/src/%d", i))
	}
	return p
}

func TestSameSeedSameCrowd(t *testing.T) {
	p := examplePlan()
	a, b, other := p.stream(7, 1), p.stream(7, 1), p.stream(7, 2)
	same := 0
	for range 1000 {
		x, y, z := a.next(), b.next(), other.next()
		if x != y {
			t.Fatalf("%v is not %v", x, y)
		}
		if x == z {
			same++
		}
	}
	if same > 500 {
		t.Errorf("two workers agree on %d of 1000 requests", same)
	}
}

func TestCrowdLikesTheFirst(t *testing.T) {
	s := examplePlan().stream(1, 1)
	counts := map[string]int{}
	const n = 20000
	for range n {
		r := s.next()
		counts[r.path]++
		if want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[r.path == "/pkg/none"]; r.status != want {
			t.Fatalf("%v expects status %d", r.path, r.status)
		}
	}
	if counts["/pkg/0"] < 10*counts["/pkg/50"] || counts["/pkg/50"] == 0 {
		t.Errorf("first page %d, 51st %d", counts["/pkg/0"], counts["/pkg/50"])
	}
	if counts["/search?q=a+b"] == 0 || counts["/pkg/none"] == 0 || counts["/src/0"] == 0 {
		t.Errorf("something is never asked for: %v", counts)
	}
	if missing := counts["/pkg/none"]; missing > n*2*percentMissing/100 {
		t.Errorf("%d of %d ask for what is not there", missing, n)
	}
}

func TestRunCountsAnswersAndErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/pkg/none":
			http.NotFound(w, r)
		case strings.HasPrefix(r.URL.Path, "/src/"):
			http.Error(w, "broken", http.StatusInternalServerError)
		default:
			fmt.Fprint(w, "0123456789")
		}
	}))
	defer server.Close()
	run, err := Start(t.Context(), Config{URL: server.URL, Plan: examplePlan(), Workers: 3, Seed: 1, Duration: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := run.Wait()
	if r.Requests == 0 || r.Errors == 0 || r.Errors > r.Requests/4 {
		t.Errorf("%d errors of %d requests", r.Errors, r.Requests)
	}
	if r.FirstError == nil || !strings.Contains(r.FirstError.Error(), "status 500, expected 200") {
		t.Errorf("first error: %v", r.FirstError)
	}
	if r.Bytes < 10*(r.Requests-r.Errors)*9/10 {
		t.Errorf("%d bytes of %d answers", r.Bytes, r.Requests-r.Errors)
	}
	if r.P50 <= 0 || r.P50 > r.P90 || r.P90 > r.P99 || r.P99 > r.Max {
		t.Errorf("latencies %v %v %v %v", r.P50, r.P90, r.P99, r.Max)
	}
	if r.Elapsed < 500*time.Millisecond || r.PerSecond() <= 0 {
		t.Errorf("ended after %v", r.Elapsed)
	}
	if w := run.Window(); w.PerSecond <= 0 {
		t.Errorf("window: %+v", w)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		case <-r.Context().Done():
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	run, err := Start(ctx, Config{URL: server.URL, Plan: examplePlan(), Workers: 2, Seed: 1, Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	cancel()
	if r := run.Wait(); r.Errors != 0 {
		t.Errorf("hanging up was counted as %d errors", r.Errors)
	}
}

func TestStartRefusesBadConfigs(t *testing.T) {
	_, err := Start(t.Context(), Config{Plan: &Plan{}})
	for _, part := range []string{"workers", "duration", "plan"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not mentioned: %v", part, err)
		}
	}
}
