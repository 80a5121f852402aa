package main

import (
	"bytes"
	"fmt"
	"html"

	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

// renderIndex makes the front page: what the cache is doing, and all packages.
func renderIndex(library *stdlib.Library, l2 string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<h1>The standard library of <b>%s</b></h1>\n", html.EscapeString(library.Version()))
	fmt.Fprintf(&b, statsPanel, html.EscapeString(l2))
	groups := []struct {
		kind  stdlib.Kind
		title string
		open  string
	}{
		{stdlib.Public, "Packages", " open"},
		{stdlib.Command, "Commands", ""},
		{stdlib.Internal, "Internal packages", ""},
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "<details class=\"group\"%s><summary>%s</summary>\n<table class=\"packages\">\n", g.open, g.title)
		for _, p := range library.Packages() {
			if p.Kind == g.kind {
				fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a><td>%s\n", html.EscapeString(stdlib.PageURL(p.Path, "")),
					html.EscapeString(p.Path), html.EscapeString(p.Synopsis))
			}
		}
		b.WriteString("</table></details>\n")
	}
	return b.Bytes()
}

// statsPanel is filled in by stats.js.
const statsPanel = `<section id="stats" hidden>
<dl>
<div><dt>calls/s<dd id="rate">0</div>
<div class="l1"><dt>L1<dd id="l1">0</div>
<div class="l2"><dt>L2<dd id="l2">0</div>
<div class="compute"><dt>computed<dd id="computed">0</div>
<div class="stale"><dt>stale<dd id="stale">0</div>
<div><dt>early refreshes<dd id="early">0</div>
<div><dt>in L1<dd id="held">0</div>
<div><dt>saved by compression<dd id="saved">0</div>
</dl>
<div class="bar" title="where answers come from, at the moment"><i class="l1"></i><i class="l2"></i><i class="compute"></i><i class="stale"></i></div>
<svg viewBox="0 0 240 40" preserveAspectRatio="none" role="img" aria-label="calls per second during the last two minutes"><polyline points="" /></svg>
<p>Calls to the cache during the last two minutes. L2 is %s.</p>
</section>
`
