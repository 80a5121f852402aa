package tiertest

import (
	"testing"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// TestLocal is the conformance suite of tier.Local. open returns a new, empty tier with a
// budget of maxBytes, 1 MiB at least; the suite closes it.
//
// The contract lets a tier forget at any time. The suite is stricter where it has to be to
// see anything: a tier that holds less than a tenth of its budget must not forget. How far
// a tier may exceed its budget for good is limited to 64 KiB.
//
// Run the suite under the race detector too, and end the package's TestMain with a check
// for leaked goroutines.
func TestLocal(t *testing.T, open func(t *testing.T, maxBytes int64) tier.Local) {
	t.Helper()
	for _, c := range localChecks() {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, func(maxBytes int64) tier.Local {
				l := open(t, maxBytes)
				t.Cleanup(func() {
					if err := l.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
				return l
			})
		})
	}
}

type openLocal = func(maxBytes int64) tier.Local

func localChecks() []check[openLocal] {
	return []check[openLocal]{
		{"StoresAndDeletes", localStoresAndDeletes},
		{"KeepsAllOfAnEntry", localKeepsAllOfAnEntry},
		{"ComparesWholeKeys", localComparesWholeKeys},
		{"ComparesKeysOfOneHash", localComparesKeysOfOneHash},
		{"OthersReadYourWrite", localOthersReadYourWrite},
		{"LastSetWins", localLastSetWins},
		{"SetAfterDelete", localSetAfterDelete},
		{"NeverGoesBack", localNeverGoesBack},
		{"DeleteIsFinal", localDeleteIsFinal},
		{"Model", localModel},
		{"StaysInBudget", localStaysInBudget},
		{"StaysInBudgetWhenEntriesGrow", localStaysInBudgetWhenEntriesGrow},
		{"RefusesOversized", localRefusesOversized},
		{"AccountsExactly", localAccountsExactly},
		{"Closed", localClosed},
		{"CloseUnderLoad", localCloseUnderLoad},
		{"CloseEndsGoroutines", localCloseEndsGoroutines},
		{"HitDoesNotAllocate", localHitDoesNotAllocate},
	}
}

const (
	roomy      = 64 << 20 // a budget that no check without a say in the matter uses a tenth of
	smallEntry = 100
	budget     = 1 << 20
	slack      = 64 << 10 // the constant of clause 4
)

// entry returns an entry that tells which Set it comes from by its stamp.
func entry(k tier.Key, stamp uint64, size int64) *tier.Entry {
	now := time.Now()
	return &tier.Entry{
		Key:        k,
		Value:      stamp,
		Stamp:      stamp,
		Created:    now.UnixNano(),
		SoftExpiry: now.Add(time.Hour).UnixNano(),
		Expiry:     now.Add(2 * time.Hour).UnixNano(),
		Size:       size,
	}
}

// stampOf returns the stamp of what l holds under k, 0 for nothing. It fails t if the entry
// is of another key or does not hold what was set with that stamp.
func stampOf(t tb, l tier.Local, k tier.Key) uint64 {
	t.Helper()
	e, ok := l.Get(k)
	switch {
	case !ok:
		return 0
	case e == nil:
		t.Errorf("Get(%q, %q): nil, true", k.Space, k.ID)
		return 0
	case e.Key.Space != k.Space || e.Key.ID != k.ID:
		t.Errorf("Get(%q, %q): the entry of (%q, %q)", k.Space, k.ID, e.Key.Space, e.Key.ID)
	case e.Value != e.Stamp:
		t.Errorf("Get(%q, %q): value %v with stamp %d", k.Space, k.ID, e.Value, e.Stamp)
	}
	return e.Stamp
}

// want fails t unless l holds under k what was set with stamp, where 0 means nothing.
func want(t tb, l tier.Local, k tier.Key, stamp uint64, when string) {
	t.Helper()
	if got := stampOf(t, l, k); got != stamp {
		t.Errorf("Get(%q, %q) %s: stamp %d, want %d (0 is nothing)", k.Space, k.ID, when, got, stamp)
	}
}
