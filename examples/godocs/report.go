package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/examples/godocs/internal/load"
)

// printTable compares the two phases. Their numbers of requests differ because the workers
// wait for their answers: a faster server is asked more.
func printTable(stdout console, without, with load.Result, did tiercache.SpaceStats) error {
	t := tabwriter.NewWriter(stdout.Writer, 0, 0, 3, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			console{t}.printf("%v\t", c)
		}
		console{t}.printf("\n")
	}
	stdout.printf("\n")
	row("", "without cache", "with cache")
	row("requests", without.Requests, with.Requests)
	row("requests/s", fmt.Sprintf("%.0f", without.PerSecond()), fmt.Sprintf("%.0f", with.PerSecond()))
	row("p50", short(without.P50), short(with.P50))
	row("p90", short(without.P90), short(with.P90))
	row("p99", short(without.P99), short(with.P99))
	row("slowest", short(without.Max), short(with.Max))
	row("HTML served", size(without.Bytes), size(with.Bytes))
	row("errors", without.Errors, with.Errors)
	row("answered by L1", "", did.L1Hits)
	row("answered by L2", "", did.L2Hits)
	row("answered by a compute", without.Requests, did.Computed)
	row("answered stale", "", did.Stale)
	row("computes", without.Requests, did.Computes)
	row("of them early refreshes", "", did.EarlyRefreshes)
	row("failed calls to L2", "", did.L2Errors)
	row("sent to L2", "", size(int64(did.SentBytes)))
	row("saved by compression", "", fmt.Sprintf("%.0f%%", saved(did)))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	for _, err := range []error{without.FirstError, with.FirstError} {
		if err != nil {
			stdout.printf("first error: %v\n", err)
		}
	}
	stdout.printf("\n")
	return nil
}

// summary is the last line of the output, for programs. Everything without a suffix is of
// the phase with the cache.
type summary struct {
	Requests       int64  `json:"requests"`
	Computes       uint64 `json:"computes"`
	L1Hits         uint64 `json:"l1_hits"`
	L2Hits         uint64 `json:"l2_hits"`
	EarlyRefreshes uint64 `json:"early_refreshes"`
	Errors         int64  `json:"errors"` // of both phases
	P50            int64  `json:"p50_us"`
	P99            int64  `json:"p99_us"`
	P50Uncached    int64  `json:"p50_us_uncached"`
	P99Uncached    int64  `json:"p99_us_uncached"`
}

func printJSON(stdout console, without, with load.Result, did tiercache.SpaceStats) error {
	return json.NewEncoder(stdout).Encode(summary{
		Requests: with.Requests, Computes: did.Computes, L1Hits: did.L1Hits, L2Hits: did.L2Hits,
		EarlyRefreshes: did.EarlyRefreshes, Errors: without.Errors + with.Errors,
		P50: with.P50.Microseconds(), P99: with.P99.Microseconds(),
		P50Uncached: without.P50.Microseconds(), P99Uncached: without.P99.Microseconds(),
	})
}
