package tiertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

func ExampleTestLocal() {
	// In a test file of the tier:
	_ = func(t *testing.T) {
		tiertest.TestLocal(t, func(_ *testing.T, maxBytes int64) tier.Local {
			return tiertest.NewMapLocal(maxBytes) // your tier here
		})
	}
}

func ExampleTestRemote() {
	// In a test file of the tier:
	_ = func(t *testing.T) {
		tiertest.TestRemote(t, func(*testing.T) tier.Remote {
			return tiertest.NewMemory(0) // your tier here
		})
	}
}

func ExampleMemory() {
	ctx := context.Background()
	remote := tiertest.NewMemory(0)
	key := tier.NewKey("users", "42")

	_ = remote.Set(ctx, key, []byte("frame"), time.Minute)
	fmt.Println(remote.Len())

	remote.Put(key, []byte("not an envelope"), time.Minute) // as a confused client would
	raw, _ := remote.Raw(key)
	fmt.Println(string(raw))
	// Output:
	// 1
	// not an envelope
}

func ExampleFaulty() {
	ctx := context.Background()
	remote := tiertest.NewFaulty(tiertest.NewMemory(0), 1)
	key := tier.NewKey("users", "42")

	remote.FailNext(tiertest.OpGet, 1, errors.New("connection reset"))
	_, err := remote.Get(ctx, key)
	fmt.Println(err)

	remote.Always(tiertest.Fault{Lost: true}, tiertest.OpSet) // reports success, stores nothing
	fmt.Println(remote.Set(ctx, key, []byte("frame"), time.Minute))
	_, err = remote.Get(ctx, key)
	fmt.Println(err)

	remote.Heal()
	fmt.Println(remote.Calls(tiertest.OpGet), remote.Faults(tiertest.OpGet))
	// Output:
	// connection reset
	// <nil>
	// tiercache: miss
	// 2 1
}
