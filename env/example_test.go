package env_test

import (
	"context"
	"fmt"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/env"
)

func Example() {
	// TIERCACHE_REDIS_URL=redis://localhost:6379 TIERCACHE_POLICY_TTL=5m ./service
	environ := []string{"TIERCACHE_POLICY_TTL=5m", "TIERCACHE_L1_MAX_BYTES=128MiB"}
	engine, err := env.NewFrom(context.Background(), environ, tiercache.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close(context.Background())
	fmt.Println(engine.Stats().L1.MaxBytes)

	_, err = env.NewFrom(context.Background(), []string{"TIERCACHE_POLICY_TTL=soon"}, tiercache.Config{})
	fmt.Println(err)
	// Output:
	// 134217728
	// tiercache: bad environment:
	// TIERCACHE_POLICY_TTL: "soon" is no duration like 500ms, 30s or 1h
}
