package main

import "syscall"

// childAttributes keeps Ctrl-C from reaching Redis, which would then be gone before the
// engine is closed, and lets the kernel end it should we be killed or crash.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
