package stdlib

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// ErrUnknown says that the library has no package of that path.
var ErrUnknown = errors.New("no such package")

// Kind tells apart what the source tree holds.
type Kind string

// Packages under vendor and testdata, and what the commands are made of, are not listed: they
// are not part of the standard library.
const (
	Public   Kind = "package"
	Internal Kind = "internal" // importable by the standard library only
	Command  Kind = "command"
)

// Package is one entry of the list.
type Package struct {
	Path      string
	Name      string
	Kind      Kind
	Synopsis  string
	Importers int // how many listed packages import it: how popular it is, measured on the spot

	dir       string
	files     []string // those that match this operating system and architecture
	testFiles []string // where the examples are
	imports   []string
}

// Library is the list of packages and the index of their symbols. It does not change after
// Open, so any number of goroutines may use it.
type Library struct {
	version  string
	packages []*Package
	byPath   map[string]*Package
	symbols  []symbol
}

// Open lists and indexes the packages of goroot, on all cores.
func Open(ctx context.Context, goroot string) (*Library, error) {
	if err := check(goroot); err != nil {
		return nil, err
	}
	src := filepath.Join(goroot, "src")
	dirs, err := packageDirs(src)
	if err != nil {
		return nil, fmt.Errorf("listing the packages of %s: %w", src, err)
	}
	found := make([]*Package, len(dirs)) // each goroutine writes its own element
	indexed := make([][]symbol, len(dirs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, importPath := range dirs {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, symbols, err := load(src, importPath)
			if err != nil {
				return fmt.Errorf("reading package %s: %w", importPath, err)
			}
			found[i], indexed[i] = p, symbols
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	l := newLibrary(found, indexed)
	l.version = versionOf(goroot)
	return l, nil
}

func newLibrary(found []*Package, indexed [][]symbol) *Library {
	l := &Library{byPath: map[string]*Package{}}
	for i, p := range found {
		if p == nil { // nothing in it for this operating system
			continue
		}
		l.packages = append(l.packages, p)
		l.byPath[p.Path] = p
		l.symbols = append(l.symbols, indexed[i]...)
	}
	for _, p := range l.packages {
		for _, imported := range p.imports {
			if q := l.byPath[imported]; q != nil {
				q.Importers++
			}
		}
	}
	return l
}

// Version is the release of Go, like go1.26.0.
func (l *Library) Version() string { return l.version }

// Packages lists all packages by path. The caller must not change the elements.
func (l *Library) Packages() []*Package { return slices.Clone(l.packages) }

// Popular lists all packages, those that most others import first.
func (l *Library) Popular() []*Package {
	list := slices.Clone(l.packages)
	slices.SortStableFunc(list, func(a, b *Package) int { return cmp.Compare(b.Importers, a.Importers) })
	return list
}

// Symbols says how many symbols a search scans.
func (l *Library) Symbols() int { return len(l.symbols) }

// Lookup returns the package of that path. It is the only way from a request to the file
// system: a path that was not found at the start cannot be opened, whatever it looks like.
func (l *Library) Lookup(importPath string) (*Package, error) {
	if p := l.byPath[importPath]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, importPath)
}

// packageDirs lists the import paths below src that may be packages.
func packageDirs(src string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(src, func(dir string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() || dir == src {
			return nil
		}
		rel, err := filepath.Rel(src, dir)
		if err != nil {
			return err
		}
		importPath := filepath.ToSlash(rel)
		if skipped(importPath) {
			return filepath.SkipDir
		}
		list = append(list, importPath)
		return nil
	})
	slices.Sort(list)
	return list, err
}

func skipped(importPath string) bool {
	switch base := path.Base(importPath); {
	case base == "vendor", base == "testdata", strings.HasPrefix(base, "."), strings.HasPrefix(base, "_"):
		return true
	case importPath == "cmd/internal":
		return true
	default: // of a command only its front page, cmd/name
		return strings.HasPrefix(importPath, "cmd/") && strings.Count(importPath, "/") > 1
	}
}

func kindOf(importPath string) Kind {
	switch {
	case strings.HasPrefix(importPath, "cmd/"):
		return Command
	case slices.Contains(strings.Split(importPath, "/"), "internal"):
		return Internal
	default:
		return Public
	}
}

// load reads one directory; it returns nil if there is no package for this system in it.
func load(src, importPath string) (*Package, []symbol, error) {
	p := &Package{Path: importPath, Kind: kindOf(importPath), dir: filepath.Join(src, filepath.FromSlash(importPath))}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, nil, err
	}
	target := build.Default
	target.CgoEnabled = true // we do not compile, and documentation should not depend on a C compiler
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || e.IsDir() {
			continue
		}
		if ok, err := target.MatchFile(p.dir, name); err != nil || !ok {
			continue // for another system; a broken file shows when the others are parsed
		}
		if strings.HasSuffix(name, "_test.go") {
			if strings.Contains(name, "example") {
				p.testFiles = append(p.testFiles, name)
			}
			continue
		}
		p.files = append(p.files, name)
	}
	if len(p.files) == 0 {
		return nil, nil, nil
	}
	parsed, err := parse(p, false)
	if err != nil {
		return nil, nil, err
	}
	p.Name = parsed.doc.Name
	p.Synopsis = parsed.doc.Synopsis(parsed.doc.Doc)
	p.imports = parsed.doc.Imports
	return p, symbolsOf(p, parsed.doc), nil
}
