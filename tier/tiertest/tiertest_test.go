package tiertest

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/tier"
)

func TestMain(m *testing.M) {
	// Broken tiers fail the model on purpose: nobody will want to repeat that.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestMapLocal(t *testing.T) {
	t.Parallel()
	TestLocal(t, func(_ *testing.T, maxBytes int64) tier.Local { return NewMapLocal(maxBytes) })
}

func TestMemory(t *testing.T) {
	t.Parallel()
	TestRemote(t, func(*testing.T) tier.Remote { return NewMemory(0) })
}

func TestFaultyWithoutFaults(t *testing.T) {
	t.Parallel()
	TestRemote(t, func(*testing.T) tier.Remote { return NewFaulty(NewMemory(2<<20), 1) })
}

// TestPlainRemote runs the suite on a tier without abilities, once as it is and once with
// those that Faulty adds. Expire is not among what can be compared: it becomes Delete.
func TestPlainRemote(t *testing.T) {
	t.Parallel()
	plain := func() tier.Remote { return struct{ tier.Remote }{NewMemory(0)} }
	TestRemote(t, func(*testing.T) tier.Remote { return plain() })
	t.Run("Faulty", func(t *testing.T) {
		t.Parallel()
		TestRemote(t, func(*testing.T) tier.Remote {
			f := NewFaulty(plain(), 1)
			return struct {
				tier.Remote
				tier.Batcher
				tier.Pinger
			}{f, f, f}
		})
	})
}
