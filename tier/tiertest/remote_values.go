package tiertest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

func remoteStoresAndDeletes(t tb, open openRemote) {
	r, space := open(), newSpace()
	k, other := tier.NewKey(space, "id"), tier.NewKey(space, "other")
	wantMiss(t, r, k, "before any Set")
	set(t, r, k, []byte("one"), long)
	wantFrame(t, r, k, []byte("one"), "after Set")
	wantMiss(t, r, other, "never set")
	set(t, r, k, []byte("number two"), long)
	wantFrame(t, r, k, []byte("number two"), "after a second Set")
	set(t, r, k, []byte("3"), long)
	wantFrame(t, r, k, []byte("3"), "after Set of a shorter frame")
	del(t, r, other)
	wantFrame(t, r, k, []byte("3"), "after Delete of another key")
	del(t, r, k)
	wantMiss(t, r, k, "after Delete")
	del(t, r, k) // of a missing key: no error
	set(t, r, k, []byte("four"), long)
	wantFrame(t, r, k, []byte("four"), "after Delete and Set")
}

func remoteDeletesMany(t tb, open openRemote) {
	const keys = 200
	r, space := open(), tier.NewSpace(newSpace())
	kept := space.Key("kept")
	set(t, r, kept, []byte("kept"), long)
	var all []tier.Key
	for i := range keys {
		k := space.Key(strconv.Itoa(i))
		all = append(all, k, k) // twice: a repeated key is no error either
		if i%3 != 0 {
			set(t, r, k, []byte("gone"), long)
		}
	}
	del(t, r) // nothing: no error
	del(t, r, all...)
	for _, k := range all {
		wantMiss(t, r, k, "after Delete of many")
	}
	wantFrame(t, r, kept, []byte("kept"), "after Delete of many others")
}

// nastyIDs are ids that look like something else to a store, a URL or a key format.
func nastyIDs() []string {
	ids := []string{
		"{}", "{", "}", "{}a", "{a}", "{a}b", "}a{", "{{a}}", "a{b}c", "{a", "a}",
		"", " ", "a", "a ", " a", "A", "a:b", "a:", ":a", ":", "::", "a::b",
		"%", "%7B", "%7b", "{7B", "%25", "%257B", "%3A", "a%3Ab", "%00", "%zz",
		"\r\n", "\n", "\r", "a\r\nb", "\x00", "a\x00", "a\x00b", "*", "a*", "?", "[a]", "\\", "\"", "'",
		"\xff", "\xff\xfe", "\xc3\x28", "é", "e\u0301", "\u2028", "日本", "/", "../a", "v:a", "l:a", "~", "-", "_", ".",
	}
	// Long ids may be stored under a hash: they must still differ at every place.
	a := strings.Repeat("a", 1024)
	return append(ids, a, a+"a", a[1:], "b"+a[1:], a[1:]+"b", a[:512]+"b"+a[513:],
		strings.Repeat("{", 1024), strings.Repeat("\xff", 1024), strings.Repeat("\xff", 1023)+"\xfe")
}

func remoteKeysAreInjective(t tb, open openRemote) {
	r, unique := open(), newSpace()
	var keys []tier.Key
	for _, id := range nastyIDs() {
		keys = append(keys, tier.NewKey(unique, id))
	}
	// The same bytes with the border between space and id elsewhere.
	for _, pair := range [][2]string{
		{"a", "b:c"}, {"a", "b.c"}, {"a.b", "c"}, {"a_b", "c"}, {"a-b", "c"}, {"a", "b-c"}, {"a", "b_c"},
		{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"A", "b:c"}, {"a", ".b:c"}, {"a.", "b:c"},
	} {
		keys = append(keys, tier.NewKey(unique+pair[0], pair[1]))
	}
	for i, k := range keys {
		set(t, r, k, []byte("of key "+strconv.Itoa(i)), long)
	}
	for i, k := range keys {
		wantFrame(t, r, k, []byte("of key "+strconv.Itoa(i)), "after Set of keys like it")
	}
	for i, k := range keys {
		del(t, r, k)
		wantMiss(t, r, k, "after Delete")
		if i+1 < len(keys) {
			wantFrame(t, r, keys[i+1], []byte("of key "+strconv.Itoa(i+1)), "after Delete of keys like it")
		}
	}
}

// remoteKeysAreThoseOfAllProcesses gives keys the hashes that other processes would: Hash
// has no meaning outside the process and must not be part of the place.
func remoteKeysAreThoseOfAllProcesses(t tb, open openRemote) {
	r, space := open(), newSpace()
	k := tier.NewKey(space, "id")
	elsewhere := tier.Key{Space: space, ID: "id", Hash: ^k.Hash}
	set(t, r, k, []byte("here"), long)
	wantFrame(t, r, elsewhere, []byte("here"), "with the hash of another process")
	set(t, r, elsewhere, []byte("there"), long)
	wantFrame(t, r, k, []byte("there"), "after Set with the hash of another process")
	collides := tier.Key{Space: space, ID: "other", Hash: k.Hash}
	wantMiss(t, r, collides, "with the hash of another key")
	del(t, r, collides)
	wantFrame(t, r, k, []byte("there"), "after Delete of a key of the same hash")
	del(t, r, elsewhere)
	wantMiss(t, r, k, "after Delete with the hash of another process")
}

