// Package l2 is the shared tier: Redis or Valkey behind tier.Remote, standalone, under
// Sentinel, as a Cluster or behind a Unix socket.
//
//	remote, err := l2.Open(ctx, "redis://cache.internal:6379/0", l2.Config{})
//
// Open builds a client whose calls end in time; New takes a client that exists already.
// Both return a *Remote, which has every ability that package tier names.
//
// # Time
//
// Every call ends at the deadline of its context or after Config.CallTimeout, whichever
// comes first, however many keys it names. A context that is cancelled before its deadline
// stops waits and retries at once, but a read from a connection that has begun runs on
// until the deadline: the client library cannot interrupt it.
//
// A client that was handed to New and does not honour deadlines (redis.Options without
// ContextTimeoutEnabled) is guarded: each call runs in a goroutine of its own and the
// caller leaves at the deadline. The goroutine ends when the client's own time-outs end
// it. At most four times the client's PoolSize of them exist; a call beyond that waits for
// a place, within its deadline. Guarded writes copy the frame.
//
// # Names
//
// A value lives under "<prefix>:<db>:1:v:{<space>:<id>}". The 1 is the version of the key
// schema. In space and id the bytes '%', '{', '}' and control bytes are written as %XX, in
// the space ':' too, so that different keys never share a name and the braces enclose
// everything that Redis Cluster hashes.
//
// # Rights
//
// On a server with ACLs the user needs, for the prefix "tc":
//
//	~tc:* &tc:* +get +set +getrange +setrange +unlink +del +hget +hset +hkeys +pexpire
//	+pttl +time +eval +evalsha +script|load +publish +subscribe +ping
//
// and +select for a database other than 0, +client|setname with Config.ClientName,
// +cluster|slots on a Cluster.
//
// # Errors
//
// tier.ErrMiss, tier.ErrCorrupt and tier.ErrClosed are returned where package tier says
// so. Everything else is a failure: it wraps what the client library returned, and, when
// time ran out, context.DeadlineExceeded. The text of an error never holds a key, a value
// or a password, not even when the server's own text does.
//
// The client library logs each failed dial and topology change through its process-wide
// logger; redis.SetLogger replaces it.
package l2
