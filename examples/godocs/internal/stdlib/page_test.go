package stdlib

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var (
	idPattern   = regexp.MustCompile(`id="([^"]*)"`)
	hrefPattern = regexp.MustCompile(`href="([^"]*)"`)
)

func TestEveryPackageRenders(t *testing.T) {
	l := library(t)
	smallest, largest, total := 1<<30, 0, 0
	names := map[string]bool{} // "path#id" of everything that can be linked to
	pages := map[string][]byte{}
	for _, p := range l.Packages() {
		documentation, err := l.Page(background, p.Path)
		if err != nil {
			t.Errorf("documentation of %s: %v", p.Path, err)
		}
		source, err := l.Source(background, p.Path)
		if err != nil {
			t.Errorf("source of %s: %v", p.Path, err)
		}
		for _, html := range [][]byte{documentation, source} {
			smallest, largest, total = min(smallest, len(html)), max(largest, len(html)), total+len(html)
			if !balanced(html) {
				t.Errorf("%s: tags are not balanced", p.Path)
			}
		}
		for _, m := range idPattern.FindAllSubmatch(documentation, -1) {
			name := p.Path + "#" + string(m[1])
			if names[name] {
				t.Errorf("%s occurs twice", name)
			}
			names[name] = true
		}
		pages[p.Path] = documentation
	}
	t.Logf("pages from %d to %d bytes, %d in total", smallest, largest, total)
	if smallest > 2<<10 || largest < 1<<20 {
		t.Errorf("pages have from %d to %d bytes: the demo wants them from about 1 KiB to over 1 MiB", smallest, largest)
	}
	checkLinks(t, pages, names)
}

// checkLinks follows every link from the documentation into the documentation.
func checkLinks(t *testing.T, pages map[string][]byte, names map[string]bool) {
	t.Helper()
	links, dead := 0, 0
	for path, html := range pages {
		for _, m := range hrefPattern.FindAllSubmatch(html, -1) {
			target, name, _ := strings.Cut(string(m[1]), "#")
			switch {
			case target == "":
				target = path
			case strings.HasPrefix(target, "/pkg/"):
				target = target[len("/pkg/"):]
			default:
				continue // elsewhere
			}
			links++
			if pages[target] == nil || name != "" && !names[target+"#"+name] {
				dead++
				if dead <= 5 {
					t.Logf("%s: dead link to %s#%s", path, target, name)
				}
			}
		}
	}
	t.Logf("%d of %d links are dead", dead, links)
	// Comments and source mention names that only other systems have.
	if dead*100 > links {
		t.Errorf("%d of %d links are dead", dead, links)
	}
}

// balanced compares the numbers of opening and closing tags of elements that must be closed.
func balanced(html []byte) bool {
	for _, tag := range []string{"a", "i", "pre", "span", "details", "summary", "ul", "ol", "h1", "h2", "h3", "h4", "code", "em", "b"} {
		open := bytes.Count(html, []byte("<"+tag+">")) + bytes.Count(html, []byte("<"+tag+" "))
		if open != bytes.Count(html, []byte("</"+tag+">")) {
			return false
		}
	}
	return true
}

func TestPageOfHTTP(t *testing.T) {
	html, err := library(t).Page(background, "net/http")
	if err != nil {
		t.Fatal(err)
	}
	for what, part := range map[string]string{
		"title":                 `<h1>package <b>http</b></h1>`,
		"method":                `<h3 id="Client.Do">`,
		"field":                 `<span id="Server.Addr">Addr</span>`,
		"second field of many":  `<span id="Cookie.HttpOnly">HttpOnly</span>`,
		"interface method":      `<span id="Handler.ServeHTTP">ServeHTTP</span>`,
		"constant":              `<span id="StatusTeapot">StatusTeapot</span>`,
		"link in the page":      `<a href="#Request">Request</a>`,
		"link to other package": `<a href="/pkg/context#Context">Context</a>`,
		"link to builtin":       `<a href="/pkg/builtin#error">error</a>`,
		"keyword":               `<i class=key>func</i>`,
		"example":               `<details class="example">`,
		"deprecation":           `<em>deprecated</em>`,
		"source":                `<summary>Source</summary>`,
	} {
		if !bytes.Contains(html, []byte(part)) {
			t.Errorf("%s: %s is not there", what, part)
		}
	}
}

func TestBuiltinIsDocumented(t *testing.T) {
	html, err := library(t).Page(background, "builtin")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"append", "error", "string", "nil"} {
		if !bytes.Contains(html, []byte(`id="`+id+`"`)) {
			t.Errorf("%s is missing", id)
		}
	}
}

func TestCommandsHaveAManualAndNoAPI(t *testing.T) {
	html, err := library(t).Page(background, "cmd/gofmt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(html, []byte("<h1>command <b>gofmt</b></h1>")) || bytes.Contains(html, []byte("pkg-functions")) ||
		bytes.Contains(html, []byte("<code>import ")) {
		t.Errorf("not the page of a command: %.300s", html)
	}
}

func TestSamePackageAtTheSameTime(t *testing.T) {
	l := library(t)
	want, err := l.Page(background, "strings")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := l.Page(background, "strings"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("another page, or %v", err)
			}
		})
	}
	wg.Wait()
}
