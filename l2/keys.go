package l2

import (
	"strconv"
	"strings"

	"github.com/tiercache/tiercache/tier"
)

// schemaVersion is part of every name. It changes when the meaning of what is stored under
// a name changes in a way that old processes must not see; old and new then share nothing.
const schemaVersion = 1

// Kinds of names, the letter before the braces.
const (
	kindValue byte = 'v'
	kindLease byte = 'l' // shares its hash slot with the value of the same key
)

// names makes every name this package uses in Redis. The database index is part of the
// base because channels are shared by all databases of a server.
type names struct {
	base string // "<prefix>:<db>:<schema version>:"
}

func newNames(prefix string, db int) names {
	return names{base: prefix + ":" + strconv.Itoa(db) + ":" + strconv.Itoa(schemaVersion) + ":"}
}

func (n names) value(k tier.Key) string { return n.name(kindValue, k.Space, k.ID) }

func (n names) lease(k tier.Key) string { return n.name(kindLease, k.Space, k.ID) }

// name returns base, kind, ":{", space, ":", id, "}". It is injective for all byte strings,
// not only for the spaces the engine accepts: the first ':' between the braces ends the
// space, because those inside the space are escaped.
func (n names) name(kind byte, space, id string) string {
	var b strings.Builder
	b.Grow(len(n.base) + len("v:{:}") + escapedLen(space, true) + escapedLen(id, false))
	b.WriteString(n.base)
	b.WriteByte(kind)
	b.WriteString(":{")
	escape(&b, space, true)
	b.WriteByte(':')
	escape(&b, id, false)
	b.WriteByte('}')
	return b.String()
}

// special says whether c must not appear between the braces. A '}' would end what Redis
// Cluster hashes, and an id beginning with it would leave an empty hash tag, so that value
// and lease would fall into different slots. Control bytes are escaped for the eyes of
// people reading keys in a terminal.
func special(c byte, colon bool) bool {
	return c < 0x20 || c == 0x7f || c == '%' || c == '{' || c == '}' || (colon && c == ':')
}

func escapedLen(s string, colon bool) int {
	n := len(s)
	for i := range len(s) {
		if special(s[i], colon) {
			n += 2
		}
	}
	return n
}

func escape(b *strings.Builder, s string, colon bool) {
	const hex = "0123456789ABCDEF"
	plain := 0 // start of the run of ordinary bytes not yet written
	for i := range len(s) {
		c := s[i]
		if !special(c, colon) {
			continue
		}
		b.WriteString(s[plain:i])
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
		plain = i + 1
	}
	b.WriteString(s[plain:])
}
