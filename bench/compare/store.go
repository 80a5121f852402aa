package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/tiercache/tiercache/internal/redistest"
)

// store is the Redis of a run.
type store struct {
	url     string
	version string
	admin   *redis.Client
	stop    func() error
}

// openStore starts an empty Redis, or uses the one at url.
func openStore(ctx context.Context, url string) (_ *store, err error) {
	s := &store{url: url, stop: func() error { return nil }}
	if url == "" {
		server, err := redistest.Launch(ctx, redistest.Options{})
		if err != nil {
			return nil, err
		}
		s.url, s.stop = server.URL(), server.Close
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.admin, err = s.newClient(); err != nil {
		return nil, err
	}
	info, err := s.admin.Info(ctx, "server").Result()
	if err != nil {
		return nil, errors.Join(err, s.admin.Close())
	}
	s.version = serverVersion(info)
	return s, nil
}

func (s *store) close() error { return errors.Join(s.admin.Close(), s.stop()) }

// newClient returns a client with go-redis' defaults, as most services run it.
func (s *store) newClient() (*redis.Client, error) {
	o, err := redis.ParseURL(s.url)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(o), nil
}

func (s *store) newRueidis() (rueidis.Client, error) {
	o, err := rueidis.ParseURL(s.url)
	if err != nil {
		return nil, err
	}
	return rueidis.NewClient(o)
}

// purge deletes what the systems stored. Every system has its own format under the same
// keys, so one must not find what another left. It never flushes: with -redis the server
// is somebody's.
func (s *store) purge(ctx context.Context) error {
	var cursor uint64
	for {
		keys, next, err := s.admin.Scan(ctx, cursor, "*"+rootPrefix+"*", 1000).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := s.admin.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func serverVersion(info string) string {
	names := []struct{ key, product string }{{"valkey_version", "Valkey"}, {"redis_version", "Redis"}}
	for _, n := range names {
		for line := range strings.Lines(info) {
			if v, ok := strings.CutPrefix(line, n.key+":"); ok {
				return fmt.Sprintf("%s %s", n.product, strings.TrimSpace(v))
			}
		}
	}
	return "unknown server"
}
