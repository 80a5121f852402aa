package l2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

func TestNames(t *testing.T) {
	n := newNames("tc", 3)
	for _, test := range []struct{ space, id, want string }{
		{"users", "42", "tc:3:1:v:{users:42}"},
		{"users", "", "tc:3:1:v:{users:}"},
		{"users", "a:b", "tc:3:1:v:{users:a:b}"},
		{"a:b", "c", "tc:3:1:v:{a%3Ab:c}"},
		{"users", "}{%", "tc:3:1:v:{users:%7D%7B%25}"},
		{"users", "a\x00\n\x7f", "tc:3:1:v:{users:a%00%0A%7F}"},
		{"users", "äß\xff", "tc:3:1:v:{users:äß\xff}"},
	} {
		k := tier.NewKey(test.space, test.id)
		require.Equal(t, test.want, n.value(k))
		require.Equal(t, strings.Replace(test.want, ":v:", ":l:", 1), n.lease(k))
	}
}

func TestNamesOfOtherPrefixesAndDatabasesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, prefix := range []string{"a", "a:0", "a:0:1", "a:1"} {
		for db := range 2 {
			name := newNames(prefix, db).value(key("x"))
			where := fmt.Sprint(prefix, " ", db)
			require.Empty(t, seen[name], "%s has the same name", where)
			seen[name] = where
		}
	}
}

func TestNameAllocatesOnce(t *testing.T) {
	n, k := newNames("tc", 0), key(strings.Repeat("{id}", 20))
	require.InDelta(t, 1, testing.AllocsPerRun(100, func() { _ = n.value(k) }), 0)
}

// hashTag returns what Redis Cluster hashes of name.
func hashTag(name string) string {
	open := strings.IndexByte(name, '{')
	if open < 0 {
		return name
	}
	length := strings.IndexByte(name[open+1:], '}')
	if length <= 0 {
		return name
	}
	return name[open+1 : open+1+length]
}

func FuzzNames(f *testing.F) {
	f.Add("space", "id", "space", "id2")
	f.Add("a", "b:c", "a:b", "c")
	f.Add("a%3Ab", "c", "a:b", "c")
	f.Add("", "", "", ":")
	f.Add("s", "}", "s", "{}")
	f.Add("s", "%7D", "s", "}")
	f.Add("s", "\x00", "s", "%00")
	f.Fuzz(func(t *testing.T, space1, id1, space2, id2 string) {
		n := newNames("tc", 0)
		k1, k2 := tier.NewKey(space1, id1), tier.NewKey(space2, id2)
		v1, v2 := n.value(k1), n.value(k2)
		if (v1 == v2) != (space1 == space2 && id1 == id2) {
			t.Fatalf("%q/%q and %q/%q become %q and %q", space1, id1, space2, id2, v1, v2)
		}
		l1 := n.lease(k1)
		if l1 == v1 || l1 == v2 {
			t.Fatalf("lease and value share %q", l1)
		}
		tag := hashTag(v1)
		if tag == v1 || tag != hashTag(l1) || "tc:0:1:v:{"+tag+"}" != v1 {
			t.Fatalf("%q and %q do not share a hash slot", v1, l1)
		}
		if strings.ContainsAny(v1, "\x00\n\r") {
			t.Fatalf("%q has control bytes", v1)
		}
	})
}
