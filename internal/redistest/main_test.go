package redistest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/internal/redistest"
)

// orphanEnv makes the test binary start a server and die without cleaning up.
const orphanEnv = "REDISTEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphanEnv) != "" {
		orphan()
	}
	goleak.VerifyTestMain(m)
}

func orphan() {
	srv, err := redistest.Launch(context.Background(), redistest.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(srv.Addr())
	os.Exit(0)
}

// eventually fails the test when cond does not come true in time. It does not
// use require.Eventually, which may leave the last run of cond behind.
func eventually(t *testing.T, within time.Duration, cond func(context.Context) bool, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

func addrs(servers []*redistest.Server) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.Addr()
	}
	return all
}

// fakeTB records what the package tells a test.
type fakeTB struct {
	mu struct {
		sync.Mutex
		errors, fatals []string
		cleanups       []func()
	}
}

var errFatal = errors.New("Fatalf was called")

func (f *fakeTB) Helper()             {}
func (f *fakeTB) Logf(string, ...any) {}
func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.errors = append(f.mu.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.mu.Lock()
	f.mu.fatals = append(f.mu.fatals, fmt.Sprintf(format, args...))
	f.mu.Unlock()
	panic(errFatal) // like testing.T, does not return
}

func (f *fakeTB) Cleanup(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.cleanups = append(f.mu.cleanups, fn)
}

// finish runs the cleanups, last first.
func (f *fakeTB) finish() {
	for _, cleanup := range slices.Backward(f.mu.cleanups) {
		cleanup()
	}
}

// fatal returns what f told Fatalf while run ran.
func fatal(t *testing.T, run func(redistest.TB)) string {
	t.Helper()
	tb := &fakeTB{}
	require.PanicsWithError(t, errFatal.Error(), func() { run(tb) })
	tb.finish()
	require.Len(t, tb.mu.fatals, 1)
	return tb.mu.fatals[0]
}
