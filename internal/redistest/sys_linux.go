package redistest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// childAttr makes the kernel kill the child when its parent dies. The child
// gets a process group of its own, so that Ctrl-C in a terminal reaches only
// the parent, which may still need its server to shut down properly.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// pause returns when the process stands still. The signal alone is not enough:
// on another core the process may go on for a moment and answer.
func pause(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return poll(ctx, time.Millisecond, func(context.Context) error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if err != nil {
			return err
		}
		// "pid (name) state ...", and the name may contain anything.
		state := stat[bytes.LastIndexByte(stat, ')')+1:]
		if !bytes.HasPrefix(state, []byte(" T")) {
			return fmt.Errorf("process %d is still running", p.Pid)
		}
		return nil
	})
}

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// hold reserves a loopback port until release is called, and leaves it usable
// for the server. The order of the calls does it: bind without SO_REUSEADDR
// fails when anybody else holds the port; with the option set afterwards, and
// without listen, Linux lets a server that sets the option too (all do) bind
// and listen on the same port. Clients are refused while no server listens.
func hold(port int) (release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return func() { _ = syscall.Close(fd) }, nil
}
