package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

// output is a buffer that may be read while it is written.
type output struct {
	mu struct {
		sync.Mutex
		bytes.Buffer
	}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.String()
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadOverMiniredis(t *testing.T) {
	text := loaded(t, environment("DURATION", "4s"), "-load", "-l2", "miniredis", "-workers", "4")
	if !strings.Contains(text, "L2 is miniredis, inside this process") {
		t.Errorf("does not say what L2 is:\n%s", text)
	}
}

func TestLoadOverRedisServer(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not on the PATH; install it (Debian: apt-get install redis-server)")
	}
	text := loaded(t, environment(), "-load", "-duration", "4s", "-workers", "4")
	m := regexp.MustCompile(`L2 is .*redis-server, started on (127\.0\.0\.1:\d+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("does not say what L2 is:\n%s", text)
	}
	if err := ping(t.Context(), m[1]); err == nil {
		t.Error("the redis-server is still there")
	}
}

func TestLoadOverTheServerOfTheEnvironment(t *testing.T) {
	server := miniredis.RunT(t)
	text := loaded(t, environment("TIERCACHE_REDIS_URL", "redis://"+server.Addr(), "DURATION", "2s"), "-load", "-workers", "4")
	if !strings.Contains(text, "L2 is the server named by TIERCACHE_REDIS_URL") {
		t.Errorf("does not say what L2 is:\n%s", text)
	}
	keys := server.Keys()
	if len(keys) == 0 || !strings.HasPrefix(keys[0], "godocs:go") {
		t.Errorf("keys %.3q", keys)
	}
}

// loaded runs the demo to its end and checks the last line.
func loaded(t *testing.T, getenv func(string) string, args ...string) string {
	t.Helper()
	var out output
	if err := run(t.Context(), args, outside{getenv, console{&out}, io.Discard, openOnce}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last map[string]int64
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("the last line is %q: %v", lines[len(lines)-1], err)
	}
	fields := []string{
		"requests", "computes", "l1_hits", "l2_hits", "early_refreshes", "errors",
		"p50_us", "p99_us", "p50_us_uncached", "p99_us_uncached",
	}
	for name := range last {
		if !slices.Contains(fields, name) {
			t.Errorf("nobody knows %q", name)
		}
	}
	for _, name := range fields {
		n, ok := last[name]
		if !ok {
			t.Errorf("%s is missing", name)
		}
		// The others may well be 0 where the machine is busy and the race detector on.
		if n == 0 && !slices.Contains([]string{"l1_hits", "l2_hits", "early_refreshes", "errors"}, name) {
			t.Errorf("%s is 0", name)
		}
	}
	if last["errors"] != 0 {
		t.Errorf("%d errors:\n%s", last["errors"], &out)
	}
	if last["l1_hits"]+last["computes"] > 2*last["requests"] {
		t.Errorf("counts do not fit: %v", last)
	}
	if last["requests"] > 200 && last["l1_hits"] == 0 {
		t.Errorf("the cache did nothing: %v", last)
	}
	t.Log(lines[len(lines)-1])
	return out.String()
}

func TestServesUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out output
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-l2", "miniredis"}, outside{environment(), console{&out}, io.Discard, openOnce})
	}()
	url := ""
	for deadline := time.Now().Add(time.Minute); url == ""; time.Sleep(10 * time.Millisecond) {
		if m := regexp.MustCompile(`Serving on (http://\S+)`).FindStringSubmatch(out.String()); m != nil {
			url = m[1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("does not serve:\n%s", &out)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/pkg/fmt", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); err != nil || n != r.ContentLength || n < 10<<10 {
		t.Errorf("%d of %d bytes, %v", n, r.ContentLength, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestBadInputGetsAClearError(t *testing.T) {
	for _, c := range []struct {
		env  []string
		args []string
		want string
	}{
		{args: []string{"-nosuch"}, want: "nosuch"},
		{args: []string{"extra"}, want: `unexpected argument "extra"`},
		{args: []string{"-l2", "memcached"}, want: `"memcached" is none of auto`},
		{args: []string{"-l2", "url"}, want: "set TIERCACHE_REDIS_URL"},
		{args: []string{"-ttl", "1ms"}, want: "at least 100ms"},
		{args: []string{"-load", "-duration", "10ms"}, want: "at least 1s"},
		{args: []string{"-workers", "0"}, want: "between 1 and 1000"},
		{env: []string{"DURATION", "ten"}, args: []string{"-load"}, want: `DURATION: "ten" is not a duration like 10s`},
		{args: []string{"-goroot", "testdata/nosuch"}, want: "does not hold the source"},
		{env: []string{"TIERCACHE_REDIS_URL", "http://localhost"}, want: "URL: must begin with redis://"},
		{env: []string{"TIERCACHE_REDIS_URL", "redis://127.0.0.1:1"}, want: "the server named by TIERCACHE_REDIS_URL"},
		{args: []string{"-l2", "miniredis", "-addr", "nowhere"}, want: "listening on -addr"},
	} {
		open := openOnce
		if slices.Contains(c.args, "-goroot") {
			open = stdlib.Open
		}
		err := run(t.Context(), c.args, outside{environment(c.env...), console{io.Discard}, io.Discard, open})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v does not contain %q", c.env, c.args, err, c.want)
		}
	}
}
