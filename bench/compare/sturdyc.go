package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// sturdycStorage is sturdyc's DistributedStorage over go-redis. The interface has no room
// for errors: a failed read is a miss.
type sturdycStorage struct {
	client *redis.Client
	ttl    time.Duration
}

func (s *sturdycStorage) Get(ctx context.Context, key string) ([]byte, bool) {
	b, err := s.client.Get(ctx, key).Bytes()
	return b, err == nil
}

func (s *sturdycStorage) Set(ctx context.Context, key string, value []byte) {
	s.client.Set(ctx, key, value, s.ttl)
}

func (s *sturdycStorage) GetBatch(ctx context.Context, keys []string) map[string][]byte {
	vs, err := s.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil
	}
	found := make(map[string][]byte, len(keys))
	for i, v := range vs {
		if str, ok := v.(string); ok {
			found[keys[i]] = []byte(str)
		}
	}
	return found
}

func (s *sturdycStorage) SetBatch(ctx context.Context, records map[string][]byte) {
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for k, v := range records {
			p.Set(ctx, k, v, s.ttl)
		}
		return nil
	})
}

// sturdycDeletions is what sturdyc asks for in addition when it refreshes early.
type sturdycDeletions struct{ sturdycStorage }

func (s *sturdycDeletions) Delete(ctx context.Context, key string) { s.client.Del(ctx, key) }

func (s *sturdycDeletions) DeleteBatch(ctx context.Context, keys []string) {
	s.client.Del(ctx, keys...)
}
