package tiercache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/klauspost/compress/s2"
)

// Compressor makes bytes fewer and restores them.
//
// All methods must be safe for concurrent use. AppendDecompress is given bytes from
// outside: whatever they hold, it must return an error instead of panicking. A compressor
// that holds goroutines or much memory may also be an io.Closer; the engine closes only
// those it made itself, by default.
//
// A value belongs to one engine. In tests with testing/synctest, make it inside the bubble.
type Compressor interface {
	// ID is stored with every value. It must never change for a format once values have
	// been stored in it. Taken are 0 none, 1 S2, 2 Zstd and 3 ZstdDict, reserved 4 to 127;
	// own compressors use 128 to 255.
	ID() byte

	// AppendCompress appends the compressed form of src to dst, like the built-in append.
	// dst and src do not overlap. A failure costs only space: the value is stored raw.
	AppendCompress(dst, src []byte) ([]byte, error)

	// AppendDecompress appends the decompressed form of src to dst. size is its exact
	// length in bytes, checked against the engine's cap already; a src that yields anything
	// else is an error. It must not allocate more than size plus a small constant, whatever
	// src claims.
	AppendDecompress(dst, src []byte, size int) ([]byte, error)
}

// Ids of the compressors of this module.
const (
	compressorNone     = 0
	compressorS2       = 1
	compressorZstd     = 2
	compressorZstdDict = 3
)

const (
	defaultMinSaving    = 0.10
	defaultS2MinBytes   = 1 << 10
	defaultZstdMinBytes = 64 << 10
)

// Compression says which values are compressed in L2, and how. The zero value is right for
// most services: S2 from 1 KiB and Zstd from 64 KiB of raw bytes, kept only if they save at
// least a tenth. Values in L1 are never compressed.
type Compression struct {
	// Steps in ascending order of MinBytes: the last one a value reaches is the one that is
	// used, and a value that reaches none is stored raw. To compress nothing, set Off.
	// Defaults to {1 KiB, S2()}, {64 KiB, Zstd()}.
	Steps []CompressStep

	// MinSaving is the fraction of the raw bytes that must be saved for the compressed form
	// to be stored: at least 0 and below 1. Decompression costs every reader time; to keep
	// whatever is shorter at all, set a tiny one such as 0.001. Defaults to 0.10.
	MinSaving float64

	// Accept lists compressors that are only read: what former releases of the service
	// wrote, and what other services that share the space write. S2 and Zstd are always
	// readable.
	Accept []Compressor

	// Off stores every value raw. Compressed values stay readable. Defaults to false.
	Off bool
}

// CompressStep is one step of Compression.
type CompressStep struct {
	// MinBytes is the raw size from which the step is used, in bytes.
	MinBytes int

	// Compressor of the step. Nil stores raw, for sizes where compression takes too long.
	Compressor Compressor
}

// S2 returns the compressor for small and middle-sized values: S2 blocks, an extension of
// Snappy, at some GB/s with no state and no memory of its own.
func S2() Compressor { return s2Compressor{} }

type s2Compressor struct{}

func (s2Compressor) ID() byte { return compressorS2 }

func (s2Compressor) AppendCompress(dst, src []byte) ([]byte, error) {
	n := s2.MaxEncodedLen(len(src))
	if n < 0 {
		return dst, errors.New("tiercache: too long for s2")
	}
	dst = grow(dst, n)
	out := s2.Encode(dst[len(dst):cap(dst)], src)
	return dst[:len(dst)+len(out)], nil
}

func (s2Compressor) AppendDecompress(dst, src []byte, size int) ([]byte, error) {
	// Decode allocates what the block claims, up to 4 GiB for five bytes.
	if n, err := s2.DecodedLen(src); err != nil {
		return dst, fmt.Errorf("tiercache: %w", err)
	} else if n != size {
		return dst, errWrongSize
	}
	dst = grow(dst, size)
	if _, err := s2.Decode(dst[len(dst):cap(dst)], src); err != nil {
		return dst, fmt.Errorf("tiercache: %w", err)
	}
	return dst[:len(dst)+size], nil
}

var errWrongSize = errors.New("tiercache: decompresses to another size than stated")

// grow returns dst with room for n more bytes, and not much more than that: append would
// round a large slice up by a quarter.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(make([]byte, 0, len(dst)+n), dst...)
}

// compression is a checked Compression. It never changes, so it needs no lock.
type compression struct {
	steps   []CompressStep
	keep    float64 // largest share of the raw bytes at which the compressed form is kept
	readers map[byte]Compressor
	own     []io.Closer // made here, closed here
}

