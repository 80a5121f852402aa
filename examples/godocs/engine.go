package main

import (
	"fmt"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/l1"
)

// newEngine puts 64 MiB of this process over the second tier. The engine owns both from
// here on: closing it closes them.
func newEngine(second *secondTier) (*tiercache.Engine, error) {
	first, err := l1.New(l1.Config{MaxBytes: 64 << 20})
	if err != nil {
		return nil, fmt.Errorf("starting L1: %w", err)
	}
	engine, err := tiercache.New(tiercache.Config{L1: first, L2: second.remote})
	if err != nil {
		return nil, fmt.Errorf("starting the engine: %w", err)
	}
	return engine, nil
}