func remoteKeepsBytes(t tb, open openRemote) {
	r, space := open(), newSpace()
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	k := tier.NewKey(space, "id")
	for _, frame := range [][]byte{
		{0}, {'\r', '\n'}, []byte("nil"), []byte("$-1\r\n"), all[:],
		tier.AppendEnvelope(nil, sampleEnvelope(k, time.Now())),
		bytes.Repeat(all[:], 4<<10), // 1 MiB
		bytes.Repeat([]byte{0xff}, 70_001),
	} {
		set(t, r, k, frame, long)
		wantFrame(t, r, k, frame, "after Set")
	}
}

// remoteGetHandsOver alters what Get returned: it is the caller's own.
func remoteGetHandsOver(t tb, open openRemote) {
	r := open()
	k := tier.NewKey(newSpace(), "id")
	frame := bytes.Repeat([]byte("own"), 100)
	set(t, r, k, bytes.Clone(frame), long)
	first, err := r.Get(t.Context(), k)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	clear(first[:cap(first)]) // what lies behind the end is the caller's as well
	wantFrame(t, r, k, frame, "after the caller altered what an earlier Get returned")
	second, err := r.Get(t.Context(), k)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	set(t, r, k, bytes.Repeat([]byte("new"), 100), long)
	if _, err := r.Get(t.Context(), k); err != nil {
		t.Errorf("Get: %v", err)
	}
	if !bytes.Equal(second, frame) {
		t.Errorf("later calls altered what Get had returned")
	}
}

// remoteSetDoesNotKeep alters what it passed to Set once Set has returned.
func remoteSetDoesNotKeep(t tb, open openRemote) {
	r := open()
	k := tier.NewKey(newSpace(), "id")
	frame := []byte("as it was")
	set(t, r, k, frame, long)
	copy(frame, "altered!!")
	wantFrame(t, r, k, []byte("as it was"), "after the caller altered the frame it had set")
}

func remoteConcurrent(t tb, open openRemote) {
	const workers, rounds, keys = 8, 100, 4
	r, space := open(), tier.NewSpace(newSpace())
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				k := space.Key(strconv.Itoa((w + i) % keys))
				// The checksum and the key's digest show a torn frame and one of another key.
				env := &tier.Envelope{KeyDigest: k.Digest(), Payload: make([]byte, (w*rounds+i)%500)}
				set(t, r, k, tier.AppendEnvelope(nil, env), long)
				got, err := r.Get(t.Context(), k)
				if !missedBy(err) {
					parsed, parseErr := tier.ParseEnvelope(got)
					if err := errors.Join(err, parseErr); err != nil || parsed.KeyDigest != k.Digest() {
						t.Errorf("Get(%q): key digest %x, want %x; %v", k.ID, parsed.KeyDigest, k.Digest(), err)
					}
				}
				if i%5 == 0 {
					del(t, r, k)
				}
			}
		})
	}
	wg.Wait()
}

// remoteModel runs random calls against a map.
func remoteModel(t tb, open openRemote) {
	r, unique := open(), newSpace()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		space := tier.NewSpace(fmt.Sprint(unique, ".", run))
		model := map[string][]byte{}
		ids := rapid.SampledFrom(append(nastyIDs()[:12:12], "k", "k:", "\x00"))
		frames := rapid.SliceOfN(rapid.Byte(), 1, 64)
		read := func(rt *rapid.T, id string) {
			frame, err := r.Get(t.Context(), space.Key(id))
			switch want, ok := model[id]; {
			case !ok && missedBy(err):
			case !ok || err != nil || !bytes.Equal(frame, want):
				rt.Fatalf("Get(%q): %q and %v, the model has %q", id, frame, err, want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(rt *rapid.T) {
				id, frame := ids.Draw(rt, "id"), frames.Draw(rt, "frame")
				if err := r.Set(t.Context(), space.Key(id), frame, long); err != nil {
					rt.Fatalf("Set(%q): %v", id, err)
				}
				model[id] = bytes.Clone(frame)
			},
			"delete": func(rt *rapid.T) {
				var keys []tier.Key
				for _, id := range rapid.SliceOfN(ids, 0, 4).Draw(rt, "ids") {
					keys = append(keys, space.Key(id))
					delete(model, id)
				}
				if err := r.Delete(t.Context(), keys...); err != nil {
					rt.Fatalf("Delete: %v", err)
				}
			},
			"get": func(rt *rapid.T) { read(rt, ids.Draw(rt, "id")) },
		})
		for id := range model {
			read(rt, id)
		}
	})
}

func remoteLongTTL(t tb, open openRemote) {
	r := open()
	k := tier.NewKey(newSpace(), "id")
	for _, ttl := range []time.Duration{365 * 24 * time.Hour, math.MaxInt64} {
		set(t, r, k, []byte("long"), ttl)
		wantFrame(t, r, k, []byte("long"), fmt.Sprint("with a ttl of ", ttl))
	}
	del(t, r, k) // a real store should not keep it for so long
}
