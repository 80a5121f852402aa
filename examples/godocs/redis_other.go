//go:build !linux

package main

import "syscall"

// childAttributes: what Linux is asked for here does not exist everywhere.
func childAttributes() *syscall.SysProcAttr { return nil }
