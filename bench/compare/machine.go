package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// describeMachine says where numbers come from: without that they mean little.
func describeMachine(s *store, c config) string {
	parts := []string{
		cpuModel(),
		fmt.Sprintf("%d cores", runtime.NumCPU()),
		fmt.Sprintf("%s, %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
	}
	if n := runtime.GOMAXPROCS(0); n != runtime.NumCPU() {
		parts = append(parts, fmt.Sprintf("GOMAXPROCS %d", n))
	}
	if s != nil {
		parts = append(parts, s.version)
	}
	parts = append(parts, fmt.Sprintf("%d rounds, seed %d", c.rounds, c.seed))
	return strings.Join(parts, "; ")
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, model, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return "unknown CPU"
}
