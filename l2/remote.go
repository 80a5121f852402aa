package l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/tier"
)

// Remote is a tier.Remote over Redis. It is safe for concurrent use. Besides tier.Remote
// it has the abilities of tier.Batcher, tier.Expirer and tier.Pinger.
type Remote struct {
	// Set when it is made and read-only afterwards.
	client      redis.UniversalClient
	owned       bool // Close closes the client
	names       names
	callTimeout time.Duration
	maxFrame    int
	lastByte    any       // index of the last byte that Get asks for; boxed here once, not per call
	guard       *guard    // nil if the client leaves at deadlines by itself
	reloader    *reloader // nil unless the client is one of a Cluster
	expire      script

	closed atomic.Bool
}

var (
	_ tier.Remote  = (*Remote)(nil)
	_ tier.Batcher = (*Remote)(nil)
	_ tier.Expirer = (*Remote)(nil)
	_ tier.Pinger  = (*Remote)(nil)
)

// Get returns the frame stored under k. The error is tier.ErrMiss if there is none,
// tier.ErrCorrupt if there is something else or something longer than
// Config.MaxFrameBytes, and a failure otherwise. The caller owns the frame.
func (r *Remote) Get(ctx context.Context, k tier.Key) ([]byte, error) {
	ctx, cancel, err := r.begin(ctx, "get")
	if err != nil {
		return nil, err
	}
	defer cancel()
	cmd := r.getCmd(ctx, k)
	if err := r.process(ctx, "get", cmd); err != nil {
		return nil, err
	}
	return r.frame(cmd)
}

// getCmd asks for at most one byte more than a frame may have. GET would make the client
// allocate whatever the server announces, up to 512 MiB, before anybody can look at it.
// GETRANGE also answers a missing key with an empty string, while GET answers with nil,
// which the client library turns into an error at a cost of twenty allocations.
func (r *Remote) getCmd(ctx context.Context, k tier.Key) *redis.StringCmd {
	return redis.NewStringCmd(ctx, "getrange", r.names.value(k), "0", r.lastByte)
}

// frame returns what a getCmd that succeeded has brought.
func (r *Remote) frame(cmd *redis.StringCmd) ([]byte, error) {
	b, err := cmd.Bytes() // a view of memory that this reply alone refers to
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return nil, tier.ErrMiss
	case len(b) > r.maxFrame:
		return nil, fmt.Errorf("l2: get: longer than %d bytes: %w", r.maxFrame, tier.ErrCorrupt)
	}
	return b, nil
}

// Set stores frame under k for ttl, rounded down to milliseconds but for 1 ms at least. It
// replaces what is there, of whatever type. A ttl of zero or less, an empty frame and one
// longer than Config.MaxFrameBytes are errors, and nothing is sent: no Get could return
// them.
func (r *Remote) Set(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
	ctx, cancel, err := r.begin(ctx, "set")
	if err != nil {
		return err
	}
	defer cancel()
	cmd, err := r.setCmd(ctx, k, frame, ttl)
	if err != nil {
		return err
	}
	return r.process(ctx, "set", cmd)
}

func (r *Remote) setCmd(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) (*redis.StatusCmd, error) {
	switch {
	case ttl <= 0:
		return nil, fmt.Errorf("l2: set: a time to live of %v, more than zero is needed", ttl)
	case len(frame) == 0:
		return nil, errors.New("l2: set: an empty frame")
	case len(frame) > r.maxFrame:
		return nil, fmt.Errorf("l2: set: a frame of %d bytes, Config.MaxFrameBytes allows %d", len(frame), r.maxFrame)
	}
	if r.guard != nil {
		// The caller may leave, and reuse frame, while the client still sends it.
		frame = bytes.Clone(frame)
	}
	return redis.NewStatusCmd(ctx, "set", r.names.value(k), frame, "px", max(1, ttl.Milliseconds())), nil
}

// Ping makes one round trip: to the server, to the master that Sentinel names, or to every
// master of a Cluster.
func (r *Remote) Ping(ctx context.Context) error {
	ctx, cancel, err := r.begin(ctx, "ping")
	if err != nil {
		return err
	}
	defer cancel()
	_, err = r.send(ctx, func(ctx context.Context) error {
		return eachMaster(ctx, r.client, func(ctx context.Context, c redis.Cmdable) error {
			return c.Ping(ctx).Err()
		})
	})
	if err != nil {
		return r.fail(ctx, "ping", err)
	}
	return nil
}

// Close makes all calls fail with tier.ErrClosed from now on. A client that Open built is
// closed with its connections; one that was given to New stays open. Closing again does
// nothing. Calls in progress are not waited for: those of a client that Open built end at
// once, guarded ones by the time-outs of their client.
func (r *Remote) Close() error {
	if r.closed.Swap(true) || !r.owned {
		return nil
	}
	if err := r.client.Close(); err != nil {
		return &callError{op: "close", text: describe(err), causes: []error{err}}
	}
	return nil
}

func newRemote(client redis.UniversalClient, db int, c Config) *Remote {
	r := &Remote{
		client:      client,
		names:       newNames(c.Prefix, db),
		callTimeout: c.CallTimeout,
		maxFrame:    c.MaxFrameBytes,
		lastByte:    strconv.Itoa(c.MaxFrameBytes), // inclusive: one byte more than allowed
		expire:      newScript(expireSource()),
	}
	if cc, ok := client.(*redis.ClusterClient); ok {
		r.reloader = newReloader(cc.ReloadState)
	}
	return r
}
