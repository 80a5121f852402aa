package main

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// frame is what stands around every page: it differs from request to request, and so is
// not part of what is cached.
type frame struct {
	Title  string
	Query  string  // in the search box
	Answer *answer // nil if the page does not come from docs
	Other  string  // its address with or without the cache
}

var frameTemplate = template.Must(template.New("frame").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - Go documentation</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="/assets/icon.svg">
<script src="/assets/stats.js" defer></script>
</head>
<body>
<header>
<a class="home" href="/">Go documentation</a>
<form action="/search"><input name="q" type="search" maxlength="100" placeholder="Search all symbols" aria-label="Search" value="{{.Query}}"></form>
{{with .Answer}}<p class="cache"><b class="{{.Source}}">{{.Label}}</b> {{.Story}}
<a href="{{$.Other}}">{{$.OtherLabel}}</a></p>{{end}}
</header>
<main>
`))

const frameEnd = "</main>\n</body>\n</html>\n"

// OtherLabel says what the link to the other version shows.
func (f frame) OtherLabel() string {
	if strings.HasPrefix(f.Other, "/uncached/") {
		return "without the cache"
	}
	return "through the cache"
}

// Source is the source as a class for the style sheet.
func (a *answer) Source() string { return a.source }

// Label is the source for people.
func (a *answer) Label() string {
	switch a.source {
	case "l1", "l2":
		return strings.ToUpper(a.source)
	case "compute":
		return "computed"
	default:
		return a.source
	}
}

// Story tells how the page came to be.
func (a *answer) Story() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if a.stale {
		add("stale, being renewed")
	}
	if a.shared {
		add("shared with others who waited")
	}
	if a.source == "l1" || a.source == "l2" {
		add("%v old", short(a.age))
	}
	if a.cost > 0 {
		add("computing took %v", short(a.cost))
	}
	add("%s", size(int64(len(a.html))))
	add("here in %v", short(a.took))
	return strings.Join(parts, " · ")
}

// header is the value of X-Cache: the same for programs.
func (a *answer) header() string {
	var b strings.Builder
	b.WriteString(a.source)
	if a.stale {
		b.WriteString("; stale")
	}
	if a.shared {
		b.WriteString("; shared")
	}
	fmt.Fprintf(&b, "; age=%.3f; cost=%.3f; took=%.6f", a.age.Seconds(), a.cost.Seconds(), a.took.Seconds())
	return b.String()
}

// short rounds a duration to about three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}
