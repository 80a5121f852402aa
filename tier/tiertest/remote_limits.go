package tiertest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tiercache/tiercache/tier"
)

func missedBy(err error) bool { return errors.Is(err, tier.ErrMiss) }

func remoteExpires(t tb, open openRemote) {
	const brief = 300 * time.Millisecond
	r, space := open(), tier.NewSpace(newSpace())
	expires, shortened, extended, instant := space.Key("expires"), space.Key("shortened"), space.Key("extended"), space.Key("instant")
	start := time.Now()
	set(t, r, expires, []byte("old"), brief)
	set(t, r, shortened, []byte("long"), long)
	set(t, r, shortened, []byte("short"), brief)
	set(t, r, extended, []byte("short"), brief)
	set(t, r, extended, []byte("long"), long)
	// Shorter than what stores count in: it may not be rounded to nothing, nor for ever.
	set(t, r, instant, []byte("instant"), time.Nanosecond)
	gotEarly := !missed(t, r, expires)
	if time.Since(start) < brief/2 && !gotEarly {
		t.Errorf("a frame with a ttl of %v is gone at once", brief)
	}
	for _, k := range []tier.Key{instant, expires, shortened} {
		if !eventually(func() bool { return missed(t, r, k) }) {
			t.Errorf("the frame under %q is still there after %v", k.ID, time.Since(start))
		}
	}
	wantFrame(t, r, extended, []byte("long"), "after the ttl of an earlier Set")
	set(t, r, expires, []byte("new"), long)
	wantFrame(t, r, expires, []byte("new"), "set again after it had expired")
}

func remoteRefusesWhatNeverExpires(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	kept := space.Key("kept")
	set(t, r, kept, []byte("kept"), long)
	for _, ttl := range []time.Duration{0, -1, -time.Second, math.MinInt64} {
		k := space.Key(strconv.FormatInt(int64(ttl), 10))
		for _, k := range []tier.Key{k, kept} {
			if err := r.Set(t.Context(), k, []byte("for ever"), ttl); err == nil {
				t.Errorf("Set with a ttl of %v: no error", ttl)
			}
		}
		wantMiss(t, r, k, fmt.Sprint("after Set with a ttl of ", ttl))
	}
	// Whether the earlier frame is still there is up to the tier.
	if got, err := r.Get(t.Context(), kept); err == nil && string(got) != "kept" {
		t.Errorf("Get: %q, which Set had refused", got)
	}
}

// remoteRefusesEmptyFrames: an envelope is never empty, so an empty frame is a mistake of
// the caller's, and stores differ in whether they can tell one from nothing.
func remoteRefusesEmptyFrames(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	for name, frame := range map[string][]byte{"nil": nil, "empty": {}} {
		k := space.Key(name)
		if err := r.Set(t.Context(), k, frame, long); err == nil {
			t.Errorf("Set of an empty frame (%s): no error", name)
		}
		wantMiss(t, r, k, "after Set of an empty frame")
	}
}

func remoteContextEnded(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	k, never := space.Key("id"), space.Key("never")
	set(t, r, k, []byte("frame"), long)
	for reason, ctx := range endedContexts(t) {
		expect := func(what string, call func() error) {
			t.Helper()
			within(t, what, func() {
				t.Helper()
				if err := call(); !errors.Is(err, reason) {
					t.Errorf("%s with a context that had ended: %v, want %v", what, err, reason)
				}
			})
		}
		expect("Get", func() error { _, err := r.Get(ctx, k); return err })
		expect("Get of a missing key", func() error { _, err := r.Get(ctx, never); return err })
		expect("Set", func() error { return r.Set(ctx, never, []byte("frame"), long) })
		expect("Delete", func() error { return r.Delete(ctx, k) })
		if b, ok := r.(tier.Batcher); ok {
			expect("GetMany", func() error { return b.GetMany(ctx, []tier.Key{never, k})[1].Err })
			expect("SetMany", func() error {
				return b.SetMany(ctx, []tier.Item{{Key: never, Frame: []byte("frame"), TTL: long}})[0]
			})
		}
		if e, ok := r.(tier.Expirer); ok {
			expect("Expire", func() error { return e.Expire(ctx, time.Now(), k) })
		}
		if p, ok := r.(tier.Pinger); ok {
			expect("Ping", func() error { return p.Ping(ctx) })
		}
	}
	wantFrame(t, r, k, []byte("frame"), "after Delete with a context that had ended")
	wantMiss(t, r, never, "after Set with a context that had ended")
}

func remotePing(t tb, open openRemote) {
	if p, ok := open().(tier.Pinger); ok {
		if err := p.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
	}
}
