package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/l2"
)

// secondTier is L2 and the server behind it.
type secondTier struct {
	name   string // what it is, for people
	remote *l2.Remote
	stop   func() error // ends the server, if it is ours; the engine closes remote before
}

// openL2 takes the server that the environment names, else starts one, else makes do with
// one inside the process, and says which.
func openL2(ctx context.Context, o options, version string, stdout console) (*secondTier, error) {
	tier, err := chooseL2(ctx, o, prefixFor(version), stdout)
	if err != nil {
		return nil, err
	}
	stdout.printf("L2 is %s\n", tier.name)
	return tier, nil
}

func chooseL2(ctx context.Context, o options, prefix string, stdout console) (*secondTier, error) {
	choice := o.l2
	switch {
	case choice == auto && o.redisURL != "":
		choice = named
	case choice == auto:
		tier, err := startedRedis(ctx, prefix)
		if err == nil || ctx.Err() != nil {
			return tier, err
		}
		stdout.printf("No redis-server of our own: %v\n", err)
		choice = inMemory
	}
	switch choice {
	case named:
		return connect(ctx, prefix, "the server named by "+redisURLVariable, o.redisURL, func() error { return nil })
	case started:
		return startedRedis(ctx, prefix)
	default:
		return inProcess(ctx, prefix)
	}
}

func startedRedis(ctx context.Context, prefix string) (*secondTier, error) {
	server, err := startRedis(ctx)
	if err != nil {
		return nil, err
	}
	return connect(ctx, prefix, fmt.Sprintf("%s, started on %s", server.path, server.addr), "redis://"+server.addr, server.stop)
}

func inProcess(ctx context.Context, prefix string) (*secondTier, error) {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting miniredis: %w", err)
	}
	// It does not look at the clock by itself, but expires what it is asked for: the
	// envelopes carry their own times, so nothing depends on it.
	return connect(ctx, prefix, "miniredis, inside this process", "redis://"+server.Addr(), func() error {
		server.Close()
		return nil
	})
}

// quiet drops what go-redis logs to stderr: each dial that fails, in the middle of the live
// line. The calls that failed are counted by the engine and stand in the table.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// connect opens a Remote and insists on an answer. A service should start without its
// cache; a demo without it would show nothing.
func connect(ctx context.Context, prefix, name, url string, stop func() error) (*secondTier, error) {
	redis.SetLogger(quiet{})
	remote, err := l2.Open(ctx, url, l2.Config{Prefix: prefix})
	if err == nil {
		if err = remote.Ping(ctx); err != nil {
			err = errors.Join(err, remote.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("L2, %s: %w", name, err), stop())
	}
	return &secondTier{name: name, remote: remote, stop: stop}, nil
}

// prefixFor returns what begins all keys in Redis. Pages of another release of Go are other pages.
func prefixFor(version string) string {
	version = strings.Map(func(c rune) rune {
		if c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, version)
	return "godocs:" + version[:min(len(version), 40)]
}
