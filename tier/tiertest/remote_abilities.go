package tiertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/tiercache/tiercache/tier"
)

// getMany reads keys in one batch and fails t unless there is one reply per key.
func getMany(t tb, b tier.Batcher, keys []tier.Key) []tier.Reply {
	t.Helper()
	replies := b.GetMany(t.Context(), keys)
	if len(replies) != len(keys) {
		t.Fatalf("GetMany: %d replies to %d keys", len(replies), len(keys))
	}
	return replies
}

// setMany stores items in one batch and fails t unless there is one error per item.
func setMany(t tb, b tier.Batcher, items []tier.Item) []error {
	t.Helper()
	errs := b.SetMany(t.Context(), items)
	if len(errs) != len(items) {
		t.Fatalf("SetMany: %d errors for %d items", len(errs), len(items))
	}
	return errs
}

func batchInOrder(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	b, ok := r.(tier.Batcher)
	if !ok {
		return
	}
	one, two, never := space.Key("one"), space.Key("two"), space.Key("never")
	for i, err := range setMany(t, b, []tier.Item{
		{Key: two, Frame: []byte("earlier"), TTL: long},
		{Key: one, Frame: []byte("1"), TTL: long},
		{Key: two, Frame: []byte("2"), TTL: long}, // the same key again: the last one stays
	}) {
		if err != nil {
			t.Errorf("SetMany, item %d: %v", i, err)
		}
	}
	wantFrame(t, r, one, []byte("1"), "after SetMany")
	wantFrame(t, r, two, []byte("2"), "after SetMany with the key twice")
	keys := []tier.Key{never, two, one, never, two, two}
	for i, want := range [][]byte{nil, []byte("2"), []byte("1"), nil, []byte("2"), []byte("2")} {
		compare(t, keys[i], getMany(t, b, keys)[i], want, fmt.Sprint("as number ", i, " of a batch"))
	}
}

func batchKeepsApart(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	b, ok := r.(tier.Batcher)
	if !ok {
		return
	}
	one, two := space.Key("one"), space.Key("two")
	frame := []byte("frame of both")
	setMany(t, b, []tier.Item{{Key: one, Frame: frame, TTL: long}, {Key: two, Frame: frame, TTL: long}})
	want := bytes.Clone(frame)
	clear(frame)
	keys := []tier.Key{one, two, one}
	replies := getMany(t, b, keys)
	for i, reply := range replies {
		compare(t, keys[i], reply, want, "after the caller altered the frame it had set")
		// Up to the capacity: appending to one reply must not alter the next.
		clear(reply.Frame[:cap(reply.Frame)])
	}
	wantFrame(t, r, one, want, "after the caller altered the replies of a batch")
	wantFrame(t, r, two, want, "after the caller altered the replies of a batch")
}

func batchLarge(t tb, open openRemote) {
	const n = 1000
	r, space := open(), tier.NewSpace(newSpace())
	b, ok := r.(tier.Batcher)
	if !ok {
		return
	}
	var items []tier.Item
	var keys []tier.Key
	for i := range n {
		k := space.Key(strconv.Itoa(i))
		keys = append(keys, k)
		if i%7 != 0 {
			items = append(items, tier.Item{Key: k, Frame: []byte("frame " + k.ID), TTL: long})
		}
	}
	for i, err := range setMany(t, b, items) {
		if err != nil {
			t.Errorf("SetMany, item %d of %d: %v", i, n, err)
		}
	}
	for i, reply := range getMany(t, b, keys) {
		want := []byte("frame " + keys[i].ID)
		if i%7 == 0 {
			want = nil
		}
		compare(t, keys[i], reply, want, "in a large batch")
	}
	del(t, r, keys...)
	for i, reply := range getMany(t, b, keys) {
		compare(t, keys[i], reply, nil, "after Delete of a large batch")
	}
}

func batchEmpty(t tb, open openRemote) {
	if b, ok := open().(tier.Batcher); ok {
		getMany(t, b, nil)
		getMany(t, b, []tier.Key{})
		setMany(t, b, nil)
		setMany(t, b, []tier.Item{})
	}
}

func batchErrorsPerItem(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	b, ok := r.(tier.Batcher)
	if !ok {
		return
	}
	items := []tier.Item{
		{Key: space.Key("good"), Frame: []byte("good"), TTL: long},
		{Key: space.Key("for ever"), Frame: []byte("bad"), TTL: 0},
		{Key: space.Key("negative"), Frame: []byte("bad"), TTL: -time.Second},
		{Key: space.Key("empty"), Frame: nil, TTL: long},
		{Key: space.Key("last"), Frame: []byte("good"), TTL: long},
	}
	for i, err := range setMany(t, b, items) {
		good := string(items[i].Frame) == "good"
		if (err == nil) != good {
			t.Errorf("SetMany of an item with ttl %v and %d bytes: %v", items[i].TTL, len(items[i].Frame), err)
		}
		if good {
			wantFrame(t, r, items[i].Key, []byte("good"), "from a batch with bad items")
		} else {
			wantMiss(t, r, items[i].Key, "from a batch that refused it")
		}
	}
}

