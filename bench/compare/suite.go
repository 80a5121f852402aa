package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// suite is a question.
type suite struct {
	name   string
	redis  bool // needs a Redis
	groups []group
}

// group is a set of cases and the systems that answer them.
type group struct {
	about     string // what the numbers are, for the table
	cases     []string
	baseline  string // the system whose ratio is 1
	maxRounds int    // for cases that take long; 0 means no limit
	systems   []system
}

// system is one way to answer.
type system struct {
	name string
	// turn sets the system up with nothing left from before, measures every case of the
	// group, several times perhaps, and tears it down.
	turn func(context.Context, *env) (map[string][]sample, error)
}

// suites are all there are. Making one draws its keys, so only what is asked for is made.
var suites = []struct {
	name string
	make func(config) suite
}{
	{"l1hit", l1hit}, {"l2hit", l2hit}, {"batch", batch}, {"stampede", stampede},
}

// choose makes the suites that list names, without the systems that no word matches.
// Baselines stay, since ratios need them.
func choose(c config, list string, only []string) ([]suite, error) {
	names := words(list)
	all := slices.Contains(names, "all")
	var chosen []suite
	for _, known := range suites {
		n := len(names)
		names = slices.DeleteFunc(names, func(name string) bool { return name == known.name || name == "all" })
		if !all && len(names) == n {
			continue
		}
		s := known.make(c)
		for i := range s.groups {
			g := &s.groups[i]
			g.systems = slices.DeleteFunc(g.systems, func(y system) bool {
				return y.name != g.baseline && !wanted(y.name, only)
			})
		}
		chosen = append(chosen, s)
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("no suite %q", names[0])
	}
	if len(chosen) == 0 {
		return nil, errors.New("no suite chosen")
	}
	return chosen, nil
}

// wanted reports whether a word of the filter is part of the name; without words all are.
func wanted(name string, only []string) bool {
	name = strings.ToLower(name)
	return len(only) == 0 || slices.ContainsFunc(only, func(w string) bool { return strings.Contains(name, w) })
}

func printList(w io.Writer, chosen []suite) {
	for _, s := range chosen {
		fmt.Fprintln(w, s.name)
		for _, g := range s.groups {
			fmt.Fprintf(w, "  %s (%s)\n", strings.Join(g.cases, "; "), g.about)
			for _, y := range g.systems {
				mark := ""
				if y.name == g.baseline {
					mark = "  (baseline)"
				}
				fmt.Fprintf(w, "    %s%s\n", y.name, mark)
			}
		}
	}
}
