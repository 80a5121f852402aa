package stdlib

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/printer"
	"go/scanner"
	"go/token"
	"html"
	"slices"
)

// anchors says which names of a declaration become link targets.
type anchors struct {
	names   []string // of constants and variables: these
	members string   // of this type: its fields and methods, as type.member
}

// code prints a declaration as highlighted and linked HTML.
func (r *page) code(decl ast.Node, a anchors) {
	r.highlight(r.format(decl), a)
}

func (r *page) highlight(src []byte, a anchors) {
	r.out.WriteString("<pre class=\"code\">")
	(&highlighter{page: r, anchors: a, src: src}).run()
	r.out.WriteString("</pre>\n")
}

func (r *page) exampleCode(e *doc.Example) {
	src := r.format(&printer.CommentedNode{Node: e.Code, Comments: e.Comments})
	if _, ok := e.Code.(*ast.BlockStmt); ok { // print what is between the braces
		src = bytes.TrimSuffix(bytes.TrimPrefix(src, []byte("{")), []byte("}"))
		src = bytes.Trim(bytes.ReplaceAll(src, []byte("\n\t"), []byte("\n")), "\n")
	}
	r.highlight(src, anchors{})
}

func (r *page) format(node any) []byte {
	var b bytes.Buffer
	if err := format.Node(&b, r.fset, node); err != nil && r.err == nil {
		r.err = fmt.Errorf("printing a declaration of %s: %w", r.pkg.Path, err)
	}
	return b.Bytes()
}

// highlighter turns Go source into HTML token by token. It looks at tokens and not at the
// syntax tree, because only the printed text knows the line breaks and the comments.
type highlighter struct {
	*page

	anchors anchors
	src     []byte
	done    int // src up to here is written

	depth  int         // of brackets of any kind
	naming bool        // at the start of a line, where the names of fields and methods are
	prev   token.Token // the token before
	before string      // the identifier before the dot, if prev is one
	last   string      // the latest identifier
}

func (h *highlighter) run() {
	file := token.NewFileSet().AddFile("", -1, len(h.src))
	var s scanner.Scanner
	// Fragments are not whole programs, but they scan: errors would be told to the handler.
	s.Init(file, h.src, nil, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok == token.SEMICOLON && lit == "\n" { // inserted by the scanner, not in the text
			continue
		}
		start := file.Offset(pos)
		gap := h.src[h.done:start]
		h.naming = h.naming || bytes.IndexByte(gap, '\n') >= 0
		h.out.Write(gap)
		end := start + len(lit)
		if lit == "" {
			end = start + len(tok.String())
		}
		h.done = end
		h.token(tok, string(h.src[start:end]))
	}
	h.out.Write(h.src[h.done:])
}

func (h *highlighter) token(tok token.Token, text string) {
	switch {
	case tok == token.COMMENT:
		h.span("com", text)
		return // a comment neither ends a selector nor begins a line
	case tok == token.IDENT:
		h.ident(text)
	case tok == token.STRING || tok == token.CHAR:
		h.span("str", text)
	case tok.IsKeyword():
		h.span("key", text)
	default:
		h.out.WriteString(html.EscapeString(text))
	}
	switch tok {
	case token.LBRACE, token.LPAREN, token.LBRACK:
		h.depth++
	case token.RBRACE, token.RPAREN, token.RBRACK:
		h.depth--
	case token.PERIOD:
		h.before = ""
		if h.prev == token.IDENT {
			h.before = h.last
		}
	case token.IDENT:
		h.last = text
	}
	// In `Name, Addr string` the second name stands for a field like the first.
	h.naming = h.naming && (tok == token.COMMA || tok == token.IDENT && h.next() == ',')
	h.prev = tok
}

// next is the byte after the token.
func (h *highlighter) next() byte {
	if h.done < len(h.src) {
		return h.src[h.done]
	}
	return 0
}

func (h *highlighter) ident(name string) {
	switch {
	case h.anchors.members != "" && h.depth == 1 && h.naming && h.next() != '.':
		h.printf("<span id=\"%s.%s\">%[2]s</span>", h.anchors.members, name)
	case h.prev == token.PERIOD:
		if path := h.imports[h.before]; path != "" && token.IsExported(name) {
			h.link(h.url(path, name), name)
			return
		}
		h.out.WriteString(name)
	case h.isAnchor(name):
		h.printf("<span id=\"%s\">%[1]s</span>", name)
	case h.types[name]:
		h.link(h.url(h.self, name), name)
	case doc.IsPredeclared(name):
		h.link(h.url("builtin", name), name)
	default:
		h.out.WriteString(name)
	}
}

// isAnchor reports whether name gets its link target here: at its first mention, since an
// id must not occur twice.
func (h *highlighter) isAnchor(name string) bool {
	i := slices.Index(h.anchors.names, name)
	if i < 0 || name == "_" {
		return false
	}
	h.anchors.names = slices.Delete(slices.Clone(h.anchors.names), i, i+1)
	return true
}

func (h *highlighter) link(url, text string) {
	h.printf("<a href=\"%s\">%s</a>", html.EscapeString(url), text)
}

func (h *highlighter) span(class, text string) {
	h.printf("<i class=%s>%s</i>", class, html.EscapeString(text))
}
