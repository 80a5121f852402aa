package l1

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/tier"
	"github.com/tiercache/tiercache/tier/tiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	tiertest.TestLocal(t, func(t *testing.T, maxBytes int64) tier.Local {
		return started(t, Config{MaxBytes: maxBytes})
	})
}

// started returns a Cache as users get it.
func started(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// manual returns a Cache without its owner goroutine: nothing moves into ristretto but by
// the test's own steps, so that it can stop between any two.
func manual(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := open(cfg)
	require.NoError(t, err)
	close(c.done)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// applyAll moves all that is staged.
func (c *Cache) applyAll() { c.apply(-1) }

var testSpace = tier.NewSpace("test")

func key(i int) tier.Key { return testSpace.Key(fmt.Sprint(i)) }

func entry(k tier.Key, stamp uint64) *tier.Entry {
	return &tier.Entry{Key: k, Stamp: stamp, Size: 100}
}

// wantHit fails t unless Get returns e.
func wantHit(t require.TestingT, c *Cache, e *tier.Entry, when string) {
	got, ok := c.Get(e.Key)
	require.True(t, ok, "%s: a miss", when)
	require.Same(t, e, got, when)
}

func wantMiss(t require.TestingT, c *Cache, k tier.Key, when string) {
	got, ok := c.Get(k)
	require.False(t, ok, "%s: got stamp %v", when, got)
	require.Nil(t, got, when)
}

// inStore returns what ristretto holds.
func (c *Cache) inStore(k tier.Key) *tier.Entry {
	e, _ := c.store.get(k.Hash)
	return e
}
