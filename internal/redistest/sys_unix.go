//go:build unix && !linux

package redistest

import (
	"os"
	"syscall"
)

// childAttr leaves the child in the parent's process group: without the
// kill-with-parent of Linux, Ctrl-C in the terminal has to reach it as well.
func childAttr() *syscall.SysProcAttr { return nil }

func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
