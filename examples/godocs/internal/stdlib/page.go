package stdlib

import (
	"bytes"
	"context"
	"fmt"
	"go/doc"
	"go/doc/comment"
	"html"
	"strconv"
	"strings"
)

// Page renders the documentation of a package: an HTML fragment that starts with its h1. It
// returns an error that wraps ErrUnknown for a path that is not on the list.
func (l *Library) Page(ctx context.Context, importPath string) ([]byte, error) {
	return l.render(ctx, importPath, true, (*page).documentation)
}

// Source renders all files of a package, the way Page renders its documentation.
func (l *Library) Source(ctx context.Context, importPath string) ([]byte, error) {
	return l.render(ctx, importPath, false, (*page).listing)
}

func (l *Library) render(ctx context.Context, importPath string, examples bool, content func(*page)) ([]byte, error) {
	p, err := l.Lookup(importPath)
	if err != nil {
		return nil, err
	}
	parsed, err := parse(p, examples)
	if err != nil {
		return nil, fmt.Errorf("reading package %s: %w", importPath, err)
	}
	if err := ctx.Err(); err != nil { // rendering is the longer half: do not start it for nobody
		return nil, err
	}
	r := newPage(l, p, parsed)
	content(r)
	return r.out.Bytes(), r.err
}

// page is one rendering. Its methods append to out; the first failure stays in err, which
// keeps the code as straight as the page.
type page struct {
	*parsed

	library *Library
	pkg     *Package
	out     bytes.Buffer
	types   map[string]bool // what code may link to
	self    string          // where those types are documented: "" for on this page
	parser  *comment.Parser
	printer *comment.Printer
	err     error
}

func newPage(l *Library, p *Package, parsed *parsed) *page {
	r := &page{library: l, parsed: parsed, pkg: p, types: map[string]bool{}}
	for _, t := range parsed.doc.Types {
		r.types[t.Name] = true
	}
	r.parser = parsed.doc.Parser()
	r.printer = parsed.doc.Printer()
	r.printer.HeadingLevel = 3
	r.printer.DocLinkURL = func(link *comment.DocLink) string {
		name := link.Name
		if link.Recv != "" {
			name = link.Recv + "." + name
		}
		return r.url(link.ImportPath, name)
	}
	ids := map[string]int{}
	r.printer.HeadingID = func(h *comment.Heading) string {
		id := h.DefaultID()
		if ids[id]++; ids[id] > 1 { // two sections of the same name
			id += "-" + strconv.Itoa(ids[id])
		}
		return id
	}
	return r
}

// url is PageURL, and for what is not served here the address of the public site.
func (r *page) url(importPath, name string) string {
	if importPath == "" || r.library.byPath[importPath] != nil {
		return PageURL(importPath, name)
	}
	return "https://pkg.go.dev/" + strings.TrimPrefix(PageURL(importPath, name), "/pkg/")
}

// PageURL is where a name of a package is documented. An empty path means the page itself.
func PageURL(importPath, name string) string {
	url := ""
	if importPath != "" {
		url = "/pkg/" + importPath
	}
	if name != "" {
		url += "#" + name
	}
	return url
}

func (r *page) title(suffix string) {
	kind, name := "package", r.doc.Name
	if r.pkg.Kind == Command {
		kind, name = "command", strings.TrimPrefix(r.pkg.Path, "cmd/")
	}
	r.printf("<h1>%s <b>%s</b>%s</h1>\n", kind, html.EscapeString(name), suffix)
}

func (r *page) documentation() {
	r.title("")
	path := html.EscapeString(r.pkg.Path)
	r.printf("<p class=\"import\">")
	if r.pkg.Kind != Command {
		r.printf("<code>import \"%s\"</code> ", path)
	}
	r.printf("<a href=\"/src/%s\">source</a></p>\n", path)
	r.contents()
	r.text(r.doc.Doc)
	r.examples(r.doc.Examples)
	r.values("Constants", "pkg-constants", r.doc.Consts)
	r.values("Variables", "pkg-variables", r.doc.Vars)
	if len(r.doc.Funcs) > 0 {
		r.printf("<h2 id=\"pkg-functions\">Functions</h2>\n")
		r.funcs(r.doc.Funcs)
	}
	if len(r.doc.Types) > 0 {
		r.printf("<h2 id=\"pkg-types\">Types</h2>\n")
	}
	for _, t := range r.doc.Types {
		r.typ(t)
	}
}

