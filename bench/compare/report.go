package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// writeJSON prints one object per line.
func writeJSON(w io.Writer, rows []row) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// field is a column of the tables.
type field struct {
	title string
	value func(row) (string, bool) // false: the row has none
}

var fields = []field{
	{"system", func(r row) (string, bool) { return r.System, true }},
	{"ratio", func(r row) (string, bool) { return fmt.Sprintf("%.2f", r.Ratio), true }},
	{"quartiles", func(r row) (string, bool) {
		if r.RatioLow == nil || r.RatioHigh == nil {
			return "", false
		}
		return fmt.Sprintf("%.2f–%.2f", *r.RatioLow, *r.RatioHigh), true
	}},
	{"time", func(r row) (string, bool) { return duration(r.NS), true }},
	{"spread", func(r row) (string, bool) { return percent(r.Spread, 0), r.N > 1 }},
	{"allocs", func(r row) (string, bool) { return count(r.Allocs), true }},
	{"bytes", func(r row) (string, bool) { return count(r.Bytes), true }},
	{"p50", func(r row) (string, bool) { return optional(r.P50, duration) }},
	{"p99", func(r row) (string, bool) { return optional(r.P99, duration) }},
	{"computes", func(r row) (string, bool) { return optional(r.Computes, count) }},
	{"blocked", func(r row) (string, bool) {
		return optional(r.Blocked, func(v float64) string { return percent(v, 2) })
	}},
	{"failed", func(r row) (string, bool) { return optional(r.Failed, count) }},
}

// writeTables prints a table per case.
func writeTables(w io.Writer, s suite, rows []row) error {
	var b strings.Builder
	for _, g := range s.groups {
		for _, name := range g.cases {
			of := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.Case != name })
			fmt.Fprintf(&b, "\n%s: %s\n%s; ratio to %s\n\n", s.name, name, g.about, g.baseline)
			table(&b, of)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table prints the columns for which some row has a value, aligned.
func table(b *strings.Builder, rows []row) {
	lines := make([][]string, len(rows)+1)
	for _, f := range fields {
		cells := []string{f.title}
		used := false
		for _, r := range rows {
			cell, ok := f.value(r)
			if !ok {
				cell = "-"
			}
			used = used || ok
			cells = append(cells, cell)
		}
		for i, c := range cells {
			if used {
				lines[i] = append(lines[i], c)
			}
		}
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, line := range lines {
		fmt.Fprintf(b, "%-*s", widths[0], line[0])
		for i, c := range line[1:] {
			fmt.Fprintf(b, "  %*s", widths[i+1], c)
		}
		b.WriteByte('\n')
	}
}

func optional(v *float64, format func(float64) string) (string, bool) {
	if v == nil {
		return "", false
	}
	return format(*v), true
}

// count prints whole numbers without decimals.
func count(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.2f", v)
}

func percent(v float64, decimals int) string {
	return fmt.Sprintf("%.*f%%", decimals, 100*v)
}

// duration prints nanoseconds with three digits or so.
func duration(ns float64) string {
	switch d := time.Duration(ns); {
	case ns < 1000:
		return fmt.Sprintf("%.1fns", ns)
	case d < time.Millisecond:
		return fmt.Sprintf("%.2fµs", ns/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.2fms", ns/1e6)
	default:
		return fmt.Sprintf("%.2fs", ns/1e9)
	}
}
