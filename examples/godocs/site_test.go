package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var background = context.Background()

// testSite is the site over miniredis, with a long TTL so that the tests know the tiers.
func testSite(t *testing.T) http.Handler {
	t.Helper()
	library, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	second, err := openL2(t.Context(), options{l2: "miniredis"}, library.Version(), console{io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := newEngine(second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := within(background, closeTimeout, engine.Close); err != nil {
			t.Error(err)
		}
		if err := second.stop(); err != nil {
			t.Error(err)
		}
	})
	d, err := newDocs(library, engine, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return newSite(d, second.name)
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) cache() string { return r.header.Get("X-Cache") }

func get(t *testing.T, h http.Handler, target string) reply {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return reply{w.Code, w.Header(), w.Body.String()}
}

func TestPageComesFromComputeThenL1(t *testing.T) {
	site := testSite(t)
	var bodies []string
	for i, want := range []string{"compute", "l1", "l1"} {
		r := get(t, site, "/pkg/strings")
		if r.status != http.StatusOK || !strings.HasPrefix(r.cache(), want+"; age=") {
			t.Errorf("request %d: %d, X-Cache %q", i, r.status, r.cache())
		}
		_, content, _ := strings.Cut(r.body, "<main>")
		bodies = append(bodies, content)
	}
	if bodies[0] != bodies[1] || !strings.Contains(bodies[0], `id="Builder.WriteString"`) {
		t.Error("the cached page is not the computed one")
	}
}

func TestPageSaysWhereItComesFrom(t *testing.T) {
	site := testSite(t)
	get(t, site, "/pkg/errors")
	text := get(t, site, "/pkg/errors").body
	for _, part := range []string{`<b class="l1">L1</b>`, "old · computing took", "KiB · here in", `<a href="/uncached/pkg/errors">without the cache</a>`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is not there", part)
		}
	}
	r := get(t, site, "/uncached/pkg/errors")
	text = r.body
	if !strings.HasPrefix(r.cache(), "uncached") || !strings.Contains(text, `<a href="/pkg/errors">through the cache</a>`) {
		t.Errorf("X-Cache %q", r.cache())
	}
}

func TestSearchSharesAnswersOfEqualQueries(t *testing.T) {
	site := testSite(t)
	if r := get(t, site, "/search?q=HTTP++Client"); r.status != http.StatusOK || !strings.HasPrefix(r.cache(), "compute") {
		t.Errorf("%d, X-Cache %q", r.status, r.cache())
	}
	r := get(t, site, "/search?q=http+client+")
	if !strings.HasPrefix(r.cache(), "l1") {
		t.Errorf("X-Cache %q", r.cache())
	}
	if text := r.body; !strings.Contains(text, `href="/pkg/net/http#Client"`) || !strings.Contains(text, `value="http client "`) {
		t.Error("not the page of hits")
	}
	if r := get(t, site, "/search?q=+"); r.status != http.StatusSeeOther {
		t.Errorf("empty query: %d", r.status)
	}
	if r := get(t, site, "/search?q="+strings.Repeat("x", maxQueryBytes+1)); r.status != http.StatusBadRequest {
		t.Errorf("long query: %d", r.status)
	}
	if text := get(t, site, `/search?q="><script>alert(1)</script>`).body; strings.Contains(text, "<script>alert") {
		t.Error("the query is not escaped")
	}
}

func TestWhatDoesNotExistIsRememberedAsSuch(t *testing.T) {
	site := testSite(t)
	for range 2 {
		if r := get(t, site, "/pkg/net/https"); r.status != http.StatusNotFound || r.cache() != "absent" {
			t.Errorf("%d, X-Cache %q", r.status, r.cache())
		}
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(get(t, site, "/stats").body), &s); err != nil {
		t.Fatal(err)
	}
	if s["computes"] != 1.0 || s["l1_hits"] != 1.0 || s["failed"] != 0.0 {
		t.Errorf("the second request asked the library again: %v", s)
	}
}

func TestNothingOutsideTheListIsServed(t *testing.T) {
	site := testSite(t)
	for _, path := range []string{
		"/pkg/", "/src/", "/pkg", "/nosuch", "/pkg/..%2f..%2f..%2fetc%2fpasswd", "/pkg/%2e%2e/%2e%2e/etc/passwd",
		"/src/fmt%2f..%2fos", "/src/fmt/print.go", "/pkg/fmt%00", "/pkg/%2fetc%2fpasswd", "/pkg/..%5c..%5cetc", "/assets/../main.go",
		"/pkg/cmd/compile/internal/ssa", "/uncached/pkg/nosuch", "/uncached/src/..%2f..%2fetc%2fpasswd", "/pkg/" + strings.Repeat("x", 5000),
	} {
		r := get(t, site, path)
		for hops := 0; hops < 3 && r.status/100 == 3; hops++ { // ServeMux cleans paths by redirecting
			r = get(t, site, r.header.Get("Location"))
		}
		if r.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pkg/fmt", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", w.Code)
	}
}

func TestFrontPageAndAssets(t *testing.T) {
	site := testSite(t)
	r := get(t, site, "/")
	text := r.body
	for _, part := range []string{`<a href="/pkg/net/http">net/http</a><td>Package http provides`, "Commands", "Internal packages", "L2 is miniredis", `id="stats"`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is not there", part)
		}
	}
	if policy := r.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", policy)
	}
	for path, mime := range map[string]string{"/assets/style.css": "text/css", "/assets/stats.js": "text/javascript", "/assets/icon.svg": "image/svg+xml"} {
		if r := get(t, site, path); r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), mime) {
			t.Errorf("%s: %d, %s", path, r.status, r.header.Get("Content-Type"))
		}
	}
}
