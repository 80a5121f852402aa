package tiercache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
)

// ZstdDict returns Zstd with a dictionary: what values have in common is kept once, in the
// dictionary, so that even a value of a hundred bytes becomes smaller. Make one with
// TrainDict or "zstd --train", and ship it with the service.
//
// Values can be read only with the dictionary they were written with. To replace one
// without losing the values in L2: first accept the new dictionary everywhere, then make it
// the current one and accept the old one, and drop that when its last values have expired.
// A value whose dictionary is missing is an error, which the engine treats as a miss.
//
// The memory is that of Zstd, but each encoder holds 1.9 MB from the start.
func ZstdDict(current []byte, accepted ...[]byte) (Compressor, error) {
	all := append([][]byte{current}, accepted...)
	seen := make(map[uint32]bool, len(all))
	var errs []error
	for i, d := range all {
		name := "current dictionary"
		if i > 0 {
			name = fmt.Sprintf("accepted dictionary %d", i-1)
		}
		id, err := dictID(d)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("tiercache: %s: %w", name, err))
		case seen[id]:
			errs = append(errs, fmt.Errorf("tiercache: %s: another one has id %d already", name, id))
		}
		seen[id] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, d := range all {
		all[i] = append([]byte(nil), d...) // coders are made later
	}
	return newZstd(compressorZstdDict, all), nil
}

// dictID returns the id of a dictionary that can be loaded.
func dictID(d []byte) (id uint32, err error) {
	defer func() {
		if p := recover(); p != nil {
			id, err = 0, panicked(p)
		}
	}()
	info, err := zstd.InspectDictionary(d)
	if err != nil {
		return 0, err
	}
	return info.ID(), nil
}

// Layout of a zstd dictionary: magic (4), id (4, little-endian), then its content.
const (
	dictIDOffset = 4
	dictHeader   = 8

	// The format reserves ids below 32768, and from 2^31 on, for a registry to come.
	minDictID = 1 << 15
	maxDictID = 1<<31 - 1
)

// TrainDict makes a dictionary for ZstdDict from samples: raw values as the codec makes
// them, a few hundred at least, of the sizes that are to be compressed. maxBytes bounds
// what the dictionary keeps of them; some hundred bytes of tables come on top. 16 to 64 KiB
// are usual.
//
// It takes about a second and 100 times the memory per MB of samples, so run it in a tool
// or a test and not when the service starts. The id of the dictionary is derived from its
// content: different dictionaries have different ids.
func TrainDict(samples [][]byte, maxBytes int) (d []byte, err error) {
	if maxBytes < 256 {
		return nil, fmt.Errorf("tiercache: a dictionary of %d bytes, possible are 256 and more", maxBytes)
	}
	defer func() { // the library trips over some odd sets of samples
		if p := recover(); p != nil {
			d, err = nil, fmt.Errorf("tiercache: samples are not fit to make a dictionary: %w", panicked(p))
		}
	}()
	d, err = dict.BuildZstdDict(samples, dict.Options{
		MaxDictSize: maxBytes,
		HashBytes:   6,
		ZstdDictID:  minDictID,
		ZstdLevel:   zstd.SpeedFastest,
		// What older releases of the C library cannot load would be of no use to others.
		ZstdDictCompat: true,
	})
	if err == nil && len(d) <= dictHeader {
		err = errors.New("nothing in common")
	}
	if err != nil {
		return nil, fmt.Errorf("tiercache: samples are not fit to make a dictionary: %w", err)
	}
	sum := sha256.Sum256(d[dictHeader:])
	id := minDictID + binary.BigEndian.Uint32(sum[:])%(maxDictID-minDictID)
	binary.LittleEndian.PutUint32(d[dictIDOffset:], id)
	if _, err := dictID(d); err != nil {
		return nil, fmt.Errorf("tiercache: samples are not fit to make a dictionary: %w", err)
	}
	return d, nil
}
