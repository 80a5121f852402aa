package tier

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Layout of envelope version 1. Integers are big-endian.
//
//	 0  2  magic "tc"
//	 2  1  version
//	 3  1  flags
//	 4  1  codec
//	 5  1  compressor
//	 6  2  number of tags
//	 8 16  id
//	24  8  generation of the space
//	32  8  digest of the tags
//	40  8  soft expiry, ms
//	48  8  created, ms
//	56  4  cost, µs
//	60  4  raw length
//	64  8  digest of the key
//	72  4  CRC32C
//	76  …  tags: length (2), name, generation (8), each
//	 …  …  payload, to the end
//
// The offsets of id and soft expiry are fixed for all versions: scripts in Redis read the
// one and overwrite the other in place. That is why the checksum, and the seal of an
// encrypted payload, leave the soft expiry out.
const (
	EnvelopeVersion = 1

	IDOffset         = 8  // where scripts find the 16-byte id
	SoftExpiryOffset = 40 // where scripts overwrite the soft expiry, 8 bytes

	headerSize  = 76
	checkOffset = 72
	maxTags     = 64
	maxTagBytes = 255
	minTagSize  = 2 + 1 + 8 // on the wire: length, a name of one byte, generation
)

// Flags of an envelope. Unknown flags make an envelope unreadable: they may change what
// the payload means.
const (
	flagAbsent = 1 << iota
	flagSealed
	knownFlags = flagAbsent | flagSealed
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Envelope is the wire form of an entry in L2. Times are milliseconds of the server's
// clock since 1970.
type Envelope struct {
	ID         ID
	Codec      byte   // id of the codec that made the raw bytes
	Compressor byte   // id of the compressor that made them shorter, 0 for none
	Absent     bool   // the source has no such value; the payload is empty
	Sealed     bool   // the payload is encrypted
	Generation uint64 // generation of the space
	TagDigest  uint64 // digest of Tags: lets a reader reject before it decodes
	SoftExpiry int64  // fresh before
	Created    int64
	CostMicros uint32 // how long the compute took, in µs, saturating at 71 minutes
	RawLength  uint32 // length of the payload before compression and sealing
	KeyDigest  uint64 // Key.Digest of the key it was stored under
	Tags       []Tag
	Payload    []byte
}

// CheckTags says whether tags fit into an envelope: at most 64 of 1 to 255 bytes each.
func CheckTags(tags []Tag) error {
	if len(tags) > maxTags {
		return fmt.Errorf("tiercache: %d tags on one entry, at most %d are possible", len(tags), maxTags)
	}
	for _, t := range tags {
		if len(t.Name) == 0 || len(t.Name) > maxTagBytes {
			return fmt.Errorf("tiercache: a tag of %d bytes, possible are 1 to %d", len(t.Name), maxTagBytes)
		}
	}
	return nil
}

// AppendEnvelope appends the wire form of e to dst. Tags must have passed CheckTags.
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	start := len(dst)
	dst = append(e.appendHead(dst, e.SoftExpiry), e.Payload...)
	frame := dst[start:]
	binary.BigEndian.PutUint32(frame[checkOffset:], checksum(frame))
	return dst
}

// AppendSealed appends what a seal must cover besides the payload: the header, without the
// soft expiry and the checksum, and the tags. It is the additional data of an AEAD.
func (e *Envelope) AppendSealed(dst []byte) []byte { return e.appendHead(dst, 0) }

