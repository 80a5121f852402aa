package tiercache

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow is how far back an encoder looks for repetitions. Each encoder that has
	// met a value of more than 128 KiB keeps a buffer of about this size.
	zstdWindow = 1 << 20

	// zstdMaxWindow refuses frames of writers that look back further than any level of ours.
	// It costs no memory: whole values are decoded in place.
	zstdMaxWindow = 64 << 20

	// maxZstdEncoders bounds memory on machines with many cores.
	maxZstdEncoders = 8

	// zstdSlack is what a frame may write past its stated end before the decoder sees that
	// it lies: one block. Without room for it, the decoder would move everything to a slice
	// of more than double the size, which matters for large values.
	zstdSlack     = 128<<10 + 64
	zstdSlackFrom = 1 << 20
)

// Zstd returns the compressor for large values: zstd at its fastest level, a quarter to a
// half smaller than S2 and several times slower. The frames carry no checksum, because
// envelopes do.
//
// Coders are made on first use and kept: one encoder per core, eight at most, each holding
// 0.3 MB, and 1.6 MB once it has met a value of more than 128 KiB; one decoder per core,
// each holding up to 0.25 MB. Further callers wait for one to be free. Close drops them,
// after which the compressor only returns errors.
func Zstd() Compressor { return newZstd(compressorZstd, nil) }

// zstdCompressor is Zstd and ZstdDict.
//
// Coders hang on the value and never on the package: they hold channels, and a channel made
// inside a synctest bubble kills the process when it is used outside.
type zstdCompressor struct {
	id    byte
	dicts [][]byte // the first is for writing

	enc atomic.Pointer[zstd.Encoder]
	dec atomic.Pointer[zstd.Decoder]
	mu  struct {
		sync.Mutex // held to make or drop coders
		closed     bool
	}
}

func newZstd(id byte, dicts [][]byte) *zstdCompressor { return &zstdCompressor{id: id, dicts: dicts} }

func (z *zstdCompressor) ID() byte { return z.id }

func (z *zstdCompressor) AppendCompress(dst, src []byte) ([]byte, error) {
	enc, err := z.encoder()
	if err != nil {
		return dst, err
	}
	return enc.EncodeAll(src, grow(dst, len(src)+len(src)/1024+64)), nil
}

func (z *zstdCompressor) AppendDecompress(dst, src []byte, size int) ([]byte, error) {
	if err := checkFrame(src, size); err != nil {
		return dst, err
	}
	dec, err := z.decoder()
	if err != nil {
		return dst, err
	}
	room := size
	if size >= zstdSlackFrom {
		room += zstdSlack
	}
	dst = grow(dst, room)
	// The decoder stops at the capacity it is given.
	out, err := dec.DecodeAll(src, dst[len(dst):len(dst):len(dst)+room])
	switch {
	case err != nil:
		return dst, fmt.Errorf("tiercache: zstd: %w", err)
	case len(out) != size:
		return dst, errWrongSize
	}
	return dst[:len(dst)+size], nil
}

// checkFrame looks at the outline of a frame before anything is allocated for it. What the
// decoder would take besides, several frames or large ones without a stated size, our
// writers never make, and they would let a payload write more than one block past size.
func checkFrame(src []byte, size int) error {
	var head zstd.Header
	if err := head.Decode(src); err != nil {
		return fmt.Errorf("tiercache: zstd: %w", err)
	}
	switch {
	case head.HasFCS && head.FrameContentSize == uint64(size): //nolint:gosec // not negative
	case !head.HasFCS && !head.Skippable && size < 256: // writers may leave it out
	default:
		return errWrongSize
	}
	rest := src[head.HeaderSize:]
	for last := false; !last; {
		if len(rest) < 3 {
			return errBrokenFrame
		}
		// Bits 0: last block, 1-2: kind, 3-23: bytes that follow, or repeats of the one.
		h := uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16
		n := int(h >> 3)
		if kind := h >> 1 & 3; kind == 1 {
			n = 1
		}
		if rest = rest[3:]; len(rest) < n {
			return errBrokenFrame
		}
		rest = rest[n:]
		last = h&1 != 0
	}
	if head.HasCheckSum && len(rest) >= 4 {
		rest = rest[4:]
	}
	if len(rest) > 0 {
		return errBrokenFrame
	}
	return nil
}

var (
	errBrokenFrame      = errors.New("tiercache: zstd: not one whole frame")
	errCompressorClosed = errors.New("tiercache: compressor is closed")
)

func (z *zstdCompressor) encoder() (*zstd.Encoder, error) {
	if enc := z.enc.Load(); enc != nil {
		return enc, nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if enc := z.enc.Load(); enc != nil {
		return enc, nil
	}
	if z.mu.closed {
		return nil, errCompressorClosed
	}
	opts := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(min(runtime.GOMAXPROCS(0), maxZstdEncoders)),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithLowerEncoderMem(true),
	}
	if len(z.dicts) > 0 {
		opts = append(opts, zstd.WithEncoderDict(z.dicts[0]))
	}
	enc, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		return nil, fmt.Errorf("tiercache: zstd: %w", err)
	}
	z.enc.Store(enc)
	return enc, nil
}

func (z *zstdCompressor) decoder() (*zstd.Decoder, error) {
	if dec := z.dec.Load(); dec != nil {
		return dec, nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if dec := z.dec.Load(); dec != nil {
		return dec, nil
	}
	if z.mu.closed {
		return nil, errCompressorClosed
	}
	opts := []zstd.DOption{
		zstd.WithDecoderConcurrency(0), // one per core
		zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(zstdMaxWindow),
		zstd.WithDecoderMaxMemory(1 << 32), // no more than an envelope can state
	}
	if len(z.dicts) > 0 {
		opts = append(opts, zstd.WithDecoderDicts(z.dicts...))
	}
	dec, err := zstd.NewReader(nil, opts...)
	if err != nil {
		return nil, fmt.Errorf("tiercache: zstd: %w", err)
	}
	z.dec.Store(dec)
	return dec, nil
}

// Close lets go of the coders. Calls that are using one finish with it: it is left to the
// garbage collector, as Decoder.Close must not run beside them.
func (z *zstdCompressor) Close() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.mu.closed = true
	z.enc.Store(nil)
	z.dec.Store(nil)
	return nil
}
