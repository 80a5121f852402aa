package stdlib

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

var background = context.Background()

func TestOpenListsWhatPeopleImport(t *testing.T) {
	l := library(t)
	for path, kind := range map[string]Kind{
		"fmt": Public, "net/http": Public, "unsafe": Public, "builtin": Public, "math/rand/v2": Public,
		"internal/abi": Internal, "net/http/internal": Internal, "cmd/go": Command,
	} {
		if p, err := l.Lookup(path); err != nil || p.Kind != kind {
			t.Errorf("%s: got %+v, %v", path, p, err)
		}
	}
	for _, p := range l.Packages() {
		for part := range strings.SplitSeq(p.Path, "/") {
			if part == "vendor" || part == "testdata" {
				t.Errorf("%s is listed", p.Path)
			}
		}
		if p.Name == "" {
			t.Errorf("%s has no name", p.Path)
		}
	}
	if !slices.IsSortedFunc(l.Packages(), func(a, b *Package) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("the list is not sorted")
	}
}

func TestPopularPackagesAreThoseThatOthersImport(t *testing.T) {
	list := library(t).Popular()
	rank := func(path string) int {
		return slices.IndexFunc(list, func(p *Package) bool { return p.Path == path })
	}
	if rank("errors") > 20 || rank("index/suffixarray") < 100 {
		t.Errorf("errors is number %d, index/suffixarray %d", rank("errors"), rank("index/suffixarray"))
	}
}

func TestUnknownPackagesAndTraversal(t *testing.T) {
	l := library(t)
	for _, path := range []string{
		"", "/", ".", "..", "nosuch", "net/https", "FMT", "fmt/", "/fmt", "./fmt", "fmt/../os", "../../etc/passwd", "../src/fmt",
		"cmd/../fmt", "testdata", "vendor/golang.org/x/net/idna", "cmd/internal/obj", "cmd/compile/internal/ssa", `..\..\windows`, "fmt\x00",
	} {
		if _, err := l.Page(background, path); !errors.Is(err, ErrUnknown) {
			t.Errorf("Page(%q): %v", path, err)
		}
		if _, err := l.Source(background, path); !errors.Is(err, ErrUnknown) {
			t.Errorf("Source(%q): %v", path, err)
		}
	}
}

func TestOpenNeedsTheSource(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(background, dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error does not name the directory: %v", err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	goroot, err := FindGOROOT(background)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := Open(ctx, goroot); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
