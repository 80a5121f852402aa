package l2

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/redis/go-redis/v9"
)

// Open returns a Remote with a client of its own for the server that url names:
//
//	redis://user:password@host:6379/0                       one server
//	rediss://host                                           the same over TLS
//	unix://user:password@/run/redis.sock?db=0               a Unix socket
//	redis+sentinel://user:password@host1:26379,host2/master/0
//	redis+cluster://user:password@host1:6379,host2:6379     any nodes of the Cluster
//
// rediss+sentinel and rediss+cluster are the same over TLS, and "valkey" may be written for
// "redis" and "valkeys" for "rediss". User and password are for the servers that hold
// data. Ports default to 6379, those of Sentinels to 26379. Everything but the punctuation
// above must be percent-encoded.
//
// The parameters call_timeout, client_name, db, dial_timeout, max_frame_bytes, pool_size,
// prefix, sentinel_password and sentinel_username set the fields of Config of the same
// name; durations are written with a unit ("150ms"). skip_verify=true turns off the check
// of TLS certificates, and with it the protection that TLS gives. An unknown parameter is
// an error, and fields set in cfg win over parameters.
//
// Open fails only on bad input and on a ctx that has ended already. It tries one round
// trip, within ctx and the call time-out, so that the first call finds a connection, but a
// server that cannot be reached, or refuses the password, is no error: a service must be
// able to start without its cache. To fail early, call Ping.
func Open(ctx context.Context, url string, cfg Config) (*Remote, error) {
	t, err := parseURL(url)
	if err != nil {
		// What the URL would have set is unknown: judge the rest by cfg alone.
		return nil, errors.Join(err, cfg.withDefaults().validate())
	}
	c := cfg.over(t.settings).withDefaults()
	if err := errors.Join(c.validate(), t.validate(c)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("l2: open: %w", err)
	}
	r := newRemote(t.client(c), c.DB, c)
	r.owned = true
	_ = r.Ping(ctx) // see above: the outcome does not matter
	return r, nil
}

// New returns a Remote over a client that exists already: a *redis.Client, with or without
// Sentinel, a *redis.ClusterClient, a *redis.Ring, or anything that wraps one. Closing the
// Remote leaves the client open.
//
// The client should have ContextTimeoutEnabled. If it has not, or if its type is unknown,
// calls are guarded as described in the package documentation, which costs a goroutine per
// call and a copy per write. Clients that read from replicas (ReadOnly, RouteByLatency,
// RouteRandomly, ReplicaOnly) can return values that were deleted a moment ago.
//
// The index of the database in the names is that of the client; for a client of an unknown
// type it is 0.
func New(client redis.UniversalClient, cfg Config) (*Remote, error) {
	p, err := inspect(client)
	c := cfg.withDefaults()
	if err := errors.Join(err, cfg.validateReady(), c.validate()); err != nil {
		return nil, err
	}
	r := newRemote(client, p.db, c)
	if !p.leaves {
		r.guard = newGuard(4 * p.poolSize)
	}
	return r, nil
}

// properties is what a Remote must know about a client that it did not build.
type properties struct {
	leaves   bool // calls end at the deadline of their context
	poolSize int
	db       int
}

func inspect(client redis.UniversalClient) (properties, error) {
	missing := errors.New("l2: the client is nil")
	switch c := client.(type) {
	case nil:
		return properties{}, missing
	case *redis.Client:
		if c == nil {
			return properties{}, missing
		}
		o := c.Options()
		return properties{leaves: o.ContextTimeoutEnabled, poolSize: o.PoolSize, db: o.DB}, nil
	case *redis.ClusterClient:
		if c == nil {
			return properties{}, missing
		}
		o := c.Options()
		return properties{leaves: o.ContextTimeoutEnabled, poolSize: o.PoolSize}, nil
	case *redis.Ring:
		if c == nil {
			return properties{}, missing
		}
		o := c.Options()
		return properties{leaves: o.ContextTimeoutEnabled, poolSize: o.PoolSize, db: o.DB}, nil
	default:
		return properties{poolSize: 10 * runtime.GOMAXPROCS(0)}, nil
	}
}