func (e *Envelope) appendHead(dst []byte, softExpiry int64) []byte {
	var flags byte
	if e.Absent {
		flags |= flagAbsent
	}
	if e.Sealed {
		flags |= flagSealed
	}
	dst = append(dst, 't', 'c', EnvelopeVersion, flags, e.Codec, e.Compressor)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Tags))) //nolint:gosec // at most maxTags
	dst = append(dst, e.ID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, e.Generation)
	dst = binary.BigEndian.AppendUint64(dst, e.TagDigest)
	dst = binary.BigEndian.AppendUint64(dst, uint64(softExpiry)) //nolint:gosec // bits, not a quantity
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Created))  //nolint:gosec // bits, not a quantity
	dst = binary.BigEndian.AppendUint32(dst, e.CostMicros)
	dst = binary.BigEndian.AppendUint32(dst, e.RawLength)
	dst = binary.BigEndian.AppendUint64(dst, e.KeyDigest)
	dst = binary.BigEndian.AppendUint32(dst, 0) // the checksum's place
	for _, t := range e.Tags {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(t.Name))) //nolint:gosec // at most maxTagBytes
		dst = append(dst, t.Name...)
		dst = binary.BigEndian.AppendUint64(dst, t.Generation)
	}
	return dst
}

// ParseEnvelope reads the wire form. Payload is a view into frame, nothing is copied but
// the tags. It returns ErrCorrupt for anything that is not a whole, unaltered envelope and
// ErrNewer for a version this release does not know; it never panics and allocates no more
// than the tags need, whatever frame holds.
func ParseEnvelope(frame []byte) (Envelope, error) {
	if len(frame) < 3 || frame[0] != 't' || frame[1] != 'c' || frame[2] == 0 {
		return Envelope{}, ErrCorrupt
	}
	if frame[2] > EnvelopeVersion {
		return Envelope{}, ErrNewer
	}
	if len(frame) < headerSize || frame[3]&^knownFlags != 0 ||
		binary.BigEndian.Uint32(frame[checkOffset:]) != checksum(frame) {
		return Envelope{}, ErrCorrupt
	}
	e := Envelope{
		Codec:      frame[4],
		Compressor: frame[5],
		Absent:     frame[3]&flagAbsent != 0,
		Sealed:     frame[3]&flagSealed != 0,
		Generation: binary.BigEndian.Uint64(frame[24:]),
		TagDigest:  binary.BigEndian.Uint64(frame[32:]),
		SoftExpiry: int64(binary.BigEndian.Uint64(frame[SoftExpiryOffset:])), //nolint:gosec // bits, checked below
		Created:    int64(binary.BigEndian.Uint64(frame[48:])),               //nolint:gosec // bits, checked below
		CostMicros: binary.BigEndian.Uint32(frame[56:]),
		RawLength:  binary.BigEndian.Uint32(frame[60:]),
		KeyDigest:  binary.BigEndian.Uint64(frame[64:]),
	}
	copy(e.ID[:], frame[IDOffset:])
	// Times are turned into nanoseconds later: what would overflow there is no time.
	const maxMillis = math.MaxInt64 / 1_000_000
	if e.SoftExpiry < 0 || e.SoftExpiry > maxMillis || e.Created < 0 || e.Created > maxMillis {
		return Envelope{}, ErrCorrupt
	}
	rest, err := e.parseTags(frame[headerSize:], int(binary.BigEndian.Uint16(frame[6:])))
	if err != nil {
		return Envelope{}, err
	}
	e.Payload = rest
	return e, nil
}

func (e *Envelope) parseTags(b []byte, n int) ([]byte, error) {
	// The count is checked before anything is allocated for it.
	if n > maxTags || n*minTagSize > len(b) {
		return nil, ErrCorrupt
	}
	if n > 0 {
		e.Tags = make([]Tag, 0, n)
	}
	for range n {
		if len(b) < 2 {
			return nil, ErrCorrupt
		}
		size := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		if size == 0 || size > maxTagBytes || len(b) < size+8 {
			return nil, ErrCorrupt
		}
		e.Tags = append(e.Tags, Tag{Name: string(b[:size]), Generation: binary.BigEndian.Uint64(b[size:])})
		b = b[size+8:]
	}
	return b, nil
}

// checksum covers all of frame but the soft expiry, which scripts overwrite in place, and
// the checksum itself.
func checksum(frame []byte) uint32 {
	c := crc32.Update(0, castagnoli, frame[:SoftExpiryOffset])
	c = crc32.Update(c, castagnoli, frame[SoftExpiryOffset+8:checkOffset])
	return crc32.Update(c, castagnoli, frame[checkOffset+4:])
}
