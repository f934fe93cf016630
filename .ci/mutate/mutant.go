package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// A mutant is the library without one rule.
type mutant struct {
	name   string // stable while the code around it changes
	file   string
	line   int
	number int // of its switch, from 1
	source *source

	excuse   string // why it is equivalent, or ""
	killedBy string // the package whose tests failed, or ""
}

// name numbers the mutants and tells those of one name apart.
func name(sources []*source) []*mutant {
	var mutants []*mutant
	seen := make(map[string]int)
	for _, s := range sources {
		for _, m := range s.mutants {
			seen[m.name]++
			if n := seen[m.name]; n > 1 {
				m.name = fmt.Sprintf("%s #%d", m.name, n)
			}
			mutants = append(mutants, m)
		}
	}
	return mutants
}

//go:embed equivalent.txt
var equivalent string

// excuse marks the mutants that equivalent.txt names: a comment that says why,
// then one name or more.
func excuse(mutants []*mutant) error {
	byName := make(map[string]*mutant, len(mutants))
	for _, m := range mutants {
		byName[m.name] = m
	}
	reason, used := "", false
	var stale []string
	for line := range strings.Lines(equivalent) {
		line = strings.TrimSpace(line)
		switch comment, isComment := strings.CutPrefix(line, "# "); {
		case line == "":
			reason, used = "", false
		case isComment && used:
			return fmt.Errorf("equivalent.txt: an empty line is missing before %q", line)
		case isComment:
			reason = strings.TrimSpace(reason + " " + comment)
		case reason == "":
			return fmt.Errorf("equivalent.txt: no reason for %q", line)
		default:
			used = true
			if m := byName[line]; m != nil {
				m.excuse = reason
			} else {
				stale = append(stale, line)
			}
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("equivalent.txt names what is no mutant (any more):\n%s", strings.Join(stale, "\n"))
	}
	return nil
}

// An edit puts text around a stretch of a file, which it leaves as it is.
type edit struct {
	from, to      int // offsets
	before, after string
}

// apply makes all edits of a file. They nest, or are apart; of two around the
// same stretch the first is the outer one.
func apply(text []byte, edits []edit) string {
	type insertion struct {
		at   int
		text string
	}
	var open, end []insertion
	opening := slices.Clone(edits)
	slices.SortStableFunc(opening, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	for _, e := range opening {
		open = append(open, insertion{e.from, e.before})
	}
	closing := slices.Clone(edits)
	slices.Reverse(closing)
	slices.SortStableFunc(closing, func(a, b edit) int {
		if a.to != b.to {
			return a.to - b.to
		}
		return b.from - a.from
	})
	for _, e := range closing {
		end = append(end, insertion{e.to, e.after})
	}
	var out strings.Builder
	for at := 0; at <= len(text); at++ {
		for len(end) > 0 && end[0].at == at {
			out.WriteString(end[0].text)
			end = end[1:]
		}
		for len(open) > 0 && open[0].at == at {
			out.WriteString(open[0].text)
			open = open[1:]
		}
		if at < len(text) {
			out.WriteByte(text[at])
		}
	}
	return out.String()
}
