package stdlib

import "html"

// listing renders the text of all files, with links to where their types are documented.
func (r *page) listing() {
	r.title(": source")
	r.self = r.pkg.Path
	path := html.EscapeString(r.pkg.Path)
	r.printf("<p class=\"import\"><a href=\"/pkg/%s\">documentation</a></p>\n<ul class=\"files\">\n", path)
	for _, t := range r.texts {
		r.printf("<li><a href=\"#%[1]s\">%[1]s</a>\n", html.EscapeString(t.name))
	}
	r.printf("</ul>\n")
	for _, t := range r.texts {
		r.printf("<h3 id=\"%[1]s\"><a href=\"#%[1]s\">%[1]s</a></h3>\n", html.EscapeString(t.name))
		r.highlight(t.src, anchors{})
	}
}