// newCompression checks cfg and fills in its defaults, without writing into it. All errors
// are joined; each names its field.
func newCompression(cfg Compression) (*compression, error) {
	c := &compression{readers: make(map[byte]Compressor)}
	var errs []error

	saving := cfg.MinSaving
	if !(saving >= 0 && saving < 1) { // NaN too
		errs = append(errs, fmt.Errorf("Compression.MinSaving: %v is not at least 0 and below 1", saving))
	}
	if saving == 0 {
		saving = defaultMinSaving
	}
	c.keep = 1 - saving

	for i, s := range cfg.Steps {
		field := fmt.Sprintf("Compression.Steps[%d]", i)
		switch {
		case s.MinBytes < 0:
			errs = append(errs, fmt.Errorf("%s.MinBytes: %d is negative", field, s.MinBytes))
		case i > 0 && s.MinBytes <= cfg.Steps[i-1].MinBytes:
			errs = append(errs, fmt.Errorf("%s.MinBytes: %d is not above the step before it", field, s.MinBytes))
		}
		if s.Compressor != nil {
			errs = append(errs, c.add(s.Compressor, field+".Compressor"))
		}
	}
	for i, a := range cfg.Accept {
		field := fmt.Sprintf("Compression.Accept[%d]", i)
		if a == nil {
			errs = append(errs, fmt.Errorf("%s: is nil", field))
			continue
		}
		errs = append(errs, c.add(a, field))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.complete(cfg)
	return c, nil
}

// complete adds what cfg leaves to the defaults.
func (c *compression) complete(cfg Compression) {
	if c.readers[compressorS2] == nil {
		c.readers[compressorS2] = S2()
	}
	if c.readers[compressorZstd] == nil {
		z := newZstd(compressorZstd, nil)
		c.readers[compressorZstd] = z
		c.own = append(c.own, z)
	}
	switch {
	case cfg.Off:
	case len(cfg.Steps) == 0:
		c.steps = []CompressStep{
			{MinBytes: defaultS2MinBytes, Compressor: c.readers[compressorS2]},
			{MinBytes: defaultZstdMinBytes, Compressor: c.readers[compressorZstd]},
		}
	default:
		c.steps = append(c.steps, cfg.Steps...)
	}
}

// add makes p a reader of its id.
func (c *compression) add(p Compressor, field string) error {
	const mend = "own compressors use 128 to 255"
	id := p.ID()
	_, isS2 := p.(s2Compressor)
	z, isZstd := p.(*zstdCompressor)
	builtIn := isS2 || isZstd && z.id == id
	switch {
	case id == compressorNone:
		return fmt.Errorf("%s: id 0 means none; %s", field, mend)
	case id < firstUserID && !builtIn:
		return fmt.Errorf("%s: id %d is reserved; %s", field, id, mend)
	}
	switch had := c.readers[id]; {
	case had == nil:
		c.readers[id] = p
	case id == compressorS2 || id == compressorZstd:
		// Two values, one format: whichever came first reads what both write.
	case !same(had, p):
		mend := "give each its own id"
		if id == compressorZstdDict {
			mend = "hand the older dictionaries to one ZstdDict as accepted ones"
		}
		return fmt.Errorf("%s: another compressor has id %d already; %s", field, id, mend)
	}
	return nil
}

// same is a == b without its panic on types that cannot be compared, such as structs that
// hold slices. Two values of these count as different.
func same(a, b Compressor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// compress appends raw to dst, compressed where that pays, and returns the id of what it
// did. It cannot fail: whatever a compressor does wrong, raw is stored as it is.
//
// It allocates nothing when dst has room for len(raw) + len(raw)/64 + 64 bytes.
func (c *compression) compress(dst, raw []byte) (out []byte, id byte) {
	var by Compressor
	for _, s := range c.steps {
		if len(raw) < s.MinBytes {
			break
		}
		by = s.Compressor
	}
	if by == nil {
		return append(dst, raw...), compressorNone
	}
	out, err := safely(func() ([]byte, error) { return by.AppendCompress(dst, raw) })
	if err != nil || len(out) <= len(dst) || !bytes.Equal(out[:len(dst)], dst) {
		return append(dst, raw...), compressorNone
	}
	if float64(len(out)-len(dst)) > c.keep*float64(len(raw)) {
		return append(out[:len(dst)], raw...), compressorNone // out may have grown already
	}
	return out, by.ID()
}

// decompress restores what compress made of size raw bytes. The caller has checked size
// against its cap. With id 0 the result is payload itself.
func (c *compression) decompress(id byte, payload []byte, size int) ([]byte, error) {
	if id == compressorNone {
		if len(payload) != size {
			return nil, errWrongSize
		}
		return payload, nil
	}
	by, ok := c.readers[id]
	if !ok {
		return nil, fmt.Errorf("tiercache: compressor %d is not known; list it in Compression.Accept", id)
	}
	if size < 0 {
		return nil, errWrongSize
	}
	out, err := safely(func() ([]byte, error) { return by.AppendDecompress(nil, payload, size) })
	if err != nil {
		return nil, err
	}
	if len(out) != size {
		return nil, errWrongSize
	}
	return out, nil
}

// safely turns a panic of f into an error.
func safely(f func() ([]byte, error)) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("tiercache: compressor failed: %w", panicked(p))
		}
	}()
	return f()
}

// close frees what newCompression made. Compressors handed in stay open: others may use
// them still.
func (c *compression) close() error {
	var errs []error
	for _, o := range c.own {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}
