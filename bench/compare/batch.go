package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// batch asks for many values in one call.
func batch(c config) suite {
	return suite{
		name:   "batch",
		redis:  true,
		groups: []group{batchLocal(c), batchRemote(c)},
	}
}

// batchCase is a case that works on batches instead of keys.
func batchCase(name string, b *batches, base setupFunc, pairs int) timed {
	t := timed{
		base:  base,
		loads: []load{{name: name, workers: 1, grain: 1}},
		items: len(b.keys),
		seq:   make([]uint32, len(b.keys)),
		pairs: pairs,
	}
	for i := range t.seq {
		t.seq[i] = uint32(i)
	}
	return t
}

// batches are the keys of calls, drawn like those of the other suites, none twice in one.
type batches struct {
	all   []string   // every key there is
	keys  [][]string // of each batch
	items [][]int    // the numbers behind the keys
}

func newBatches(seed uint64, prefix string, n, count int) *batches {
	b := &batches{all: newKeys(prefix, n), keys: make([][]string, count), items: make([][]int, count)}
	rng := rand.New(rand.NewPCG(seed, 2))
	z := rand.NewZipf(rng, zipfExponent, 1, uint64(n-1))
	place := rng.Perm(n)
	for i := range count {
		for len(b.items[i]) < min(batchSize, n) {
			item := place[z.Uint64()]
			if !slices.Contains(b.items[i], item) {
				b.items[i] = append(b.items[i], item)
				b.keys[i] = append(b.keys[i], b.all[item])
			}
		}
	}
	return b
}

// check looks at the number of values and at two of them, other ones in every batch: to
// look at all would cost as much as the work of the fast systems.
func checkBatch[V any](b *batches, i int, got map[string]V, err error, ok func(V, int) bool) error {
	if err != nil {
		return err
	}
	keys, items := b.keys[i], b.items[i]
	if len(got) != len(keys) {
		return fmt.Errorf("%w: %d values for %d keys", errWrongValue, len(got), len(keys))
	}
	for _, at := range [2]int{i % len(keys), (i + len(keys)/2) % len(keys)} {
		if v, found := got[keys[at]]; !found || !ok(v, items[at]) {
			return errWrongValue
		}
	}
	return nil
}

func isRecord(r record, i int) bool { return r.ID == uint64(i) }
