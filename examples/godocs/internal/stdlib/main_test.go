package stdlib

import (
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var opened = sync.OnceValues(func() (*Library, error) {
	goroot, err := FindGOROOT(background)
	if err != nil {
		return nil, err
	}
	return Open(background, goroot)
})

// library is the real one, read once for all tests.
func library(t *testing.T) *Library {
	t.Helper()
	l, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	return l
}
