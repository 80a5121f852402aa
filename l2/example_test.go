package l2_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/l2"
	"github.com/tiercache/tiercache/tier"
)

// A service opens the tier when it starts and closes it when it ends. It starts without
// Redis as well; one that must not calls Ping.
func ExampleOpen() {
	ctx := context.Background()
	remote, err := l2.Open(ctx, "redis+sentinel://app:secret@sentinel-1,sentinel-2/cache/0?call_timeout=50ms", l2.Config{
		Prefix: "shop",
	})
	if err != nil {
		log.Fatal(err) // the URL or the Config is wrong
	}
	defer remote.Close()
	if err := remote.Ping(ctx); err != nil {
		log.Print(err) // Redis cannot be reached right now
	}
}

// A client that the service has already is shared. It must honour the deadlines of
// contexts, or every call needs a goroutine.
func ExampleNew() {
	client := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true,
		DialTimeout:           300 * time.Millisecond,
		DialerRetries:         1,
		MaxRetries:            1,
	})
	defer client.Close()
	remote, err := l2.New(client, l2.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer remote.Close()

	frame, err := remote.Get(context.Background(), tier.NewKey("users", "42"))
	switch {
	case errors.Is(err, tier.ErrMiss):
		fmt.Println("nothing there")
	case err != nil:
		log.Print(err)
	default:
		fmt.Println(len(frame), "bytes")
	}
}

// The errors of a batch are those of its items.
func ExampleRemote_SetMany() {
	ctx := context.Background()
	remote, err := l2.Open(ctx, "redis://localhost:6379", l2.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer remote.Close()
	items := []tier.Item{
		{Key: tier.NewKey("users", "1"), Frame: []byte("..."), TTL: time.Hour},
		{Key: tier.NewKey("users", "2"), Frame: []byte("..."), TTL: time.Hour},
	}
	for i, err := range remote.SetMany(ctx, items) {
		if err != nil {
			log.Printf("item %d: %v", i, err)
		}
	}
}
