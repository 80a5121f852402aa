package l2

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/tier"
)

// patience bounds waits for something that must happen. It is only spent by failures.
const patience = 20 * time.Second

// TestMain fails if anything that a test started outlives it. The client library's own
// goroutines end within a second or two of Close: the one that retries a dead address
// sleeps a second between dials. goleak by itself waits for less than half a second.
func TestMain(m *testing.M) {
	redis.SetLogger(quiet{}) // it logs every dial that fails, which here are most
	code := m.Run()
	if err := leaks(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func leaks(opts ...goleak.Option) error {
	end := time.Now().Add(8 * time.Second)
	for {
		err := goleak.Find(opts...)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// noLeaks fails t if goroutines are left when everything registered after it is closed.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { require.NoError(t, leaks(before)) })
}

// open opens url for the test. Unlike in production, where a slow call is a failed call,
// CallTimeout is long unless the test sets it: two busy cores stall for 100 ms at times.
func open(t testing.TB, url string, cfg Config) *Remote {
	t.Helper()
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 5 * time.Second
		cfg.DialTimeout = 5 * time.Second
	}
	r, err := Open(t.Context(), url, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// start runs a server and opens it.
func start(t testing.TB, cfg Config, opts ...redistest.Option) (*redistest.Server, *Remote) {
	t.Helper()
	srv := redistest.Start(t, opts...)
	cfg.TLS = srv.TLSConfig()
	return srv, open(t, srv.URL(), cfg)
}

func key(id string) tier.Key { return tier.NewKey("space", id) }

func keysOf(n int) []tier.Key {
	keys := make([]tier.Key, n)
	for i := range keys {
		keys[i] = key(fmt.Sprint("key-", i))
	}
	return keys
}

// eventually waits until f succeeds.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	require.Eventually(t, func() bool { err = f(); return err == nil }, patience, 10*time.Millisecond,
		"last error: %v", lazy(func() any { return err }))
}

// lazy prints what f returns when it is printed.
type lazy func() any

func (l lazy) String() string { return fmt.Sprint(l()) }

// took runs f and returns how long it ran.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// pattern returns n bytes that are not all the same.
func pattern(n int) []byte {
	return []byte(strings.Repeat("0123456789abcde\n", n/16+1)[:n])
}
