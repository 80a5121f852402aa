package stdlib

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// parsed is a package as go/doc sees it.
type parsed struct {
	fset    *token.FileSet
	doc     *doc.Package
	imports map[string]string // the name its files use → path
	texts   []text            // the files themselves
	source  map[*ast.FuncDecl][]byte
}

type text struct {
	name string
	src  []byte
}

// parse reads the files of p. It does so afresh on every call, because go/doc edits the
// syntax trees it is given.
func parse(p *Package, withExamples bool) (*parsed, error) {
	r := &parsed{fset: token.NewFileSet(), imports: map[string]string{}, source: map[*ast.FuncDecl][]byte{}}
	names := p.files
	if withExamples {
		names = append(slices.Clip(names), p.testFiles...)
	}
	files := make([]*ast.File, len(names))
	for i, name := range names {
		src, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return nil, err
		}
		files[i], err = parser.ParseFile(r.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, spec := range files[i].Imports {
			r.addImport(spec)
		}
		r.addSource(files[i], src)
		r.texts = append(r.texts, text{name, src})
	}
	mode := doc.Mode(0)
	if p.Path == "builtin" { // all its names are lower-case, and documented all the same
		mode = doc.AllDecls
	}
	var err error
	if r.doc, err = doc.NewFromFiles(r.fset, files, p.Path, mode); err != nil {
		return nil, err
	}
	if p.Kind == Command { // a program has a manual, not an API
		r.doc.Consts, r.doc.Vars, r.doc.Funcs, r.doc.Types = nil, nil, nil, nil
	}
	return r, nil
}

// addSource keeps the text of the functions: go/doc is about to throw their bodies away.
func (r *parsed) addSource(f *ast.File, src []byte) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			r.source[fn] = src[r.fset.Position(fn.Pos()).Offset:r.fset.Position(fn.End()).Offset]
		}
	}
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

func (r *parsed) addImport(spec *ast.ImportSpec) {
	importPath, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return
	}
	name := path.Base(importPath)
	if majorVersion.MatchString(name) { // math/rand/v2 is called rand
		name = path.Base(path.Dir(importPath))
	}
	if spec.Name != nil {
		name = spec.Name.Name
	}
	r.imports[name] = importPath
}
