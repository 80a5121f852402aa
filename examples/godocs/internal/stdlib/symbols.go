package stdlib

import (
	"go/ast"
	"go/doc"
	"strings"
)

// symbol is a searchable name with its comment.
type symbol struct {
	pkg      *Package
	name     string // as it is linked to: Client, Client.Do
	kind     string
	synopsis string
	lower    string // "http.client.do": what a query is compared with
	text     string // the whole comment in lower case
}

// symbolsOf lists the package itself and every exported name in it.
func symbolsOf(p *Package, d *doc.Package) []symbol {
	var list []symbol
	add := func(kind, name, text string) {
		list = append(list, symbol{
			pkg: p, name: name, kind: kind, synopsis: d.Synopsis(text),
			lower: strings.ToLower(p.Name + "." + name), text: strings.ToLower(text),
		})
	}
	values := func(kind string, values []*doc.Value) {
		for _, v := range values {
			for _, name := range v.Names {
				if name != "_" {
					add(kind, name, v.Doc)
				}
			}
		}
	}
	list = append(list, symbol{
		pkg: p, kind: string(p.Kind), synopsis: d.Synopsis(d.Doc),
		lower: strings.ToLower(p.Path), text: strings.ToLower(d.Doc),
	})
	values("const", d.Consts)
	values("var", d.Vars)
	for _, f := range d.Funcs {
		add("func", f.Name, f.Doc)
	}
	for _, t := range d.Types {
		add("type", t.Name, t.Doc)
		values("const", t.Consts)
		values("var", t.Vars)
		for _, f := range t.Funcs {
			add("func", f.Name, f.Doc)
		}
		for _, m := range t.Methods {
			add("method", t.Name+"."+m.Name, m.Doc)
		}
		for _, m := range members(t) {
			add(m.kind, t.Name+"."+m.name, m.text)
		}
	}
	return list
}

// member is a field of a struct or a method of an interface.
type member struct{ kind, name, text string }

// members lists what is declared inside a type: go/doc leaves that in the syntax tree.
func members(t *doc.Type) []member {
	var list []member
	add := func(kind string, fields *ast.FieldList) {
		for _, f := range fields.List {
			for _, name := range f.Names {
				if name.IsExported() {
					list = append(list, member{kind, name.Name, f.Doc.Text() + f.Comment.Text()})
				}
			}
		}
	}
	for _, spec := range t.Decl.Specs {
		if spec, ok := spec.(*ast.TypeSpec); ok {
			switch typ := spec.Type.(type) {
			case *ast.StructType:
				add("field", typ.Fields)
			case *ast.InterfaceType:
				add("method", typ.Methods)
			}
		}
	}
	return list
}