func (r *page) typ(t *doc.Type) {
	r.heading("type", t.Name, t.Name, t.Doc)
	r.code(t.Decl, anchors{members: t.Name})
	r.text(t.Doc)
	r.examples(t.Examples)
	r.values("", "", t.Consts)
	r.values("", "", t.Vars)
	r.funcs(t.Funcs)
	r.funcs(t.Methods)
}

func (r *page) funcs(list []*doc.Func) {
	for _, f := range list {
		id, title := f.Name, f.Name
		if f.Recv != "" {
			id = receiver(f) + "." + f.Name
			title = "(" + f.Recv + ") " + f.Name
		}
		r.heading("func", id, title, f.Doc)
		r.code(f.Decl, anchors{})
		r.text(f.Doc)
		r.examples(f.Examples)
		if source := r.source[f.Decl]; source != nil {
			r.printf("<details><summary>Source</summary>\n")
			r.highlight(source, anchors{})
			r.printf("</details>\n")
		}
	}
}

// receiver is the bare type of a method: Client of *Client, Set of Set[T].
func receiver(f *doc.Func) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(f.Recv, "*"), "[")
	return name
}

func (r *page) values(title, id string, list []*doc.Value) {
	if len(list) == 0 {
		return
	}
	if title != "" {
		r.printf("<h2 id=\"%s\">%s</h2>\n", id, title)
	}
	for _, v := range list {
		r.code(v.Decl, anchors{names: v.Names})
		r.text(v.Doc)
	}
}

func (r *page) heading(kind, id, title, text string) {
	r.printf("<h3 id=\"%s\">%s <a href=\"#%s\">%s</a>", html.EscapeString(id), kind,
		html.EscapeString(id), html.EscapeString(title))
	if strings.HasPrefix(text, "Deprecated: ") || strings.Contains(text, "\nDeprecated: ") {
		r.printf(" <em>deprecated</em>")
	}
	r.printf("</h3>\n")
}

// text renders a comment.
func (r *page) text(text string) {
	if text != "" {
		r.out.Write(r.printer.HTML(r.parser.Parse(text)))
	}
}

// contents lists the functions and types, each with its signature.
func (r *page) contents() {
	d := r.doc
	if len(d.Consts)+len(d.Vars)+len(d.Funcs)+len(d.Types) == 0 {
		return
	}
	r.printf("<details class=\"contents\"%s><summary>Contents</summary>\n<ul>\n", openIfShort(d))
	if len(d.Consts) > 0 {
		r.printf("<li><a href=\"#pkg-constants\">Constants</a>\n")
	}
	if len(d.Vars) > 0 {
		r.printf("<li><a href=\"#pkg-variables\">Variables</a>\n")
	}
	r.signatures(d.Funcs)
	for _, t := range d.Types {
		r.printf("<li><a href=\"#%[1]s\">type %[1]s</a>\n", html.EscapeString(t.Name))
		if len(t.Funcs)+len(t.Methods) > 0 {
			r.printf("<ul>\n")
			r.signatures(t.Funcs)
			r.signatures(t.Methods)
			r.printf("</ul>\n")
		}
	}
	r.printf("</ul></details>\n")
}

func openIfShort(d *doc.Package) string {
	if len(d.Funcs)+len(d.Types) <= 40 {
		return " open"
	}
	return ""
}

func (r *page) signatures(list []*doc.Func) {
	for _, f := range list {
		id := f.Name
		if f.Recv != "" {
			id = receiver(f) + "." + f.Name
		}
		line := strings.Join(strings.Fields(string(r.format(f.Decl))), " ")
		r.printf("<li><a href=\"#%s\">%s</a>\n", html.EscapeString(id), html.EscapeString(line))
	}
}

// examples renders each example folded, the way a reader finds it on the web.
func (r *page) examples(list []*doc.Example) {
	for _, e := range list {
		title := "Example"
		if e.Suffix != "" {
			title += " (" + strings.ReplaceAll(e.Suffix, "_", " ") + ")"
		}
		r.printf("<details class=\"example\"><summary>%s</summary>\n", html.EscapeString(title))
		r.text(e.Doc)
		r.exampleCode(e)
		if e.Output != "" {
			r.printf("<p>Output:</p>\n<pre class=\"output\">%s</pre>\n", html.EscapeString(e.Output))
		}
		r.printf("</details>\n")
	}
}

func (r *page) printf(format string, args ...any) { fmt.Fprintf(&r.out, format, args...) }
