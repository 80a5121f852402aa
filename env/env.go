// Package env builds an engine from environment variables, so that a service is configured
// where it runs.
//
// Each variable is named after the field it sets, in capitals with underscores:
//
//	TIERCACHE_REDIS_URL            URL of Redis, as for l2.Open; without it there is no L2
//	TIERCACHE_L1                   "off" for no L1
//	TIERCACHE_L2_BUDGET, …         fields of tiercache.Config: MAX_VALUE_BYTES, MAX_KEY_BYTES
//	TIERCACHE_POLICY_TTL, …        fields of tiercache.Policy
//	TIERCACHE_L1_MAX_BYTES, …      fields of l1.Config
//	TIERCACHE_L2_CALL_TIMEOUT, …   fields of l2.Config
//	TIERCACHE_CODEC                "json" or "msgpack"
//	TIERCACHE_COMPRESSION          "off", "s2" or "zstd" instead of the default of both by size
//	TIERCACHE_KEY_RING             keys for encryption, "id:base64", the primary first, then
//	                               those still accepted, separated by commas
//
// Durations are written like 1m30s, sizes in bytes or like 64MiB, switched off is -1. A
// variable that is set and empty counts as not set. Every problem is part of one error that
// names the variable; a variable of the prefix that means nothing is one of them. No error
// holds the URL, a password or a key.
package env

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/codec/msgpack"
	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/l2"
	"github.com/tiercache/tiercache/tier"
)

const prefix = "TIERCACHE_"

// New builds an engine from the variables of the process. Redis need not be there yet. ctx
// bounds what l2.Open does with it.
func New(ctx context.Context) (*tiercache.Engine, error) {
	return NewFrom(ctx, os.Environ(), tiercache.Config{})
}

// NewFrom is New for variables in the form of os.Environ, over settings that variables
// cannot hold: an Observer, a Logger, a Codec. A variable wins over base.
func NewFrom(ctx context.Context, environ []string, base tiercache.Config) (*tiercache.Engine, error) {
	vars := newVariables(environ)
	cfg := base
	var local l1.Config
	var remote l2.Config
	vars.fill("", &cfg)
	vars.fill("POLICY_", &cfg.Policy)
	vars.fill("L1_", &local)
	vars.fill("L2_", &remote)
	vars.choose("CODEC", map[string]func(){
		"json":    func() { cfg.Codec = tiercache.JSON{} },
		"msgpack": func() { cfg.Codec = msgpack.Codec{} },
	})
	vars.choose("COMPRESSION", map[string]func(){
		"off":  func() { cfg.Compression = tiercache.Compression{Off: true} },
		"s2":   func() { cfg.Compression = always(tiercache.S2()) },
		"zstd": func() { cfg.Compression = always(tiercache.Zstd()) },
	})
	ring, err := keyRing(vars.take("KEY_RING"))
	if err != nil {
		vars.bad("KEY_RING", err)
	} else if ring != nil {
		cfg.KeyRing = ring
	}
	withL1 := true
	vars.choose("L1", map[string]func(){"off": func() { withL1 = false }, "on": func() {}})
	url := vars.take("REDIS_URL")
	if err := vars.leftOver(); err != nil {
		return nil, err
	}
	return build(ctx, cfg, local, remote, url, withL1)
}

// always compresses from 1 KiB on.
func always(c tiercache.Compressor) tiercache.Compression {
	return tiercache.Compression{Steps: []tiercache.CompressStep{{MinBytes: 1 << 10, Compressor: c}}}
}

// build opens the tiers and the engine; what is wrong with any of them comes as one error,
// and nothing is left open.
func build(ctx context.Context, cfg tiercache.Config, local l1.Config, remote l2.Config, url string, withL1 bool) (*tiercache.Engine, error) {
	var errs []error
	var open []func() error
	if withL1 {
		c, err := l1.New(local)
		if err != nil {
			errs = append(errs, explain("L1_", err))
		} else {
			cfg.L1 = c
			open = append(open, c.Close)
		}
	}
	if url != "" {
		r, err := l2.Open(ctx, url, remote)
		if err != nil {
			errs = append(errs, explain("L2_, "+prefix+"REDIS_URL", err))
		} else {
			cfg.L2 = r
			open = append(open, r.Close)
		}
	}
	if cfg.L1 == nil && cfg.L2 == nil && len(errs) == 0 {
		errs = append(errs, errors.New(prefix+"REDIS_URL: is not set, and "+prefix+"L1 is off; an engine needs a tier"))
	}
	if len(errs) == 0 {
		e, err := tiercache.New(cfg)
		if err == nil {
			return e, nil
		}
		errs = append(errs, explain("… ", err))
	}
	for _, closeTier := range open {
		errs = append(errs, closeTier())
	}
	return nil, fmt.Errorf("tiercache: bad environment:\n%w", errors.Join(errs...))
}

// explain says which variables the fields that err names belong to.
func explain(part string, err error) error {
	return fmt.Errorf("%s%s: %w", prefix, strings.TrimSpace(part), err)
}

// keyRing reads "id:base64,id:base64".
func keyRing(s string) (*tiercache.KeyRing, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no ring asked for
	}
	var keys []tiercache.SealKey
	for i, part := range strings.Split(s, ",") {
		id, secret, ok := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.ParseUint(id, 10, 32)
		raw, rawErr := base64.StdEncoding.DecodeString(secret)
		if !ok || err != nil || rawErr != nil {
			return nil, fmt.Errorf("key %d is not of the form id:base64, like 1:%s", i+1, "AAECAwQFBgcICQoLDA0ODw==")
		}
		keys = append(keys, tiercache.SealKey{ID: uint32(n), Secret: raw})
	}
	return tiercache.NewKeyRing(keys[0], keys[1:]...)
}

var _ tier.Remote = (*l2.Remote)(nil)
