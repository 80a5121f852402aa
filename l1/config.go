package l1

import (
	"errors"
	"fmt"
	"time"
)

// Config says how much a Cache may hold. The zero value is right for production.
type Config struct {
	// MaxBytes is the budget for the entries: each counts with its Entry.Size plus
	// EntryOverhead. A sixteenth of it, at most 1 MiB, is set aside for writes on their
	// way into ristretto. Defaults to 64 MiB.
	//
	// Memory outside the budget: the frequency counters, see Counters, and about 0.8 MiB
	// of fixed tables.
	MaxBytes int64

	// MaxEntryBytes is the largest Entry.Size that is stored. Setting a larger entry
	// stores nothing and removes an earlier one of the key, so that one value cannot push
	// out all others. Defaults to an eighth of MaxBytes.
	MaxEntryBytes int64

	// Counters is the number of frequency counters by which the cache decides what is
	// worth keeping. Right is about ten times the number of entries it holds when full;
	// with fewer, rare entries pass for popular ones. It is rounded up to a power of two,
	// 1024 at least, and costs 3 to 4.5 bytes each on top of MaxBytes.
	// Defaults to MaxBytes/64, which is ten times the entries if they take 640 bytes each
	// with EntryOverhead, and adds about a sixteenth to the memory.
	Counters int64

	// SweepEvery is the time between two passes that free the memory of expired entries;
	// until then they count against the budget. A pass looks at every entry, about 50 ns
	// each, on one core. Negative switches it off. Defaults to one minute.
	SweepEvery time.Duration

	// Now returns the time that Entry.Expiry is compared with, in nanoseconds. It is
	// called by a goroutine of the cache. Defaults to time.Now().UnixNano.
	Now func() int64
}

const (
	defaultMaxBytes   = 64 << 20
	defaultSweepEvery = time.Minute
	bytesPerCounter   = 64
	minCounters       = 1024 // below, ristretto's tables have no room for anything
	stagedShare       = 16   // one part in so many of MaxBytes is set aside for staging
	maxStagedBytes    = 1 << 20
	entryShare        = 8
	// minMaxBytes leaves room for one entry of one byte after the staging share.
	minMaxBytes = (EntryOverhead+1)*stagedShare/(stagedShare-1) + 1
)

// withDefaults returns a copy with every zero field filled in.
func (cfg Config) withDefaults() Config {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.MaxEntryBytes == 0 {
		cfg.MaxEntryBytes = max(1, min(cfg.MaxBytes/entryShare, cfg.largestEntry()))
	}
	if cfg.Counters == 0 {
		cfg.Counters = max(cfg.MaxBytes/bytesPerCounter, minCounters)
	}
	if cfg.SweepEvery == 0 {
		cfg.SweepEvery = defaultSweepEvery
	}
	if cfg.Now == nil {
		cfg.Now = func() int64 { return time.Now().UnixNano() }
	}
	return cfg
}

// validate reports everything that is wrong with a Config whose defaults are filled in.
func (cfg Config) validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("l1: Config."+field+": "+format, args...))
	}
	switch {
	case cfg.MaxBytes < 0:
		wrong("MaxBytes", "%d is negative; leave it 0 for the default of 64 MiB", cfg.MaxBytes)
	case cfg.MaxBytes < minMaxBytes:
		wrong("MaxBytes", "%d has no room for one entry; at least %d is needed", cfg.MaxBytes, minMaxBytes)
	case cfg.MaxEntryBytes > cfg.largestEntry():
		wrong("MaxEntryBytes", "%d does not fit into MaxBytes %d, which has room for an entry of %d",
			cfg.MaxEntryBytes, cfg.MaxBytes, cfg.largestEntry())
	}
	if cfg.MaxEntryBytes < 0 {
		wrong("MaxEntryBytes", "%d is negative; leave it 0 for an eighth of MaxBytes", cfg.MaxEntryBytes)
	}
	if cfg.Counters < 0 {
		wrong("Counters", "%d is negative; leave it 0 for one per %d bytes of MaxBytes", cfg.Counters, bytesPerCounter)
	}
	return errors.Join(errs...)
}

// staged returns the share of the budget that is for writes on their way.
func (cfg Config) staged() int64 { return min(cfg.MaxBytes/stagedShare, maxStagedBytes) }

// largestEntry returns the largest Entry.Size that ristretto's part of the budget can hold.
func (cfg Config) largestEntry() int64 { return cfg.MaxBytes - cfg.staged() - EntryOverhead }
