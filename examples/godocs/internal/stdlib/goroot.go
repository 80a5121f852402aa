package stdlib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// FindGOROOT asks the go command where its source tree is. runtime.GOROOT would answer with
// what was true on the machine that built the program.
func FindGOROOT(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("asking `go env GOROOT` for the source of the standard library: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", errors.New("`go env GOROOT` printed nothing; name the directory with -goroot")
	}
	return dir, nil
}

// check says whether dir holds the source of the standard library. Some distributions ship
// the compiler without it.
func check(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "src", "fmt", "print.go")); err != nil {
		return fmt.Errorf("GOROOT %q does not hold the source of the standard library: %w", dir, err)
	}
	return nil
}

// versionOf reads which release dir holds.
func versionOf(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	line, _, _ := strings.Cut(string(text), "\n")
	if err != nil || line == "" {
		return "devel" // a working copy of the repository has no such file
	}
	return strings.TrimSpace(line)
}