func expireMovesSoftExpiry(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	e, ok := r.(tier.Expirer)
	if !ok {
		return
	}
	now := time.Now()
	k, other := space.Key("id"), space.Key("other")
	env := sampleEnvelope(k, now.Add(time.Hour))
	frame := tier.AppendEnvelope(nil, env)
	otherFrame := tier.AppendEnvelope(nil, sampleEnvelope(other, now.Add(time.Hour)))
	set(t, r, k, frame, long)
	set(t, r, other, otherFrame, long)
	soft := env.SoftExpiry
	for _, at := range []time.Time{
		now.Add(2 * time.Hour), // later than it is: an Expire never makes anything fresher
		now, now.Add(-time.Minute), now, time.UnixMilli(1), {},
	} {
		soft = max(0, min(soft, at.UnixMilli())) // an envelope has no time before 1970
		// A missing key and a repeated one are no errors.
		if err := e.Expire(t.Context(), at, space.Key("never"), k, k); err != nil {
			t.Errorf("Expire: %v", err)
		}
		got, err := r.Get(t.Context(), k)
		if err != nil {
			t.Fatalf("Get after Expire: %v", err)
		}
		parsed, err := tier.ParseEnvelope(got)
		if err != nil {
			t.Fatalf("ParseEnvelope after Expire: %v", err)
		}
		want := *env
		want.SoftExpiry = soft
		if !reflect.DeepEqual(parsed, want) {
			t.Errorf("after Expire at %v: %+v, want %+v", at, parsed, want)
		}
	}
	wantFrame(t, r, other, otherFrame, "after Expire of another key")
	wantMiss(t, r, space.Key("never"), "after Expire of a missing key")
	if err := e.Expire(t.Context(), now); err != nil {
		t.Errorf("Expire of no key: %v", err)
	}
}

func expireKeepsTTL(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	e, ok := r.(tier.Expirer)
	if !ok {
		return
	}
	k := space.Key("id")
	set(t, r, k, tier.AppendEnvelope(nil, sampleEnvelope(k, time.Now())), 200*time.Millisecond)
	if err := e.Expire(t.Context(), time.Now(), k); err != nil {
		t.Errorf("Expire: %v", err)
	}
	if !eventually(func() bool { return missed(t, r, k) }) {
		t.Errorf("an envelope lost its ttl to Expire")
	}
}

// expireMovesNewerVersions: during a deploy the old release has to expire what the new one
// has stored.
func expireMovesNewerVersions(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	e, ok := r.(tier.Expirer)
	if !ok {
		return
	}
	for _, version := range []byte{tier.EnvelopeVersion + 1, 255} {
		k := space.Key(strconv.Itoa(int(version)))
		frame := tier.AppendEnvelope(nil, sampleEnvelope(k, time.Now()))
		frame[2] = version
		set(t, r, k, frame, long)
		if err := e.Expire(t.Context(), time.UnixMilli(5), k); err != nil {
			t.Errorf("Expire of version %d: %v", version, err)
		}
		binary.BigEndian.PutUint64(frame[tier.SoftExpiryOffset:], 5)
		wantFrame(t, r, k, frame, fmt.Sprint("after Expire of version ", version))
	}
}

// expireLeavesOthersAlone has bytes that are too short for a header or lack the magic.
func expireLeavesOthersAlone(t tb, open openRemote) {
	r, space := open(), tier.NewSpace(newSpace())
	e, ok := r.(tier.Expirer)
	if !ok {
		return
	}
	whole := tier.AppendEnvelope(nil, sampleEnvelope(space.Key(""), time.Now()))
	foreign := map[string][]byte{
		"text":  []byte("plain text"),
		"long":  bytes.Repeat([]byte("no envelope "), 20),
		"magic": []byte("tc"),
		"case":  append([]byte("TC"), whole[2:]...),
		"zero":  append([]byte("tc\x00"), whole[3:]...),
		"swap":  append([]byte("ct"), whole[2:]...),
	}
	for _, n := range []int{1, 3, tier.IDOffset, tier.SoftExpiryOffset, tier.SoftExpiryOffset + 7, minEnvelope - 1} {
		foreign["cut to "+strconv.Itoa(n)] = whole[:n]
	}
	var keys []tier.Key
	for id, b := range foreign {
		keys = append(keys, space.Key(id))
		set(t, r, space.Key(id), b, long)
	}
	if err := e.Expire(t.Context(), time.UnixMilli(0), keys...); err != nil {
		t.Errorf("Expire of what is no envelope: %v", err)
	}
	for id, b := range foreign {
		wantFrame(t, r, space.Key(id), b, "after Expire of what is no envelope")
	}
}
