package main

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var opened = sync.OnceValues(func() (*stdlib.Library, error) {
	goroot, err := stdlib.FindGOROOT(background)
	if err != nil {
		return nil, err
	}
	return stdlib.Open(background, goroot)
})

// openOnce stands in for stdlib.Open where reading the library is not what is tested.
func openOnce(context.Context, string) (*stdlib.Library, error) { return opened() }
