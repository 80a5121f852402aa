package tiertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// Memory is a tier.Remote in memory, with every optional ability of package tier. Its
// clock is time.Now, so entries expire in the fake time of a synctest bubble. Raw, Put,
// TTL, Len and Clear look at it and change it behind the engine's back, as another client
// of a shared store would.
type Memory struct {
	maxValueBytes int

	mu struct {
		sync.Mutex
		values map[place]stored
	}
}

type stored struct {
	frame    []byte
	deadline time.Time // zero: never expires, which only Put can do
}

func (s stored) live(now time.Time) bool {
	return s.deadline.IsZero() || now.Before(s.deadline)
}

var (
	_ tier.Remote  = (*Memory)(nil)
	_ tier.Batcher = (*Memory)(nil)
	_ tier.Expirer = (*Memory)(nil)
	_ tier.Pinger  = (*Memory)(nil)
)

// NewMemory returns an empty tier. Set refuses frames longer than maxValueBytes, and Get
// reports longer ones that Put has brought in as tier.ErrCorrupt; zero or less means no
// cap.
func NewMemory(maxValueBytes int) *Memory {
	m := &Memory{maxValueBytes: maxValueBytes}
	m.mu.values = make(map[place]stored)
	return m
}

// Get returns a copy of the frame under k.
func (m *Memory) Get(ctx context.Context, k tier.Key) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	frame, ok := m.Raw(k)
	switch {
	case !ok:
		return nil, tier.ErrMiss
	case m.tooLong(frame):
		return nil, tier.ErrCorrupt
	}
	return frame, nil
}

// Set stores a copy of frame. An empty frame is an error, since no envelope is empty.
func (m *Memory) Set(ctx context.Context, k tier.Key, frame []byte, ttl time.Duration) error {
	switch err := ctx.Err(); {
	case err != nil:
		return err
	case ttl <= 0:
		return fmt.Errorf("tiertest: a ttl of %v", ttl)
	case len(frame) == 0:
		return errors.New("tiertest: an empty frame")
	case m.tooLong(frame):
		return fmt.Errorf("tiertest: a frame of %d bytes, the cap is %d", len(frame), m.maxValueBytes)
	}
	m.Put(k, frame, ttl)
	return nil
}

// Delete removes what is under keys.
func (m *Memory) Delete(ctx context.Context, keys ...tier.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.mu.values, placeOf(k))
	}
	return nil
}

// GetMany reads keys one after the other.
func (m *Memory) GetMany(ctx context.Context, keys []tier.Key) []tier.Reply {
	return getEach(ctx, m, keys)
}

// SetMany stores items one after the other.
func (m *Memory) SetMany(ctx context.Context, items []tier.Item) []error {
	return setEach(ctx, m, items)
}

// Expire moves the soft expiry of the envelopes under keys to at, unless it is earlier.
func (m *Memory) Expire(ctx context.Context, at time.Time, keys ...tier.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	millis := uint64(max(at.UnixMilli(), 0))
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		s, ok := m.get(k)
		if !ok || !looksLikeEnvelope(s.frame) {
			continue
		}
		field := s.frame[tier.SoftExpiryOffset:]
		binary.BigEndian.PutUint64(field, min(millis, binary.BigEndian.Uint64(field)))
	}
	return nil
}

// Ping says that the tier is there.
func (m *Memory) Ping(ctx context.Context) error { return ctx.Err() }

// Raw returns a copy of the bytes under k, whatever they are.
func (m *Memory) Raw(k tier.Key) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.get(k)
	return bytes.Clone(s.frame), ok
}

// Put stores a copy of b under k without any of the checks of Set. With a ttl of zero or
// less it stays until it is overwritten or deleted.
func (m *Memory) Put(k tier.Key, b []byte, ttl time.Duration) {
	// The appended copy is never nil: nil would turn an empty value into a missing one
	// in the eyes of a test that compares slices.
	s := stored{frame: append([]byte{}, b...)}
	if ttl > 0 {
		s.deadline = time.Now().Add(ttl)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.values[placeOf(k)] = s
}

// TTL returns how long what is under k has left. It is negative for what never expires.
func (m *Memory) TTL(k tier.Key) (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.get(k)
	switch {
	case !ok:
		return 0, false
	case s.deadline.IsZero():
		return -1, true
	}
	return time.Until(s.deadline), true
}

// Len returns the number of values that have not expired.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for p, s := range m.mu.values {
		if !s.live(now) {
			delete(m.mu.values, p)
		}
	}
	return len(m.mu.values)
}

// Clear removes everything, like a restart of a store that does not persist.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.mu.values)
}

// get returns what is under k and has not expired. The caller holds the mutex.
func (m *Memory) get(k tier.Key) (stored, bool) {
	s, ok := m.mu.values[placeOf(k)]
	if !ok {
		return stored{}, false
	}
	if !s.live(time.Now()) {
		delete(m.mu.values, placeOf(k))
		return stored{}, false
	}
	return s, true
}

func (m *Memory) tooLong(frame []byte) bool {
	return m.maxValueBytes > 0 && len(frame) > m.maxValueBytes
}

// minEnvelope is the length of the shortest envelope: one without tags and payload.
const minEnvelope = 76

// looksLikeEnvelope says whether b begins like an envelope of any version and is long
// enough for one. It is as much as a script in a store looks at.
func looksLikeEnvelope(b []byte) bool {
	return len(b) >= minEnvelope && b[0] == 't' && b[1] == 'c' && b[2] != 0
}

// getEach is GetMany for a tier without it.
func getEach(ctx context.Context, r tier.Remote, keys []tier.Key) []tier.Reply {
	replies := make([]tier.Reply, len(keys))
	for i, k := range keys {
		replies[i].Frame, replies[i].Err = r.Get(ctx, k)
	}
	return replies
}

// setEach is SetMany for a tier without it.
func setEach(ctx context.Context, r tier.Remote, items []tier.Item) []error {
	errs := make([]error, len(items))
	for i, it := range items {
		errs[i] = r.Set(ctx, it.Key, it.Frame, it.TTL)
	}
	return errs
}
