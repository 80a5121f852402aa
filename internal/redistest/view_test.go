package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeySlot(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{
		"":                     0,
		"123456789":            12739,
		"foo":                  12182,
		"{foo}bar":             12182,
		"a{foo}{bar}":          12182,
		"{user1000}.following": keySlot("user1000"),
		"{}foo":                keySlot("{}foo"),
	} {
		require.Equal(t, want, keySlot(key), key)
	}
	require.NotEqual(t, keySlot("foo"), keySlot("{}foo"), "empty braces do not count")
}

func TestParseView(t *testing.T) {
	t.Parallel()
	v, err := parseView("aa 127.0.0.1:1@2 myself,master - 0 0 7 connected 0-2 5 [9->-bb]\n" +
		"bb 127.0.0.1:3@4,host master,fail - 0 0 2 disconnected 6-9\n" +
		"cc 127.0.0.1:5@6 slave aa 0 0 7 connected\n")
	require.NoError(t, err)
	require.Equal(t, view{
		{id: "aa", addr: "127.0.0.1:1", flags: []string{"myself", "master"}, epoch: 7, slots: []slotRange{{0, 2}, {5, 5}}},
		{id: "bb", addr: "127.0.0.1:3", flags: []string{"master", "fail"}, epoch: 2, slots: []slotRange{{6, 9}}},
		{id: "cc", addr: "127.0.0.1:5", flags: []string{"slave"}, epoch: 7},
	}, v)
	self, ok := v.self()
	require.True(t, ok)
	require.Equal(t, []int{0, 1, 2, 5}, self.firstSlots(10))
	require.Equal(t, []int{0, 1}, self.firstSlots(2))
	require.True(t, self.serves(5))
	require.False(t, self.serves(4))
	require.Equal(t, "127.0.0.1:1[{0 2} {5 5}]", v.layout(), "a failed master counts for nothing")

	for _, bad := range []string{"aa", "aa b@1 master - 0 0 x up", "aa b@1 master - 0 0 1 up 1-x", "aa b@1 master - 0 0 1 up x"} {
		_, err := parseView(bad)
		require.Error(t, err, bad)
	}
}
