package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/examples/godocs/internal/load"
	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

// demo sends the same crowd twice, for a third of the time around the cache and for the
// rest through it, and prints what difference that made.
func demo(ctx context.Context, o options, d *docs, url string, stdout console) error {
	without := o.duration / 3
	with := o.duration - without
	stdout.printf("\n%d workers, seed %d: %v without the cache, then %v with it, pages fresh for %v\n\n",
		o.workers, o.seed, short(without), short(with), o.ttl)
	config := load.Config{Plan: plan(d.library), Workers: o.workers, Seed: o.seed}

	config.URL, config.Duration = url+"/uncached", without
	uncached, err := phase(ctx, "without", config, func() string { return "" }, stdout)
	if err != nil {
		return err
	}
	before := d.engine.Stats().Total
	config.URL, config.Duration = url, with
	cached, err := phase(ctx, "with", config, func() string { return tiers(minus(d.engine.Stats().Total, before)) }, stdout)
	if err != nil {
		return err
	}
	did := minus(d.engine.Stats().Total, before)
	if err := printTable(stdout, uncached, cached, did); err != nil {
		return err
	}
	return printJSON(stdout, uncached, cached, did)
}

// plan is a crowd that likes what Go itself likes: packages count as popular if many others
// import them.
func plan(library *stdlib.Library) *load.Plan {
	p := &load.Plan{Words: words}
	for _, pkg := range library.Popular() {
		p.Pages = append(p.Pages, "/pkg/"+pkg.Path)
		p.Sources = append(p.Sources, "/src/"+pkg.Path)
	}
	for _, path := range []string{"fmt/errors", "net/https", "ioutil", "golang.org/x/net", "os/user/home", "strings2", "context/ctx", "generics"} {
		p.Missing = append(p.Missing, "/pkg/"+path)
	}
	return p
}

// words are searched for, the first most often.
var words = []string{
	"reader", "error", "context", "http client", "time duration", "mutex", "marshal json", "buffer", "split string",
	"sort slice", "server shutdown", "regexp", "read file", "format time", "atomic", "hash", "template", "channel",
	"goroutine", "timeout", "cookie", "base64", "walk directory", "random", "big int", "tls config", "rune", "map keys",
	"deadline", "benchmark", "fuzz", "gzip", "parse url", "environment", "signal", "handler", "iterator", "weak pointer",
	"json decoder", "logger", "unmarshal", "copy", "pipe", "scanner", "deprecated", "unicode", "certificate", "syscall",
}

// phase runs one load and shows a live line meanwhile.
func phase(ctx context.Context, name string, c load.Config, more func() string, stdout console) (load.Result, error) {
	run, err := load.Start(ctx, c)
	if err != nil {
		return load.Result{}, err
	}
	live := newLiveLine(stdout)
	ticker := time.NewTicker(live.every)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-run.Done():
			running = false
		case <-ticker.C:
			w := run.Window()
			live.show(fmt.Sprintf("%-7s %4.1fs %6.0f req/s  p50 %6v p99 %6v%s",
				name, run.Elapsed().Seconds(), w.PerSecond, short(w.P50), short(w.P99), more()))
		}
	}
	live.end()
	if err := ctx.Err(); err != nil {
		return load.Result{}, fmt.Errorf("interrupted: %w", err)
	}
	return run.Wait(), nil
}

// tiers says where answers came from, in what is left of 80 columns: a longer line would
// wrap, and could not be written over.
func tiers(s tiercache.SpaceStats) string {
	calls := max(float64(s.Calls()), 1)
	percent := func(n uint64) float64 { return 100 * float64(n) / calls }
	return fmt.Sprintf("  L1 %4.1f%% L2 %4.1f%% early %d", percent(s.L1Hits), percent(s.L2Hits), s.EarlyRefreshes)
}

// minus is what was counted between two snapshots.
func minus(now, before tiercache.SpaceStats) tiercache.SpaceStats {
	return tiercache.SpaceStats{
		L1Hits: now.L1Hits - before.L1Hits, L2Hits: now.L2Hits - before.L2Hits, Computed: now.Computed - before.Computed,
		Stale: now.Stale - before.Stale, Missed: now.Missed - before.Missed, Failed: now.Failed - before.Failed,
		Computes: now.Computes - before.Computes, ComputeErrors: now.ComputeErrors - before.ComputeErrors,
		ComputeTime: now.ComputeTime - before.ComputeTime, EarlyRefreshes: now.EarlyRefreshes - before.EarlyRefreshes,
		L2Errors: now.L2Errors - before.L2Errors, RawBytes: now.RawBytes - before.RawBytes, SentBytes: now.SentBytes - before.SentBytes,
	}
}
