package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	confFile = "redis.conf"
	logFile  = "redis.log"
	dumpFile = "dump.rdb"
)

// Server is one redis-server process and its port. The port and the directory
// stay when the process is killed, until Close. Methods are safe for
// concurrent use.
type Server struct {
	// Set by launch and read-only afterwards.
	spec    spec
	bin     string
	dir     string
	port    int
	release func()
	fail    func(error) // reports to the test; nil without one

	// mu is held while the process starts or ends: a Kill that overlapped
	// a Restart would leave either a process nobody owns or none at all.
	mu struct {
		sync.Mutex
		proc    *process // nil before the first start
		stopped bool
		closed  bool
	}
}

// Addr returns host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the port.
func (s *Server) Port() int { return s.port }

// URL returns the address as redis://user:password@host:port/0, or rediss://
// with TLS. The user is the first of Options.Users.
func (s *Server) URL() string { return s.spec.access.url("", s.Addr(), "/0") }

// url builds redis://, with "+kind" appended to the scheme.
func (a *access) url(kind, hosts, path string) string {
	scheme := "redis"
	if a.certs != nil {
		scheme = "rediss"
	}
	user := ""
	if len(a.users) > 1 {
		user = url.UserPassword(a.users[1].Name, a.users[1].Password).String() + "@"
	}
	return scheme + kind + "://" + user + hosts + path
}

// TLSConfig returns a client's configuration that trusts the server's CA and
// nothing else, or nil when the server speaks plain TCP.
func (s *Server) TLSConfig() *tls.Config {
	if s.spec.access.certs == nil {
		return nil
	}
	return s.spec.access.certs.clientConfig()
}

// CAFile returns the path of the CA certificate in PEM, or "" without TLS.
func (s *Server) CAFile() string {
	if s.spec.access.certs == nil {
		return ""
	}
	return filepath.Join(s.dir, caFile)
}

// Log returns what the server has printed since it was launched.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, logFile))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// NewClient returns a plain client that may do everything. The caller closes
// it.
func (s *Server) NewClient() *redis.Client { return redis.NewClient(s.clientOptions()) }

func (s *Server) clientOptions() *redis.Options {
	admin := s.spec.access.admin()
	return &redis.Options{
		Addr:      s.Addr(),
		Username:  admin.Name,
		Password:  admin.Password,
		TLSConfig: s.TLSConfig(),
		// A dead server is to be seen at once, and a restarted one at once
		// too: one dial per call, one retry for a connection that broke in
		// the pool. After PoolSize failed dials the pool would answer from
		// memory for a second.
		DialerRetries:   1,
		MaxRetries:      1,
		MinRetryBackoff: -1,
		PoolSize:        1000,
		// A stopped server is to cost what the context allows, no more.
		ContextTimeoutEnabled: true,
		// Both would only add commands to what a test may want to count.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// PID returns the process id, or 0 while no process runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.proc == nil || !s.mu.proc.alive() {
		return 0
	}
	return s.mu.proc.pid()
}

// responsive reports whether the process runs and is not stopped.
func (s *Server) responsive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.proc != nil && s.mu.proc.alive() && !s.mu.stopped
}

// Kill ends the process with SIGKILL and waits for it. Connections break and
// new ones are refused. Killing a dead server is fine.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report("kill", s.killLocked())
}

func (s *Server) killLocked() error {
	if s.mu.proc == nil {
		return nil
	}
	return s.mu.proc.kill()
}

// Stop suspends the process with SIGSTOP. The kernel goes on accepting
// connections and bytes for it, but nothing answers: a hung server.
func (s *Server) Stop() error { return s.suspend("stop", true) }

// Continue resumes a stopped process with SIGCONT.
func (s *Server) Continue() error { return s.suspend("continue", false) }

func (s *Server) suspend(verb string, stop bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.proc == nil || !s.mu.proc.alive() {
		return s.report(verb, errors.New("no process runs"))
	}
	signal := resume
	if stop {
		signal = pause
	}
	err := signal(s.mu.proc.cmd.Process)
	if err == nil {
		s.mu.stopped = stop
	}
	return s.report(verb, err)
}

// Restart starts the server again on the same port, without its data and with
// the same configuration; a running process is killed first. It returns once
// the server answers. A node keeps its place in its cluster or under its
// sentinels, and what those do next is theirs to decide.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return s.report("restart", errors.New("server is closed"))
	}
	if err := s.killLocked(); err != nil {
		return s.report("restart", err)
	}
	// A replica leaves behind the dump that its master sent.
	if err := os.Remove(filepath.Join(s.dir, dumpFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return s.report("restart", err)
	}
	ctx, cancel := withStartTimeout(context.Background())
	defer cancel()
	return s.report("restart", s.runLocked(ctx))
}

// Close ends the process, removes its directory and gives the port back.
// Closing twice is fine.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	s.mu.closed = true
	err := s.killLocked()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	s.release()
	return err
}

func (s *Server) report(verb string, err error) error {
	return report(s.fail, verb+" "+s.Addr(), err)
}

// report says what failed and tells the test, if there is one.
func report(fail func(error), what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("redistest: %s: %w", what, err)
	if fail != nil {
		fail(err)
	}
	return err
}
