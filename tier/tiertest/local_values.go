package tiertest

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

func localStoresAndDeletes(t tb, open openLocal) {
	l := open(roomy)
	k := tier.NewKey("space", "id")
	want(t, l, k, 0, "before any Set")
	l.Delete(k) // of nothing: must do nothing
	l.Set(entry(k, 1, smallEntry))
	want(t, l, k, 1, "after Set")
	want(t, l, tier.NewKey("space", "other"), 0, "of a key never set")
	l.Delete(tier.NewKey("space", "other"))
	want(t, l, k, 1, "after Delete of another key")
	l.Delete(k)
	want(t, l, k, 0, "after Delete")
	l.Delete(k)
	want(t, l, k, 0, "after a second Delete")
}

func localKeepsAllOfAnEntry(t tb, open openLocal) {
	l := open(roomy)
	e := entry(tier.NewKey("space", "full"), 7, smallEntry)
	e.Value = []string{"a", "value"}
	e.Cost = 5 * time.Millisecond
	e.ID = tier.ID{1, 2, 3}
	e.Generation = 9
	e.Tags = []tier.Tag{{Name: "tag", Generation: 3}}
	absent := entry(tier.NewKey("space", "absent"), 8, 1)
	absent.Value, absent.Absent = nil, true
	for _, e := range []*tier.Entry{e, absent} {
		want := *e
		l.Set(e)
		got, ok := l.Get(e.Key)
		switch {
		case !ok || got == nil:
			t.Errorf("Get(%q) right after Set: nothing", e.Key.ID)
		case !reflect.DeepEqual(*got, want):
			t.Errorf("Get(%q): %+v, want %+v", e.Key.ID, *got, want)
		}
	}
}

func localComparesWholeKeys(t tb, open openLocal) {
	l := open(roomy)
	keys := []tier.Key{
		tier.NewKey("a", "id"), tier.NewKey("b", "id"), // only the space differs
		tier.NewKey("a", "bc"), tier.NewKey("ab", "c"), tier.NewKey("abc", ""), // only the border
		tier.NewKey("a", "b"), tier.NewKey("b", "a"), // only the order
		tier.NewKey("a", "a:b"), tier.NewKey("a", "a\x00b"), tier.NewKey("a", "\xff\xfe"), tier.NewKey("a", "id "),
	}
	for i, k := range keys {
		l.Set(entry(k, uint64(i)+1, smallEntry))
	}
	for i, k := range keys {
		want(t, l, k, uint64(i)+1, "after Set of keys like it")
	}
	l.Delete(keys[0])
	want(t, l, keys[0], 0, "after Delete")
	want(t, l, keys[1], 2, "after Delete of the same id in another space")
}

// localComparesKeysOfOneHash makes keys that collide, which happens by chance in a big
// cache. A tier may have room for one of them only, but must not take one for the other.
func localComparesKeysOfOneHash(t tb, open openLocal) {
	l := open(roomy)
	keys := []tier.Key{
		{Space: "s", ID: "one", Hash: 42},
		{Space: "s", ID: "two", Hash: 42},
		{Space: "r", ID: "one", Hash: 42},
	}
	none := tier.Key{Space: "r", ID: "two", Hash: 42}
	latest := map[tier.Key]uint64{}
	check := func(when string) {
		t.Helper()
		for _, k := range keys {
			if got := stampOf(t, l, k); got != 0 && got != latest[k] {
				t.Errorf("Get(%q, %q) %s: stamp %d, want %d or nothing", k.Space, k.ID, when, got, latest[k])
			}
		}
		want(t, l, none, 0, when)
	}
	for round := range 100 {
		for _, k := range keys {
			latest[k]++
			l.Set(entry(k, latest[k], smallEntry))
			want(t, l, k, latest[k], "after Set beside keys of the same hash")
			check("after Set of a key of the same hash")
		}
		l.Delete(none)
		check("after Delete of a key of the same hash")
		gone := keys[round%len(keys)]
		l.Delete(gone)
		want(t, l, gone, 0, "after Delete beside keys of the same hash")
		check("after Delete of a key of the same hash")
	}
}

