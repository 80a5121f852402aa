package tier

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
)

// Key names one entry: the space it belongs to and the caller's id within that space.
// The two are kept apart because joining them would cost an allocation on every hit.
// Keys are comparable; make them with NewKey or Space.Key, which fill in Hash.
type Key struct {
	Space string
	ID    string

	// Hash is a keyed 64-bit hash of Space and ID, computed once per call and used by
	// everything that would otherwise hash again: L1 shards, fence slots, flight shards.
	// It is the same for equal keys within one process and differs between processes, so
	// it must never be stored or sent. Collisions are possible: compare Space and ID.
	Hash uint64
}

// seed is drawn once per process and never changes. A per-process seed keeps callers from
// crafting ids that collide.
var seed = maphash.MakeSeed()

// Space is a namespace whose part of the hash is computed already.
// The zero Space is not usable; make one with NewSpace.
type Space struct {
	name string
	hash uint64
}

// NewSpace returns the space called name.
func NewSpace(name string) Space {
	// The multiplication keeps Key("a","b") and Key("b","a") apart: without it both would
	// be the xor of the same two hashes.
	return Space{name: name, hash: maphash.String(seed, name) * 0x9e3779b97f4a7c15}
}

// Name returns the name of the space.
func (s Space) Name() string { return s.name }

// Key returns the key of id in this space.
func (s Space) Key(id string) Key {
	return Key{Space: s.name, ID: id, Hash: maphash.String(seed, id) ^ s.hash}
}

// NewKey returns the key of id in the named space.
// Callers with many ids of one space keep a Space and use its Key method.
func NewKey(space, id string) Key { return NewSpace(space).Key(id) }

// Digest is a stable 64-bit digest of Space and ID: the same in every process and every
// release. An envelope carries it, so that bytes that turn up under another key, by a
// confused client or a RENAME, are recognised. It guards against mix-ups, not forgery:
// for that, seal values with a key ring.
func (k Key) Digest() uint64 {
	// The length prefix makes the pair injective: ("a","bc") and ("ab","c") differ.
	var stack [128]byte
	b := binary.AppendUvarint(stack[:0], uint64(len(k.Space)))
	b = append(b, k.Space...)
	b = append(b, k.ID...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}
