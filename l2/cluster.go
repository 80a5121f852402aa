package l2

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadPause is the least time between two reloads of the cluster's map.
const reloadPause = 200 * time.Millisecond

// reloader makes a cluster client look at the topology when a node does not answer.
//
// By itself the client reloads its map of slots on MOVED, ASK and READONLY, and once a
// minute. A master that died sends none of these, so calls for its slots would fail for up
// to a minute although a replica took over within seconds. Nobody needs to poll: as long
// as there are calls, a failing one triggers the next reload, and without calls nobody
// notices.
//
// The reload itself runs in a goroutine of the client, which has one at a time and ends it
// soon after the client is closed.
type reloader struct {
	reload func(context.Context) // returns at once
	start  time.Time
	next   atomic.Int64 // not before this, in ns after start
}

func newReloader(reload func(context.Context)) *reloader {
	return &reloader{reload: reload, start: time.Now()}
}

// notice is called with every failure of a call.
func (l *reloader) notice(ctx context.Context, err error) {
	if isServerError(err) && !redis.IsClusterDownError(err) && !redis.IsMasterDownError(err) {
		return // a node answered: this says nothing about the map
	}
	now, next := int64(time.Since(l.start)), l.next.Load()
	// Of many callers that fail at the same time the one whose swap wins does the work.
	if now >= next && l.next.CompareAndSwap(next, now+int64(reloadPause)) {
		l.reload(context.WithoutCancel(ctx))
	}
}

// eachMaster calls f for every node that takes writes and returns the first error.
func eachMaster(ctx context.Context, client redis.UniversalClient, f func(context.Context, redis.Cmdable) error) error {
	one := func(ctx context.Context, c *redis.Client) error { return f(ctx, c) }
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, one)
	case *redis.Ring:
		return c.ForEachShard(ctx, one)
	default:
		return f(ctx, client)
	}
}
