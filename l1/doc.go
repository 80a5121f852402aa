// Package l1 keeps live values in the process: a tier.Local over ristretto, with a budget
// in bytes. What gets in and what goes is decided by TinyLFU, so a scan of keys that are
// read once does not push out those that are read often.
//
// Ristretto applies writes later, on a goroutine of its own, and under load not at all.
// This package puts a small table in front of it, so that a write shows at once, is never
// lost and never undone:
//
//  1. Set and Delete put the entry, or a tombstone, into the staging table and return. From
//     then on every reader sees it: Get looks there first.
//  2. One goroutine moves what is staged into ristretto, in batches, waits until ristretto
//     has applied them and only then takes them out of the table. If writers are faster than
//     that, they move a batch themselves: the table stays small and nothing is dropped.
//  3. Get then finds the entry in ristretto, or, if it is popular, in a hot place next to
//     the table, by loads only: cores do not get into each other's way on a popular key.
//
// # Guarantees
//
// Beyond those of tier.Local:
//
//   - A Set is lost to the admission or eviction policy only, never to a full buffer.
//   - Entries take at most Config.MaxBytes, each counted with its Entry.Size and
//     EntryOverhead; to this add the entries of goroutines that are inside Set.
//   - A hit does not allocate.
//
// # Caveats
//
//   - Two keys with equal Key.Hash have one place: the later Set wins, and deleting one may
//     delete the other. With 64-bit hashes a cache of a million entries holds such a pair
//     with a probability of 3 in 100 million.
//   - Entry.Size is taken at its word.
//   - Expired entries are returned by Get, the engine checks the expiry. Their memory is
//     freed within Config.SweepEvery.
//   - The policy learns from reads. A new entry of a key that was seldom asked for may be
//     gone a moment after Set when the cache is full.
package l1
