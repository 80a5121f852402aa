package tier

import (
	"context"
	"time"
)

// Remote is a tier that processes share (L2). It stores opaque envelopes by key. All
// methods are safe for concurrent use, return when ctx ends or their own time limit is up,
// and may fail at any time; a failure says nothing about what happened on the other side.
//
// What a Remote must hold to:
//
//  1. Get returns the bytes of the latest Set, or ErrMiss. Bytes that are not a string value
//     in the store's sense, or longer than the tier's cap, are ErrCorrupt. The caller owns
//     the returned slice.
//  2. Set replaces whatever is there, of any type, and lets it live for ttl at most. A ttl
//     of zero or less is an error: nothing is stored for ever. So is an empty frame: no
//     envelope is empty. Set does not keep frame.
//  3. Delete of a missing key is no error. With several keys, all are tried and the errors
//     joined.
//  4. Keys are injective: two different keys never share a place, whatever bytes they hold.
type Remote interface {
	Get(ctx context.Context, k Key) ([]byte, error)
	Set(ctx context.Context, k Key, frame []byte, ttl time.Duration) error
	Delete(ctx context.Context, keys ...Key) error
}

// Reply is the answer for one key of a batch read.
type Reply struct {
	Frame []byte
	Err   error // nil, ErrMiss, ErrCorrupt or a failure
}

// Item is one write of a batch.
type Item struct {
	Key   Key
	Frame []byte
	TTL   time.Duration
}

// Batcher is an optional ability of a Remote: many keys in one round trip per node.
// Without it the engine calls Get and Set key by key.
type Batcher interface {
	// GetMany returns one Reply per key, in order.
	GetMany(ctx context.Context, keys []Key) []Reply
	// SetMany stores every item it can and returns one error per item, in order.
	SetMany(ctx context.Context, items []Item) []error
}

// Expirer is an optional ability of a Remote: it moves the soft expiry of stored envelopes
// back to at without touching their values, so that they are stale from then on and still
// there as a fallback. An earlier soft expiry stays as it is: expiring twice cannot make
// anything fresher. Times to live do not change. Envelopes of newer versions are moved too,
// their soft expiry is in the same place. Missing keys and bytes that are no envelope are
// left alone and are no error. Without it the engine deletes instead.
type Expirer interface {
	Expire(ctx context.Context, at time.Time, keys ...Key) error
}

// Pinger is an optional ability of a Remote: a cheap round trip.
type Pinger interface {
	Ping(ctx context.Context) error
}
