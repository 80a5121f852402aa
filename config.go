package tiercache

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Config describes an engine. The zero value of every field but the tiers is right for
// production; Policy.TTL must be set here or for each cache.
type Config struct {
	// L1 and L2 are the tiers. Either may be nil, not both. The engine owns them from New
	// on: Close closes them.
	L1 tier.Local
	L2 tier.Remote

	// Policy is inherited by every cache of the engine.
	Policy Policy

	// Codec encodes the values of caches whose V is neither string nor []byte nor a type of
	// that kind; these are stored as they are. Defaults to JSON{}.
	Codec Codec

	// Compression says which values are compressed on their way to L2.
	// Defaults to s2 from 1 KiB and zstd from 64 KiB, kept if they save 10 %.
	Compression Compression

	// KeyRing encrypts what is sent to L2. Defaults to none. Values that are not encrypted
	// are refused once it is set.
	KeyRing *KeyRing

	// L2Budget is how long L2 may take of one call in total. When it is over, the call goes
	// on without. Defaults to 100 ms.
	L2Budget time.Duration

	// MaxValueBytes caps the encoded size of a value, before compression: larger ones are
	// returned to their callers and not stored, and what claims to be larger in L2 is not
	// read. Defaults to 64 MiB, at most 1 GiB.
	MaxValueBytes int

	// MaxKeyBytes caps the length of keys. Longer ones are refused with ErrBadKey.
	// Defaults to 1 KiB.
	MaxKeyBytes int

	// Observer is told what happens. Defaults to none.
	Observer *Observer

	// Logger gets what no caller can be told: panics of computes, with their stack. Keys
	// and values are never logged. Defaults to slog.Default().
	Logger *slog.Logger
}

const (
	defaultL2Budget      = 100 * time.Millisecond
	defaultMaxValueBytes = 64 << 20
	defaultMaxKeyBytes   = 1 << 10
	limitValueBytes      = 1 << 30
)

// withDefaults returns a copy with the defaults filled in.
func (c Config) withDefaults() Config {
	if c.Codec == nil {
		c.Codec = JSON{}
	}
	if c.L2Budget == 0 {
		c.L2Budget = defaultL2Budget
	}
	if c.MaxValueBytes == 0 {
		c.MaxValueBytes = defaultMaxValueBytes
	}
	if c.MaxKeyBytes == 0 {
		c.MaxKeyBytes = defaultMaxKeyBytes
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// validate names every field that makes no sense. It runs after withDefaults.
func (c Config) validate() error {
	errs := []error{c.Policy.validate("Config.Policy")}
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.L1 == nil && c.L2 == nil {
		bad("L1, Config.L2", "both are nil; an engine needs at least one tier")
	}
	if c.L2Budget < 0 {
		bad("L2Budget", "%v is negative; to run without L2 leave Config.L2 nil", c.L2Budget)
	}
	if c.MaxValueBytes < 0 || c.MaxValueBytes > limitValueBytes {
		bad("MaxValueBytes", "%d is not between 1 and %d", c.MaxValueBytes, limitValueBytes)
	}
	if c.MaxKeyBytes < 0 || c.MaxKeyBytes > math.MaxUint16 {
		bad("MaxKeyBytes", "%d is not between 1 and %d", c.MaxKeyBytes, math.MaxUint16)
	}
	if err := validateCodec(c.Codec); err != nil {
		errs = append(errs, fmt.Errorf("Config.%w", err))
	}
	if c.KeyRing != nil && c.KeyRing.keys.Load() == nil {
		bad("KeyRing", "has no keys; make it with NewKeyRing")
	}
	return errors.Join(errs...)
}
