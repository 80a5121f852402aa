package stdlib

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"html"
	"slices"
	"strings"
)

const maxHits = 100

// hit is a symbol with how well it matches.
type hit struct {
	*symbol

	score int
}

// Search scans the names and comments of all symbols for those that hold every word of the
// query, and renders the best of them as an HTML fragment.
func (l *Library) Search(ctx context.Context, query string) ([]byte, error) {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return nil, nil
	}
	var hits []hit
	for i := range l.symbols {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if score := l.symbols[i].score(words); score > 0 {
			hits = append(hits, hit{&l.symbols[i], score})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(
			cmp.Compare(b.score, a.score),
			cmp.Compare(b.pkg.Importers, a.pkg.Importers),
			cmp.Compare(a.lower, b.lower),
			cmp.Compare(a.pkg.Path, b.pkg.Path),
		)
	})
	return renderHits(hits, len(l.symbols)), nil
}

// score is 0 unless all words occur. A name counts for more than its comment, a whole name
// for more than a part, and what nobody outside can import for less.
func (s *symbol) score(words []string) int {
	total := 0
	for _, word := range words {
		switch short := s.lower[strings.LastIndexAny(s.lower, "./")+1:]; {
		case s.lower == word || strings.HasSuffix(s.lower, "."+word):
			total += 100
		case short == word:
			total += 90
		case strings.HasPrefix(short, word):
			total += 60
		case strings.Contains(s.lower, word):
			total += 40
		case strings.Contains(s.text, word):
			total += 10
		default:
			return 0
		}
	}
	if s.pkg.Kind == Internal {
		total = (total + 3) / 4
	}
	return total
}

func renderHits(hits []hit, scanned int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<p>%d of %d symbols match", len(hits), scanned)
	if len(hits) > maxHits {
		hits = hits[:maxHits]
		fmt.Fprintf(&b, ", these best")
	}
	fmt.Fprintf(&b, ".</p>\n<ul class=\"hits\">\n")
	for _, h := range hits {
		title := h.pkg.Path
		if h.name != "" {
			title = h.pkg.Path + "." + h.name
		}
		fmt.Fprintf(&b, "<li><a href=\"%s\">%s</a> <em>%s</em><br>%s\n", html.EscapeString(PageURL(h.pkg.Path, h.name)),
			html.EscapeString(title), h.kind, html.EscapeString(h.synopsis))
	}
	b.WriteString("</ul>\n")
	return b.Bytes()
}
