package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
)

const (
	rootPrefix   = "tcbench:"
	keyPrefix    = rootPrefix + "user:"
	basePrefix   = rootPrefix + "base:" // for a baseline that shares the Redis with a system
	keyDigits    = 8
	payloadBytes = 1024
	batchSize    = 100

	// zipfExponent is the skew of the popularity of keys; cache studies find values
	// around 1, and the generator needs more than 1.
	zipfExponent = 1.01
)

// record is the value of the suites that hold decoded values: 8 fields, 200 bytes.
type record struct {
	ID      uint64
	Name    string
	Email   string
	City    string
	Created int64
	Updated int64
	Score   float64
	Vector  [15]float64
}

func newRecord(i int) record {
	r := record{
		ID:      uint64(i),
		Name:    "Name of " + strconv.Itoa(i),
		Email:   "user" + strconv.Itoa(i) + "@example.com",
		City:    "City " + strconv.Itoa(i%1000),
		Created: 1_700_000_000 + int64(i),
		Updated: 1_750_000_000 + int64(i),
		Score:   float64(i) / 7,
	}
	for j := range r.Vector {
		r.Vector[j] = float64(i*j) / 3
	}
	return r
}

// newPayload is the value of the suites that move bytes. Random bytes do not compress, so
// no system gains or loses by compressing.
func newPayload(i int) []byte {
	b := make([]byte, payloadBytes)
	rng := rand.New(rand.NewPCG(uint64(i), 0))
	for j := 0; j < payloadBytes; j += 8 {
		binary.LittleEndian.PutUint64(b[j:], rng.Uint64())
	}
	binary.LittleEndian.PutUint32(b, uint32(i))
	b[payloadBytes-1] = byte(i)
	return b
}

// isPayload reports whether p is what newPayload(i) made, by its ends.
func isPayload[T ~string | ~[]byte](p T, i int) bool {
	return len(p) == payloadBytes && p[payloadBytes-1] == byte(i) &&
		p[0] == byte(i) && p[1] == byte(i>>8) && p[2] == byte(i>>16) && p[3] == byte(i>>24)
}

func newKeys(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%0*d", prefix, keyDigits, i)
	}
	return keys
}

// indexOf is the inverse of newKeys.
func indexOf(key string) (int, error) {
	return strconv.Atoi(key[max(0, len(key)-keyDigits):])
}

// zipf returns a sequence of indexes below n in which some are far more popular than
// others. Popular ones are not neighbours: they would be neighbours in memory too.
func zipf(seed uint64, n, length int) []uint32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	place := rng.Perm(n)
	z := rand.NewZipf(rng, zipfExponent, 1, uint64(n-1))
	seq := make([]uint32, length)
	for i := range seq {
		seq[i] = uint32(place[z.Uint64()])
	}
	return seq
}

// source is the database behind the caches. It counts who comes.
type source struct{ computes atomic.Int64 }

func (s *source) record(_ context.Context, key string) (record, error) {
	s.computes.Add(1)
	i, err := indexOf(key)
	return newRecord(i), err
}

func (s *source) payload(_ context.Context, key string) ([]byte, error) {
	s.computes.Add(1)
	i, err := indexOf(key)
	return newPayload(i), err
}

func (s *source) records(ctx context.Context, keys []string) (map[string]record, error) {
	return many(ctx, keys, s.record)
}

func (s *source) payloads(ctx context.Context, keys []string) (map[string][]byte, error) {
	return many(ctx, keys, s.payload)
}

func many[V any](ctx context.Context, keys []string, one func(context.Context, string) (V, error)) (map[string]V, error) {
	vs := make(map[string]V, len(keys))
	for _, k := range keys {
		v, err := one(ctx, k)
		if err != nil {
			return nil, err
		}
		vs[k] = v
	}
	return vs, nil
}
