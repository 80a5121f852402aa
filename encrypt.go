package tiercache

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

// SealKey is one key of a KeyRing. However it is printed, logged or marshalled to text, its
// secret is left out.
type SealKey struct {
	// ID is stored in clear with every value, so that the key is found again. Any number;
	// never give two secrets the same one.
	ID uint32

	// Secret is an AES key: 16, 24 or 32 random bytes.
	Secret []byte
}

// KeyRing holds the keys that values are sealed with before they go to L2: AES-GCM, which
// keeps them secret and recognises what was altered, forged, or moved under another key.
// Names of keys and tags, times and sizes stay readable. L1 holds values in clear.
//
// New values are sealed with the primary key; values sealed with an accepted one are still
// read. A value whose key is not in the ring is a miss. Nonces are random, so one key must
// seal no more than 2^32 values, by all processes together (NIST SP 800-38D, section 8.3):
// at 1,000 writes per second, rotate within 49 days. The ring does not count.
//
// All methods are safe for concurrent use, beside calls of the engines that use the ring.
// The zero KeyRing is not usable; make one with NewKeyRing.
type KeyRing struct{ keys atomic.Pointer[sealKeys] }

// sealKeys is one set of keys. It never changes.
type sealKeys struct {
	primary uint32
	byID    map[uint32]cipher.AEAD
}

// NewKeyRing returns a ring that seals with primary and opens with all keys given. It
// copies the secrets. The error names every key that is unfit, never its secret.
func NewKeyRing(primary SealKey, accepted ...SealKey) (*KeyRing, error) {
	r := new(KeyRing)
	if err := r.Replace(primary, accepted...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace swaps all keys at once, while the ring is in use. After an error the ring is as
// it was before.
//
// To rotate without a miss, give every process the new key as an accepted one first; when
// all have it, make it the primary and accept the old one; drop that when the last value
// sealed with it has expired. When a key has leaked, drop it at once: what it sealed is
// computed anew.
func (r *KeyRing) Replace(primary SealKey, accepted ...SealKey) error {
	set := &sealKeys{primary: primary.ID, byID: make(map[uint32]cipher.AEAD, 1+len(accepted))}
	errs := []error{set.add(primary, "primary")}
	for i, k := range accepted {
		errs = append(errs, set.add(k, fmt.Sprintf("accepted[%d]", i)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.keys.Store(set)
	return nil
}

func (s *sealKeys) add(k SealKey, field string) error {
	if n := len(k.Secret); n != 16 && n != 24 && n != 32 {
		return fmt.Errorf("tiercache: %s.Secret: %d bytes, possible are 16, 24 and 32", field, n)
	}
	if s.byID[k.ID] != nil {
		return fmt.Errorf("tiercache: %s.ID: %d is the id of another key already", field, k.ID)
	}
	block, err := aes.NewCipher(k.Secret) // expands the key: Secret is not kept
	if err != nil {
		return fmt.Errorf("tiercache: %s.Secret: %w", field, err)
	}
	if s.byID[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return fmt.Errorf("tiercache: %s.Secret: %w", field, err)
	}
	return nil
}

// Layout of a sealed payload: id of the key (4, big-endian), nonce (12), ciphertext as long
// as the plaintext, tag (16).
const (
	sealKeyIDSize = 4
	sealOverhead  = sealKeyIDSize + 12 + 16
)

// errSealed is the one answer for every payload that does not open, so that nobody learns
// from it how close a forgery came.
var errSealed = errors.New("tiercache: sealed value does not open with the keys of the ring")

// seal appends plaintext to dst, sealed together with additional, which the reader must
// present again and which is not stored. dst must not overlap the others.
// It allocates nothing when dst has room for len(plaintext) + sealOverhead.
func (r *KeyRing) seal(dst, plaintext, additional []byte) []byte {
	set := r.keys.Load()
	dst = binary.BigEndian.AppendUint32(grow(dst, len(plaintext)+sealOverhead), set.primary)
	return set.byID[set.primary].Seal(dst, nil, plaintext, additional) //nolint:gosec // draws its own nonce: NewGCMWithRandomNonce
}

// open appends what was sealed to dst, or returns errSealed. dst must not overlap sealed.
func (r *KeyRing) open(dst, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < sealOverhead {
		return nil, errSealed
	}
	aead := r.keys.Load().byID[binary.BigEndian.Uint32(sealed)]
	if aead == nil {
		return nil, errSealed
	}
	dst = grow(dst, len(sealed)-sealOverhead)
	out, err := aead.Open(dst, nil, sealed[sealKeyIDSize:], additional)
	if err != nil {
		return nil, errSealed
	}
	return out, nil
}

// sealContext appends what a sealed payload of env under k is bound to: everything in the
// header but the soft expiry, which scripts overwrite, and the key itself, because the
// header holds no more of it than a digest that anybody can compute. env must be complete
// but for its payload, with Sealed set.
func sealContext(dst []byte, env *tier.Envelope, k tier.Key) []byte {
	dst = env.AppendSealed(dst)
	dst = binary.AppendUvarint(dst, uint64(len(k.Space)))
	dst = append(dst, k.Space...)
	return append(dst, k.ID...)
}

// String names the key by its id.
func (k SealKey) String() string { return fmt.Sprintf("SealKey(%d)", k.ID) }

// GoString is String, for %#v.
func (k SealKey) GoString() string { return k.String() }

// Format prints String for every verb: %x of a struct would print the secret.
func (k SealKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String, for slog.
func (k SealKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String, for encoding/json and others that look into structs.
func (k SealKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String names the primary key and counts the accepted ones.
func (r *KeyRing) String() string {
	set := r.keys.Load()
	if set == nil {
		return "KeyRing(empty)"
	}
	return fmt.Sprintf("KeyRing(primary %d, %d accepted)", set.primary, len(set.byID)-1)
}

// GoString is String, for %#v.
func (r *KeyRing) GoString() string { return r.String() }

// Format prints String for every verb.
func (r *KeyRing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue is String, for slog.
func (r *KeyRing) LogValue() slog.Value { return slog.StringValue(r.String()) }
