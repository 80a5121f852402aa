package tier_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/tiercache/tiercache/tier"
)

// TestDigestIsStable holds digests that are stored in the wild: they may never change. The
// values are those of another implementation: the first 8 bytes of SHA-256 over the length
// of the space as a varint, the space and the id.
func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space, id string
		digest    uint64
	}{
		{"", "", 0x6e340b9cffb37a98},
		{"users", "42", 0x8dac7502debad2ae},
		{"a", "bc", 0x1e18834c426d00e5},
		{"ab", "c", 0x909ac45e43991119},
		{"users", "", 0xf7f7def8069459d6},
		{"", "users", 0x78d58a7e2f6ebc25},
		{"bytes", "\x00\xff{}\r\n", 0xa0755b5a974b6c34},
		{strings.Repeat("s", 200), strings.Repeat("i", 1024), 0xc39ad0b4ee9ed7cc},
	} {
		assert.Equal(t, c.digest, tier.NewKey(c.space, c.id).Digest(), "%q, %q", c.space, c.id)
		assert.Equal(t, c.digest, tier.Key{Space: c.space, ID: c.id, Hash: 1}.Digest(), "the hash has no part in it")
	}
}

func TestKeyIsTheSameHoweverMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name, id := rapid.String().Draw(t, "space"), rapid.String().Draw(t, "id")
		space := tier.NewSpace(name)
		k := space.Key(id)
		assert.Equal(t, name, space.Name())
		assert.Equal(t, k, tier.NewKey(name, id))
		// Equal strings at other addresses must do as well.
		assert.Equal(t, k, tier.NewKey(strings.Clone(name), strings.Clone(id)))
		assert.Equal(t, name, k.Space)
		assert.Equal(t, id, k.ID)
	})
}

func TestKeyTellsPairsApart(t *testing.T) {
	t.Parallel()
	part := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', ':', 0, 1, 2}), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		a := tier.NewKey(part.Draw(t, "space"), part.Draw(t, "id"))
		b := tier.NewKey(part.Draw(t, "other space"), part.Draw(t, "other id"))
		if a.Space == b.Space && a.ID == b.ID {
			assert.Equal(t, a.Hash, b.Hash)
			assert.Equal(t, a.Digest(), b.Digest())
			return
		}
		// Either could collide, once in 2^64 pairs.
		assert.NotEqual(t, a.Hash, b.Hash, "%+v, %+v", a, b)
		assert.NotEqual(t, a.Digest(), b.Digest(), "%+v, %+v", a, b)
	})
}

// TestHashTellsNeighboursApart has the pairs that combining two hashes gets wrong: swapped,
// of two equal parts, and with the border elsewhere.
func TestHashTellsNeighboursApart(t *testing.T) {
	t.Parallel()
	seen := map[uint64]tier.Key{}
	for _, pair := range [][2]string{
		{"a", "b"}, {"b", "a"}, {"a", "a"}, {"b", "b"}, {"", ""}, {"ab", ""}, {"", "ab"}, {"a", ""}, {"", "a"}, {"b", ""}, {"", "b"},
	} {
		k := tier.NewKey(pair[0], pair[1])
		assert.NotContains(t, seen, k.Hash, "%+v", k)
		seen[k.Hash] = k
	}
}

// TestHashSpreads looks at the bits that pick a shard or a slot: the lowest and the highest.
func TestHashSpreads(t *testing.T) {
	t.Parallel()
	const spaces, ids, buckets = 16, 4096, 256
	var low, high [buckets]int
	seen := map[uint64]tier.Key{}
	for s := range spaces {
		space := tier.NewSpace("space" + strconv.Itoa(s))
		for i := range ids {
			k := space.Key(strconv.Itoa(i)) // the same ids in each space
			other, taken := seen[k.Hash]
			assert.False(t, taken, "%+v and %+v", k, other)
			seen[k.Hash] = k
			low[k.Hash%buckets]++
			high[k.Hash>>56]++
		}
	}
	const mean = spaces * ids / buckets // 256, with a standard deviation of 16
	for b := range buckets {
		assert.InDelta(t, mean, low[b], mean/2)
		assert.InDelta(t, mean, high[b], mean/2)
	}
}

// The tests below count allocations, which no other test may do meanwhile: no t.Parallel.

func TestKeyDoesNotAllocate(t *testing.T) {
	space := tier.NewSpace("users")
	id := strings.Repeat("i", 100)
	var sum uint64
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		k := space.Key(id)
		sum += k.Hash + k.Digest() + tier.NewKey("users", id).Hash
	}))
	assert.NotZero(t, sum)
}
