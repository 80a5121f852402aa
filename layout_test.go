package tiercache

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/tiercache/tiercache"

// allowed lists, for each package of this module, the others it may import: data flows one
// way, and the tiers are injected. Whoever adds a package adds its line.
var allowed = map[string][]string{
	"":                   {"tier"},
	"tier":               {},
	"tier/tiertest":      {"tier"},
	"l1":                 {"tier"},
	"l2":                 {"tier"},
	"codec/msgpack":      {},
	"codec/protobuf":     {},
	"env":                {"", "l1", "l2", "tier", "codec/msgpack"},
	"internal/redistest": {},
}

type listed struct {
	ImportPath string   `json:"ImportPath"`
	Imports    []string `json:"Imports"`
	Deps       []string `json:"Deps"`
	Standard   bool     `json:"Standard"`
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Deps,Standard"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var pkgs []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else {
			require.NoError(t, err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestLayout(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		may, known := allowed[name]
		if !known {
			t.Errorf("package %q is not in the table of allowed imports", name)
			continue
		}
		for _, imp := range p.Imports {
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			other := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if !slices.Contains(may, other) {
				t.Errorf("package %q imports %q, which is not its way", name, other)
			}
		}
		if name != "tier/tiertest" && slices.Contains(p.Deps, "testing") {
			t.Errorf("package %q links testing into programs", name)
		}
	}
}

// The contract can be used without anything but the standard library.
func TestTierImportsTheStandardLibraryOnly(t *testing.T) {
	std := make(map[string]bool)
	for _, p := range list(t, "-deps", "./tier") {
		std[p.ImportPath] = p.Standard
	}
	for path, standard := range std {
		if !standard && path != module+"/tier" {
			t.Errorf("tier depends on %s", path)
		}
	}
}
