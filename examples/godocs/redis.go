package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// redisServer is a redis-server of our own: empty, in memory only, gone when we are.
type redisServer struct {
	path   string
	addr   string
	cmd    *exec.Cmd
	dir    string
	output bytes.Buffer  // to be read when it has exited
	exited chan struct{} // closed once err is set
	err    error
	once   sync.Once
}

const startTimeout = 10 * time.Second

// startRedis starts the redis-server on the PATH on a free port.
func startRedis(ctx context.Context) (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("looking for redis-server: %w", err)
	}
	// Between finding a free port and Redis taking it, somebody else may: then try again.
	for range 3 {
		var s *redisServer
		if s, err = startRedisOnce(ctx, path); err == nil || ctx.Err() != nil {
			return s, err
		}
	}
	return nil, err
}

func startRedisOnce(ctx context.Context, path string) (*redisServer, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "godocs-redis-")
	if err != nil {
		return nil, err
	}
	s := &redisServer{path: path, addr: net.JoinHostPort("127.0.0.1", port), dir: dir, exited: make(chan struct{})}
	// Not CommandContext: it would kill Redis at Ctrl-C, while the engine still talks to it.
	s.cmd = exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", //nolint:noctx // see above
		"--dir", dir, "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru")
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.SysProcAttr = childAttributes()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", path, err), os.RemoveAll(dir))
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.awaitPong(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// awaitPong returns when the server answers.
func (s *redisServer) awaitPong(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ping(ctx, s.addr)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended at once (%w):\n%s", s.path, s.err, strings.TrimSpace(s.output.String()))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer on %s: %w", s.path, s.addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ping(ctx context.Context, addr string) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	err = conn.SetDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = conn.Write([]byte("PING\r\n"))
	}
	line := ""
	if err == nil {
		line, err = bufio.NewReader(conn).ReadString('\n')
	}
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("answered %q to PING", line)
	}
	return errors.Join(err, conn.Close())
}

// stop ends the server and waits until it is gone. A second call does nothing.
func (s *redisServer) stop() error {
	var err error
	s.once.Do(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-s.exited:
		case <-time.After(2 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
		err = os.RemoveAll(s.dir)
	})
	return err
}
