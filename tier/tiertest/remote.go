package tiertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// TestRemote is the conformance suite of tier.Remote and of the optional abilities that the
// tier has. open returns a tier; what it holds does not matter, because every check uses
// spaces of its own. The tier must be able to hold values of 1 MiB.
//
// The suite runs in real time, since the clock of a shared store is not in the process.
// What needs a store that can be broken from outside (other types under a key, values over
// the cap, a server that hangs) is left to the tier's own tests.
func TestRemote(t *testing.T, open func(t *testing.T) tier.Remote) {
	t.Helper()
	for _, c := range remoteChecks() {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, func() tier.Remote { return open(t) })
		})
	}
}

type openRemote = func() tier.Remote

func remoteChecks() []check[openRemote] {
	return []check[openRemote]{
		{"StoresAndDeletes", remoteStoresAndDeletes},
		{"DeletesMany", remoteDeletesMany},
		{"KeysAreInjective", remoteKeysAreInjective},
		{"KeysAreThoseOfAllProcesses", remoteKeysAreThoseOfAllProcesses},
		{"KeepsBytes", remoteKeepsBytes},
		{"GetHandsOver", remoteGetHandsOver},
		{"SetDoesNotKeep", remoteSetDoesNotKeep},
		{"Expires", remoteExpires},
		{"RefusesWhatNeverExpires", remoteRefusesWhatNeverExpires},
		{"RefusesEmptyFrames", remoteRefusesEmptyFrames},
		{"LongTTL", remoteLongTTL},
		{"ContextEnded", remoteContextEnded},
		{"Concurrent", remoteConcurrent},
		{"Model", remoteModel},
		{"BatchInOrder", batchInOrder},
		{"BatchKeepsApart", batchKeepsApart},
		{"BatchLarge", batchLarge},
		{"BatchEmpty", batchEmpty},
		{"BatchErrorsPerItem", batchErrorsPerItem},
		{"ExpireMovesSoftExpiry", expireMovesSoftExpiry},
		{"ExpireMovesNewerVersions", expireMovesNewerVersions},
		{"ExpireKeepsTTL", expireKeepsTTL},
		{"ExpireLeavesOthersAlone", expireLeavesOthersAlone},
		{"Ping", remotePing},
	}
}

const long = time.Minute // a ttl that does not end within a check

// newSpace returns the name of a space that nobody has used: stores outlive tests.
func newSpace() string { return "tiertest." + rand.Text() }

func set(t tb, r tier.Remote, k tier.Key, frame []byte, ttl time.Duration) {
	t.Helper()
	if err := r.Set(t.Context(), k, frame, ttl); err != nil {
		t.Errorf("Set(%q, %q): %v", k.Space, k.ID, err)
	}
}

func del(t tb, r tier.Remote, keys ...tier.Key) {
	t.Helper()
	if err := r.Delete(t.Context(), keys...); err != nil {
		t.Errorf("Delete of %d keys: %v", len(keys), err)
	}
}

func wantFrame(t tb, r tier.Remote, k tier.Key, frame []byte, when string) {
	t.Helper()
	got, err := r.Get(t.Context(), k)
	compare(t, k, tier.Reply{Frame: got, Err: err}, frame, when)
}

func wantMiss(t tb, r tier.Remote, k tier.Key, when string) {
	t.Helper()
	wantFrame(t, r, k, nil, when)
}

// compare fails t unless reply is frame, or a miss if frame is nil.
func compare(t tb, k tier.Key, reply tier.Reply, frame []byte, when string) {
	t.Helper()
	switch {
	case frame == nil && errors.Is(reply.Err, tier.ErrMiss):
	case frame == nil:
		t.Errorf("Get(%q, %q) %s: %d bytes and %v, want ErrMiss", k.Space, short(k.ID), when, len(reply.Frame), reply.Err)
	case reply.Err != nil:
		t.Errorf("Get(%q, %q) %s: %v", k.Space, short(k.ID), when, reply.Err)
	case !bytes.Equal(reply.Frame, frame):
		t.Errorf("Get(%q, %q) %s: %d bytes %q, want %d bytes %q", k.Space, short(k.ID), when,
			len(reply.Frame), short(string(reply.Frame)), len(frame), short(string(frame)))
	}
}

func short(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most]
	}
	return s
}

// missed reports whether r has nothing under k. Other errors fail t.
func missed(t tb, r tier.Remote, k tier.Key) bool {
	t.Helper()
	_, err := r.Get(t.Context(), k)
	if err != nil && !errors.Is(err, tier.ErrMiss) {
		t.Errorf("Get(%q, %q): %v", k.Space, k.ID, err)
	}
	return err != nil
}

// sampleEnvelope returns an envelope with every part in use.
func sampleEnvelope(k tier.Key, softExpiry time.Time) *tier.Envelope {
	return &tier.Envelope{
		ID:         tier.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255},
		Codec:      3,
		Compressor: 2,
		Generation: 1 << 40,
		TagDigest:  0xfedcba9876543210,
		SoftExpiry: softExpiry.UnixMilli(),
		Created:    softExpiry.Add(-time.Minute).UnixMilli(),
		CostMicros: 1234,
		RawLength:  20,
		KeyDigest:  k.Digest(),
		Tags:       []tier.Tag{{Name: "user:1", Generation: 7}, {Name: "\r\n\x00", Generation: 1 << 63}},
		Payload:    []byte("payload \r\n\x00\xff"),
	}
}

// within runs call and fails t if it takes so long that it cannot have looked at its
// context.
func within(t tb, what string, call func()) {
	t.Helper()
	const limit = time.Second
	start := time.Now()
	call()
	if took := time.Since(start); took > limit {
		t.Errorf("%s with a context that had ended took %v", what, took)
	}
}

// endedContexts returns contexts that have ended, by the error they end with.
func endedContexts(t tb) map[error]context.Context {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	t.Cleanup(cancel)
	return map[error]context.Context{context.Canceled: canceled, context.DeadlineExceeded: late}
}