func localLastSetWins(t tb, open openLocal) {
	const keys = 1000
	l := open(roomy)
	space := tier.NewSpace("twice")
	for i := range keys {
		k := space.Key(strconv.Itoa(i)) // a new key each time: that is where tiers go wrong
		l.Set(entry(k, 1, smallEntry))
		l.Set(entry(k, 2, smallEntry))
		want(t, l, k, 2, "after Set, Set of a new key")
	}
	last := map[tier.Key]uint64{}
	for i := range keys {
		k := space.Key(strconv.Itoa(i))
		for stamp := uint64(3); stamp < 6; stamp++ {
			l.Set(entry(k, stamp, smallEntry))
		}
		want(t, l, k, 5, "after Set of a key it holds")
		last[k] = 5
	}
	lasts(t, l, last)
}

func localSetAfterDelete(t tb, open openLocal) {
	const keys = 1000
	l := open(roomy)
	space := tier.NewSpace("again")
	last := map[tier.Key]uint64{}
	for i := range keys {
		k := space.Key(strconv.Itoa(i))
		l.Set(entry(k, 1, smallEntry))
		l.Delete(k)
		l.Set(entry(k, 2, smallEntry))
		want(t, l, k, 2, "after Set, Delete, Set")
		last[k] = 2
	}
	lasts(t, l, last)
}

// lasts fails t unless l keeps holding what stamps says: what a tier does later, on its own
// goroutines, must not undo it.
func lasts(t tb, l tier.Local, stamps map[tier.Key]uint64) {
	t.Helper()
	wrong := ""
	lastingly(func() bool {
		for k, stamp := range stamps {
			if got := stampOf(t, l, k); got != stamp {
				wrong = fmt.Sprintf("Get(%q, %q) a while later: stamp %d, want %d (0 is nothing)", k.Space, k.ID, got, stamp)
				return false
			}
		}
		return true
	})
	if wrong != "" {
		t.Errorf("%s", wrong)
	}
}

// localModel runs random calls against a tier that is too small for them. What it has set
// may be missing, but nothing may be there that was overwritten or deleted.
func localModel(t tb, open openLocal) {
	l := open(budget)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		space := tier.NewSpace("model" + strconv.Itoa(run)) // what earlier runs left has other keys
		latest := map[string]uint64{}
		stamp := uint64(0)
		id := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "\x00", "e f", "{g}"})
		set := func(rt *rapid.T) {
			stamp++
			k := id.Draw(rt, "id")
			e := entry(space.Key(k), stamp, rapid.SampledFrom([]int64{1, smallEntry, budget / 4, 2 * budget}).Draw(rt, "size"))
			l.Set(e)
			latest[k] = stamp
			if e.Size > budget {
				latest[k] = 0
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set":      set,
			"overset":  func(rt *rapid.T) { set(rt); set(rt) },
			"delete":   func(rt *rapid.T) { k := id.Draw(rt, "id"); l.Delete(space.Key(k)); latest[k] = 0 },
			"":         func(*rapid.T) {},
			"readback": func(rt *rapid.T) { checkModel(rt, l, space, latest, id.Draw(rt, "id")) },
		})
		for k := range latest {
			checkModel(rt, l, space, latest, k)
		}
	})
}

func checkModel(rt *rapid.T, l tier.Local, space tier.Space, latest map[string]uint64, id string) {
	e, ok := l.Get(space.Key(id))
	switch {
	case !ok:
	case e.Key.Space != space.Name() || e.Key.ID != id:
		rt.Fatalf("Get(%q): the entry of (%q, %q)", id, e.Key.Space, e.Key.ID)
	case e.Stamp != latest[id]:
		rt.Fatalf("Get(%q): stamp %d, want %d (0 is nothing)", id, e.Stamp, latest[id])
	}
}
