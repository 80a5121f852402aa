package msgpack

import "encoding/binary"

// maxDepth is that of encoding/json and protobuf.
const maxDepth = 10_000

// problem is what is wrong with the bytes. Its text quotes none of them.
type problem string

func (p problem) Error() string { return "tiercache: msgpack: " + string(p) }

// ValueFree tells the engine that the text may be shown.
func (problem) ValueFree() bool { return true }

const (
	errShort     = problem("cut short")
	errTrailing  = problem("more than one value")
	errDeep      = problem("nested too deep")
	errCode      = problem("code that is never used")
	errExtension = problem("extension type other than a time")
	errMisread   = problem("time where there should be none")
)

// check walks over b, which must be one whole value, without making anything of it. The
// library allocates what lengths claim, up to 64 GiB for five bytes, and recurses as deep
// as the bytes do, up to the stack overflow that ends the process. Once check has passed,
// every length is covered by bytes and the depth is bounded.
//
// That holds only as long as the library reads b as the same sequence of values. The one
// exception is a time where the target is a map: it skips the header of the time and reads
// on from the middle of it. So check returns the offsets of all times whose content would
// pass for a map or a nil, for the reader to refuse. Contents of a time are never read byte
// by byte otherwise.
func check(b []byte) (traps []int, err error) {
	s := scanner{b: b}
	if err := s.value(0); err != nil {
		return nil, err
	}
	if s.off != len(b) {
		return nil, errTrailing
	}
	return s.traps, nil
}

type scanner struct {
	b     []byte
	off   int
	traps []int
}

// value walks over one value.
func (s *scanner) value(depth int) error {
	if s.off == len(s.b) {
		return errShort
	}
	c := s.b[s.off]
	s.off++
	switch {
	case c <= 0x7f || c >= 0xe0: // small integers
		return nil
	case c <= 0x8f:
		return s.values(2*int(c&0x0f), depth)
	case c <= 0x9f:
		return s.values(int(c&0x0f), depth)
	case c <= 0xbf:
		return s.skip(int(c & 0x1f))
	}
	return s.long(c, depth)
}

// long walks over a value with a code of its own, from 0xc0 to 0xdf.
func (s *scanner) long(c byte, depth int) error {
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return nil
	case 0xc1:
		return errCode
	case 0xcc, 0xd0: // integers and floats by their size
		return s.skip(1)
	case 0xcd, 0xd1:
		return s.skip(2)
	case 0xca, 0xce, 0xd2:
		return s.skip(4)
	case 0xcb, 0xcf, 0xd3:
		return s.skip(8)
	case 0xd6: // extensions of 4, 8 and n bytes
		return s.time(4)
	case 0xd7:
		return s.time(8)
	case 0xc7:
		n, err := s.length(1)
		if err != nil {
			return err
		}
		return s.time(n)
	case 0xc8, 0xc9, 0xd4, 0xd5, 0xd8: // other extensions
		return errExtension
	}
	return s.counted(c, depth)
}

// counted walks over a value with a length of 1, 2 or 4 bytes.
func (s *scanner) counted(c byte, depth int) error {
	width := 4
	switch c {
	case 0xc4, 0xd9:
		width = 1
	case 0xc5, 0xda, 0xdc, 0xde:
		width = 2
	}
	n, err := s.length(width)
	if err != nil {
		return err
	}
	switch c {
	case 0xdc, 0xdd:
		return s.values(n, depth)
	case 0xde, 0xdf:
		return s.values(2*n, depth)
	}
	return s.skip(n) // bytes and strings
}

// values walks over the n values inside an array or a map. However large n is, it ends
// with the bytes.
func (s *scanner) values(n, depth int) error {
	if depth == maxDepth && n > 0 {
		return errDeep
	}
	for range n {
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// time walks over the type and the n bytes of an extension.
func (s *scanner) time(n int) error {
	if len(s.b)-s.off < 1+n {
		return errShort
	}
	if s.b[s.off] != 0xff || n != 4 && n != 8 && n != 12 { // -1
		return errExtension
	}
	s.off++
	if c := s.b[s.off]; c&0xf0 == 0x80 || c == 0xc0 || c == 0xde || c == 0xdf {
		s.traps = append(s.traps, s.off)
	}
	s.off += n
	return nil
}

func (s *scanner) skip(n int) error {
	if n > len(s.b)-s.off {
		return errShort
	}
	s.off += n
	return nil
}

func (s *scanner) length(width int) (int, error) {
	at := s.off
	if err := s.skip(width); err != nil {
		return 0, err
	}
	switch width {
	case 1:
		return int(s.b[at]), nil
	case 2:
		return int(binary.BigEndian.Uint16(s.b[at:])), nil
	}
	n := binary.BigEndian.Uint32(s.b[at:])
	if n > 1<<30 { // more than any frame, and no overflow where int has 32 bits
		return 0, errShort
	}
	return int(n), nil
}
