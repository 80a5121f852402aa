package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// startTimeout bounds every start and wait of the package whose caller set no
// deadline. It is far above what a loaded machine needs.
const startTimeout = 30 * time.Second

// ErrNotInstalled says that there is no server program to start.
var ErrNotInstalled = errors.New("redistest: redis-server not found on PATH; install it with " +
	"'apt-get install redis-server' or 'brew install redis', or run 'make test', which installs it")

// errPortTaken says that somebody else bound the port first.
var errPortTaken = errors.New("redistest: port taken")

// spec is what distinguishes one server of a topology from another.
type spec struct {
	opts     Options
	access   *access
	cluster  bool     // also needs a bus port
	sentinel bool     // watches others, holds no data
	lines    []string // redis.conf lines of the topology
}

// Launch starts one empty server and returns once it answers. ctx bounds the
// start, not the life of the server, which ends with Close.
func Launch(ctx context.Context, o Options) (*Server, error) {
	a, err := prepare(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withStartTimeout(ctx)
	defer cancel()
	return launch(ctx, spec{opts: o, access: a})
}

func prepare(o Options) (*access, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return newAccess(o)
}

// withStartTimeout adds a deadline to a context that has none.
func withStartTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, startTimeout)
}

// launch looks for a port until the server could bind it.
func launch(ctx context.Context, sp spec) (*Server, error) {
	bin, err := findBinary(sp.opts.Binary)
	if err != nil {
		return nil, err
	}
	for {
		s, err := launchOnce(ctx, bin, sp)
		if errors.Is(err, errPortTaken) && ctx.Err() == nil {
			continue
		}
		return s, err
	}
}

// launchAll launches all servers at once, or none.
func launchAll(ctx context.Context, specs []spec) ([]*Server, error) {
	servers := make([]*Server, len(specs))
	var g errgroup.Group
	for i, sp := range specs {
		g.Go(func() (err error) {
			servers[i], err = launch(ctx, sp)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, closeAll(servers))
	}
	return servers, nil
}

func closeAll(servers []*Server) error {
	var errs []error
	for _, s := range servers {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

func findBinary(name string) (string, error) {
	if name == "" {
		name = os.Getenv("REDISTEST_SERVER")
	}
	if name == "" {
		name = "redis-server"
	}
	bin, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNotInstalled, err)
	}
	return filepath.Abs(bin) // the process runs in another directory
}

// launchOnce returns either a running server or an error, and nothing left
// behind.
func launchOnce(ctx context.Context, bin string, sp spec) (_ *Server, err error) {
	port, release, err := reservePort(sp.cluster)
	if err != nil {
		return nil, err
	}
	s := &Server{spec: sp, bin: bin, port: port, release: release}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "redistest-"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.dir, confFile), []byte(sp.file(port)), 0o600); err != nil {
		return nil, err
	}
	if sp.access.certs != nil {
		if err := sp.access.certs.write(s.dir); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.runLocked(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// runLocked starts the process and waits until it answers.
func (s *Server) runLocked(ctx context.Context) error {
	args := []string{confFile}
	if s.spec.sentinel {
		args = append(args, "--sentinel")
	}
	p, err := startProcess(s.bin, args, s.dir, filepath.Join(s.dir, logFile))
	if err != nil {
		return err
	}
	err = poll(ctx, 2*time.Millisecond, func(ctx context.Context) error { return s.answers(ctx, p) })
	if err != nil {
		_ = p.kill()
		log := s.Log()
		if strings.Contains(log, "Address already in use") {
			return errPortTaken
		}
		return fmt.Errorf("redistest: server on port %d did not start: %w\n%s", s.port, err, log)
	}
	s.mu.proc, s.mu.stopped = p, false
	return nil
}

// answers reports whether p itself is ready. A different server on the port
// must not pass for ours, hence the process id.
func (s *Server) answers(ctx context.Context, p *process) error {
	if !p.alive() {
		return permanent{fmt.Errorf("process ended: %w", exitError(p))}
	}
	// Knocking first is cheaper than a client, which would take failed dials
	// for an outage and back off.
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	conn.Close()

	// Whoever took the port may accept and never answer.
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c := s.NewClient()
	defer c.Close()
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if got := field(info, "process_id"); got != strconv.Itoa(p.pid()) {
		return fmt.Errorf("process %s answers instead of %d", got, p.pid())
	}
	return nil
}

func exitError(p *process) error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// field returns the value of "name:value" in the answer to INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
