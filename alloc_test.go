package tiercache

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/l1"
)

type profile struct {
	Name, Mail, City, Role string
	ID, Age, Score, Visits int64
	Extra                  [9]int64
}

// A hit in L1 allocates nothing if the compute func is made once.
func TestHitAllocatesNothing(t *testing.T) {
	local, err := l1.New(l1.Config{})
	require.NoError(t, err)
	c := newCache[profile](t, Config{L1: local}, Policy{})
	compute := value(profile{Name: "Ada"})
	hit := func() {
		p, err := c.GetOrCompute(t.Context(), "ada", compute)
		if err != nil || p.Name != "Ada" {
			t.Error(p, err)
		}
	}
	hit()
	require.Zero(t, testing.AllocsPerRun(10_000, hit))
}
