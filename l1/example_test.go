package l1_test

import (
	"fmt"

	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/tier"
)

func Example() {
	cache, err := l1.New(l1.Config{MaxBytes: 16 << 20})
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	key := tier.NewKey("users", "42")
	cache.Set(&tier.Entry{Key: key, Value: "Ada", Size: 3})

	if e, ok := cache.Get(key); ok {
		fmt.Println("found", e.Value)
	}
	cache.Delete(key)
	if _, ok := cache.Get(key); !ok {
		fmt.Println("gone")
	}
	// Output:
	// found Ada
	// gone
}

func ExampleCache_Usage() {
	cache, err := l1.New(l1.Config{MaxBytes: 16 << 20})
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	cache.Set(&tier.Entry{Key: tier.NewKey("users", "42"), Value: "Ada", Size: 3})
	usage := cache.Usage()
	fmt.Println(usage.Entries, "entry,", usage.Bytes-l1.EntryOverhead, "bytes of its own")
	// Output: 1 entry, 3 bytes of its own
}

func ExampleNew_invalid() {
	_, err := l1.New(l1.Config{MaxBytes: -1})
	fmt.Println(err)
	// Output: l1: Config.MaxBytes: -1 is negative; leave it 0 for the default of 64 MiB
}
