package tiercache

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// newID draws the identity of a stored version. rand.Read cannot fail.
func newID() (id tier.ID) {
	_, _ = rand.Read(id[:])
	return id
}

// seal makes the envelope of a prepared value: compressed, encrypted if there is a key
// ring, behind the header.
func (e *Engine) seal(j *job, p *prepared) []byte {
	entry := p.entry
	env := tier.Envelope{
		ID:         entry.ID,
		Codec:      j.shape.codec.ID(),
		Absent:     entry.Absent,
		Generation: entry.Generation,
		SoftExpiry: toMillis(entry.SoftExpiry),
		Created:    toMillis(entry.Created),
		CostMicros: toCostMicros(entry.Cost),
		RawLength:  uint32(len(p.raw)), //nolint:gosec // at most MaxValueBytes, which is below 2^31
		KeyDigest:  entry.Key.Digest(),
		Tags:       entry.Tags,
	}
	env.Payload, env.Compressor = e.compression.compress(make([]byte, 0, len(p.raw)+len(p.raw)/64+64), p.raw)
	if e.cfg.KeyRing != nil {
		env.Sealed = true
		context := sealContext(make([]byte, 0, sealRoom), &env, entry.Key)
		env.Payload = e.cfg.KeyRing.seal(make([]byte, 0, len(env.Payload)+sealOverhead), env.Payload, context)
	}
	frame := tier.AppendEnvelope(make([]byte, 0, len(env.Payload)+envelopeRoom), &env)
	j.space.add(cRawBytes, uint64(len(p.raw)))
	j.space.add(cSentBytes, uint64(len(frame)))
	return frame
}

const (
	envelopeRoom = 128 // the header and a tag or two
	sealRoom     = 256 // that, the space and the id
)

// open reads an envelope from L2 as an entry, checking everything that can be checked
// before it allocates: these bytes may be anybody's. It returns an error that wraps
// tier.ErrCorrupt or is tier.ErrNewer if they are of no use.
func (e *Engine) open(j *job, k tier.Key, frame []byte) (*tier.Entry, error) {
	env, err := tier.ParseEnvelope(frame)
	if err != nil {
		return nil, err
	}
	if env.KeyDigest != k.Digest() {
		return nil, fmt.Errorf("%w: of another key", tier.ErrCorrupt)
	}
	if env.Sealed != (e.cfg.KeyRing != nil) {
		// Taking plain values while a key ring is set would let anybody who can write to
		// Redis get around it.
		return nil, fmt.Errorf("%w: sealed is %t where Config.KeyRing wants %t", tier.ErrCorrupt, env.Sealed, !env.Sealed)
	}
	if uint64(env.RawLength) > uint64(e.cfg.MaxValueBytes) { //nolint:gosec // positive
		return nil, fmt.Errorf("%w: %d bytes of value, Config.MaxValueBytes is %d", tier.ErrCorrupt, env.RawLength, e.cfg.MaxValueBytes)
	}
	entry := &tier.Entry{
		Key:        k,
		ID:         env.ID,
		Created:    fromMillis(env.Created),
		Cost:       time.Duration(env.CostMicros) * time.Microsecond,
		Generation: env.Generation,
		Tags:       env.Tags,
		Absent:     env.Absent,
		Size:       keySize(k),
	}
	now := e.clock.precise()
	j.rules.lifetime(entry, min(fromMillis(env.SoftExpiry), now+int64(maxLifetime)), now)
	if env.Sealed {
		env.Payload, err = e.cfg.KeyRing.open(nil, env.Payload, sealContext(nil, &env, k))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", tier.ErrCorrupt, err)
		}
	}
	if env.Absent {
		if len(env.Payload) > 0 {
			return nil, fmt.Errorf("%w: absent, with a value", tier.ErrCorrupt)
		}
		return j.shape.pack(entry), nil
	}
	// The codec and WithSizeOf are not ours: what they panic with is a miss.
	_, err = protect(func() (any, error) { return nil, e.openValue(j, &env, entry) })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tier.ErrCorrupt, err)
	}
	return j.shape.pack(entry), nil
}

func (e *Engine) openValue(j *job, env *tier.Envelope, entry *tier.Entry) error {
	if env.Codec != j.shape.codec.ID() {
		return fmt.Errorf("written by codec %d, this cache uses %d", env.Codec, j.shape.codec.ID())
	}
	raw, err := e.compression.decompress(env.Compressor, env.Payload, int(env.RawLength))
	if err != nil {
		return err
	}
	if entry.Value, err = j.shape.decode(raw); err != nil {
		return err
	}
	entry.Size = j.shape.size(entry, len(raw))
	return nil
}
