package redistest

import (
	"context"
	"io"
	"slices"

	"github.com/redis/go-redis/v9"
)

// TB is the part of testing.TB that the package needs. It stands in for the
// original so that programs which import the package do not link "testing".
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Start runs one empty server until the test ends.
func Start(tb TB, opts ...Option) *Server {
	tb.Helper()
	s, err := Launch(context.Background(), collect(opts))
	if err != nil {
		tb.Fatalf("start redis-server: %v", err)
		return nil
	}
	s.fail = failer(tb)
	closeAfter(tb, s)
	return s
}

// StartCluster runs a cluster of three masters with one replica each until the
// test ends. The options hold for every node.
func StartCluster(tb TB, opts ...Option) *Cluster {
	tb.Helper()
	c, err := LaunchCluster(context.Background(), collect(opts))
	if err != nil {
		tb.Fatalf("start Redis Cluster: %v", err)
		return nil
	}
	c.fail = failer(tb)
	for _, s := range c.nodes {
		s.fail = c.fail
	}
	closeAfter(tb, c)
	return c
}

// StartSentinel runs a master, two replicas and three sentinels until the test
// ends. ACL and settings hold for the data servers, TLS for all.
func StartSentinel(tb TB, opts ...Option) *Sentinel {
	tb.Helper()
	s, err := LaunchSentinel(context.Background(), collect(opts))
	if err != nil {
		tb.Fatalf("start Redis Sentinel: %v", err)
		return nil
	}
	s.fail = failer(tb)
	for _, node := range slices.Concat(s.nodes, s.sentinels) {
		node.fail = s.fail
	}
	closeAfter(tb, s)
	return s
}

// Client returns a plain client for looking into the server from a test. It
// may do everything, whatever the ACL says, and is closed when the test ends.
func (s *Server) Client(tb TB) *redis.Client {
	tb.Helper()
	c := s.NewClient()
	closeAfter(tb, c)
	return c
}

// Client returns a cluster client for looking into the cluster from a test,
// with every right, closed when the test ends.
func (c *Cluster) Client(tb TB) *redis.ClusterClient {
	tb.Helper()
	client := c.NewClient()
	closeAfter(tb, client)
	return client
}

// Client returns a client that follows the master, for looking into it from a
// test, with every right, closed when the test ends.
func (s *Sentinel) Client(tb TB) *redis.Client {
	tb.Helper()
	client := s.NewClient()
	closeAfter(tb, client)
	return client
}

// failer turns the errors of later calls into failures of tb. It uses Errorf
// because such calls may come from goroutines, where Fatalf is forbidden.
func failer(tb TB) func(error) {
	return func(err error) {
		tb.Helper()
		tb.Errorf("%v", err)
	}
}

func closeAfter(tb TB, c io.Closer) {
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
}
