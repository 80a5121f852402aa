// Package tiercache is a cache-aside engine in two tiers: an in-process L1 over a shared
// L2 in Redis or Valkey. One call returns a value from the nearest tier or computes it,
// and hot values are renewed before they expire, so that nobody waits for them.
//
//	users, err := tiercache.NewCache[User](engine, "users", tiercache.Policy{TTL: time.Minute})
//	user, err := users.GetOrCompute(ctx, id, loadUser)
//
// # The path of a call
//
// Data flows one way, and each step is a file of this package:
//
//  1. cache.go: a typed handle takes the call.
//  2. lookup.go: L1 is read. A fresh entry is the answer; nothing else happens.
//  3. expiry.go: an entry near its expiry is the answer too, and may start a refresh
//     behind it; a stale one is kept to fall back on.
//  4. singleflight.go: otherwise the caller joins the flight of its key, or leads one.
//  5. fill.go: the flight looks into L1 again, then into L2, and at last computes.
//  6. compute.go: the caller's function runs, under a hard limit, once for all.
//  7. codec.go: the value is encoded; L1 gets it; the callers are woken.
//  8. seal.go: compressed and encrypted in an envelope, the value goes to L2.
//
// The one edge that runs backwards is invalidation: invalidate.go raises the fence
// (fence.go) of a key, and what was read or computed before is not valid any more,
// wherever it is.
//
// # Guarantees
//
//   - One compute per key in a process, for any number of callers. Each caller waits on its
//     own context; callers leave, flights land.
//   - No late write-back: what was computed before an invalidation of its key in the same
//     process is kept in no tier. An invalidation waits for values that are on their way to
//     L2, as long as Config.L2Budget lasts.
//   - Read your own delete: after Delete has returned without an error, no call that begins
//     afterwards in that process gets the older value.
//   - An L2 that is down, hung, full or empty costs callers no error and at most
//     Config.L2Budget per call.
//   - Bytes from L2 are hostile: what is not a whole envelope of this key, in size and
//     codec, is a counted miss.
//   - Nobody waits on a hot key: early refresh runs behind, and the caller gets the valid
//     value.
//   - Close under load: no panic, no leak, and running flights are landed and written
//     within its deadline.
//
// # Caveats
//
//   - Processes do not tell each other about invalidations yet: another process serves its
//     L1 copy until that expires. Set Policy.L1TTL to bound this where it matters.
//   - Computes are shared within a process, not yet across the fleet, and writes to L2 are
//     not yet fenced there: a write that is on the wire while another process deletes its
//     key, or that this process has given up on after Config.L2Budget, can land after the
//     delete.
//   - Times are those of the host's clock. Hosts whose clocks differ see values expire
//     earlier or later by the difference; the lifetime in Redis itself does not move.
//   - Values are shared between callers and L1. Do not change what you get; see WithClone.
//   - A key must cover everything its compute reads, values of the context included.
//   - An envelope names its codec and not the Go type: JSON written as one struct reads as
//     another, with zero values where they differ. Rename the space when its type changes.
package tiercache
