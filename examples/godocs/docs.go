package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

// docs answers for pages and searches, each from the nearest tier or by computing it.
type docs struct {
	library  *stdlib.Library
	engine   *tiercache.Engine
	pages    *tiercache.Cache[[]byte]
	searches *tiercache.Cache[[]byte]
}

func newDocs(library *stdlib.Library, engine *tiercache.Engine, ttl time.Duration) (*docs, error) {
	policy := tiercache.Policy{
		// The source of Go does not change every two seconds. The demo pretends that it does,
		// to show values expiring and hot ones being renewed before they do.
		TTL: ttl,

		// Whoever would wait longer than a moment for a page to be renewed gets the one of
		// before.
		StaleFor:    5 * ttl,
		SoftTimeout: 20 * time.Millisecond,

		// Look into L2 halfway, for what other instances have renewed meanwhile.
		L1TTL: ttl / 2,
	}
	d := &docs{library: library, engine: engine}
	var err error
	if d.pages, err = tiercache.NewCache[[]byte](engine, "pages", policy); err != nil {
		return nil, fmt.Errorf("cache of pages: %w", err)
	}
	if d.searches, err = tiercache.NewCache[[]byte](engine, "searches", policy); err != nil {
		return nil, fmt.Errorf("cache of searches: %w", err)
	}
	return d, nil
}

// answer is a piece of HTML and where it came from.
type answer struct {
	html   []byte // shared with other requests: not to be changed
	source string // l1, l2, compute, or uncached
	shared bool   // another request computed it, this one waited
	stale  bool
	age    time.Duration
	cost   time.Duration // of the compute, whenever it was
	took   time.Duration // to get it here now
}

// ask is one question: the cache that may know, the key, and the compute that does.
// The compute takes the key as its argument, so the same function value serves all calls.
type ask struct {
	cache   *tiercache.Cache[[]byte]
	key     string
	compute tiercache.ComputeFunc[[]byte]
}

// page asks for "pkg/net/http", the documentation, or "src/net/http", the source.
func (d *docs) page(key string) ask { return ask{d.pages, key, d.computePage} }

// search asks for symbols. Queries that mean the same share a key.
func (d *docs) search(query string) ask {
	return ask{d.searches, strings.Join(strings.Fields(strings.ToLower(query)), " "), d.library.Search}
}

func (d *docs) computePage(ctx context.Context, key string) ([]byte, error) {
	render := d.library.Page
	kind, importPath, _ := strings.Cut(key, "/")
	if kind == "src" {
		render = d.library.Source
	}
	html, err := render(ctx, importPath)
	if errors.Is(err, stdlib.ErrUnknown) {
		// That there is no such page is an answer worth keeping too.
		return nil, fmt.Errorf("%w: %w", tiercache.ErrNotFound, err)
	}
	return html, err
}

// cached answers from the nearest tier. Lookup is GetOrCompute that also tells where the
// value came from, which the pages of this demo show.
func (q ask) cached(ctx context.Context) (answer, error) {
	start := time.Now()
	r, err := q.cache.Lookup(ctx, q.key, q.compute)
	return answer{
		html: r.Value, source: r.Source.String(), shared: r.Shared, stale: r.Stale,
		age: r.Age, cost: r.Cost, took: time.Since(start),
	}, err
}

// uncached computes, like a server without a cache.
func (q ask) uncached(ctx context.Context) (answer, error) {
	start := time.Now()
	html, err := q.compute(ctx, q.key)
	took := time.Since(start)
	return answer{html: html, source: "uncached", cost: took, took: took}, err
}
