package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Verdict says what an answer is worth.
type Verdict string

// The verdicts.
const (
	AsExpected Verdict = "as expected" // in both
	Deviates   Verdict = "deviates"    // from what should be
	Violates   Verdict = "violates"    // what must be
	Skipped    Verdict = "skipped"     // Result.Reason says why
)

// A Case is one input and what its answer should be.
type Case struct {
	Row     int    `json:"row"`              // 0 for the control
	Section string `json:"section"`          // "A" to "K", or "control"
	Name    string `json:"name"`             // what is sent, in a few words
	Source  string `json:"source,omitempty"` // the RFC's section, or what else it is from
	Must    string `json:"must"`             // the answer that the RFCs demand, in words
	Should  string `json:"should"`           // the answer of this project's own guard, in words
	Start   bool   `json:"start,omitempty"`  // whether it needs a server of its own
}

// String returns section, row and name: "F/146 no certificate".
func (c Case) String() string {
	if c.Row == 0 {
		return c.Section + " " + c.Name
	}
	return fmt.Sprintf("%s/%d %s", c.Section, c.Row, c.Name)
}

// A Result is what came of a Case.
type Result struct {
	Case

	Verdict Verdict `json:"verdict"`       // by both of the Case's expectations
	Got     string  `json:"got,omitempty"` // status and error code, or what else was seen

	// Reason is why the case was skipped, or why Config.Except has it.
	Reason string `json:"reason,omitempty"`

	// Failed says whether the result is a failure by Config.Level and
	// Config.Except. The control always is.
	Failed bool `json:"failed"`
}

// A Report is what came of all cases. It holds no token, no certificate and no
// key.
type Report struct {
	Version string    `json:"version"` // of this module, as far as the program knows it
	Began   time.Time `json:"began"`
	Config  Config    `json:"config"` // without what is no text

	Level   Level    `json:"level"`   // Config.Level
	Summary Summary  `json:"summary"` // of Results
	Results []Result `json:"results"` // in the order in which the cases were asked, the control among them
}

// A Summary counts. A row is as expected if all of its cases are that were not
// skipped, and skipped if all were; else it is as its worst case. The control
// is no row.
type Summary struct {
	Rows       int `json:"rows"`        // without those that were skipped
	AsExpected int `json:"as_expected"` // rows
	Deviating  int `json:"deviating"`   // rows
	Violating  int `json:"violating"`   // rows
	Skipped    int `json:"skipped"`     // rows
	Cases      int `json:"cases"`       // without those that were skipped
	Failed     int `json:"failed"`      // cases, and the control
}

// String is one line: "143 rows, 143 as expected; 301 cases, none failed".
func (s Summary) String() string {
	text := fmt.Sprintf("%d rows, %d as expected", s.Rows, s.AsExpected)
	for _, count := range []struct {
		number int
		what   string
	}{{s.Deviating, "deviating"}, {s.Violating, "violating"}, {s.Skipped, "skipped"}} {
		if count.number > 0 {
			text += fmt.Sprintf(", %d %s", count.number, count.what)
		}
	}
	text += fmt.Sprintf("; %d cases, ", s.Cases)
	if s.Failed == 0 {
		return text + "none failed"
	}
	return text + fmt.Sprint(s.Failed, " failed")
}

// severity orders the verdicts of a row's cases.
var severity = map[Verdict]int{Skipped: 0, AsExpected: 1, Deviates: 2, Violates: 3}

func (r *Report) add(result Result) {
	r.Results = append(r.Results, result)
	r.Summary = summarize(r.Results)
}

func summarize(results []Result) Summary {
	var s Summary
	worst := make(map[int]Verdict)
	for _, result := range results {
		if result.Failed {
			s.Failed++
		}
		if result.Row == 0 {
			continue
		}
		if result.Verdict != Skipped {
			s.Cases++
		}
		if before, known := worst[result.Row]; !known || severity[result.Verdict] > severity[before] {
			worst[result.Row] = result.Verdict
		}
	}
	for _, verdict := range worst {
		switch verdict {
		case AsExpected:
			s.AsExpected++
		case Deviates:
			s.Deviating++
		case Violates:
			s.Violating++
		case Skipped:
			s.Skipped++
		}
	}
	s.Rows = len(worst) - s.Skipped
	return s
}

// Passed reports whether nothing failed.
func (r *Report) Passed() bool { return r.Summary.Failed == 0 }

// Rows returns the numbers of the rows that have a case of the verdict, in
// order, each once.
func (r *Report) Rows(verdict Verdict) []int {
	var rows []int
	for _, result := range r.Results {
		if result.Verdict == verdict && result.Row != 0 {
			rows = append(rows, result.Row)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// WriteText writes, by rows, a line for every result that is not as expected,
// or for all of them, and the summary last. At the level Must what merely
// deviates, and what was skipped, is only written with all.
func (r *Report) WriteText(w io.Writer, all bool) error {
	for _, result := range r.sorted() {
		minor := result.Verdict == AsExpected || r.Level == Must && result.Verdict != Violates && !result.Failed
		if minor && !all {
			continue
		}
		if _, err := fmt.Fprintln(w, result.line()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "conformance: %v\n", r.Summary)
	return err
}

// WriteMarkdown writes a table of the rows that have a case which is not as
// expected, with the worst of its cases, and the summary.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%v; level %v, %s, %s\n\n| row | sent | answer | expected | verdict |\n|---|---|---|---|---|\n",
		r.Summary, r.Level, r.Began.Format(time.DateOnly), r.Version)
	escape := strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*", "\n", " ")
	for _, result := range r.sorted() {
		if result.Verdict == AsExpected || result.Verdict == Skipped {
			continue
		}
		verdict := string(result.Verdict)
		if result.Reason != "" {
			verdict += " (" + result.Reason + ")"
		}
		fmt.Fprintf(&b, "| %s/%d | %s | %s | %s | %s |\n", result.Section, result.Row, escape.Replace(result.Name),
			escape.Replace(result.Got), escape.Replace(result.wanted()), escape.Replace(verdict))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sorted are the results by their rows. The control comes first: without it the
// rest means little.
func (r *Report) sorted() []Result {
	return slices.SortedStableFunc(slices.Values(r.Results), func(a, b Result) int { return a.Row - b.Row })
}

func (r Result) line() string {
	text := fmt.Sprintf("%-11s  %v", r.Verdict, r.Case)
	if r.Verdict == AsExpected {
		return text + ": " + r.Got
	}
	if r.Verdict == Skipped {
		return text + ": " + r.Reason
	}
	text += fmt.Sprintf("\n    got %s; %s", r.Got, r.wanted())
	if r.Reason != "" {
		text += "\n    not counted: " + r.Reason
	}
	return text
}

// wanted says what an answer is measured by.
func (c Case) wanted() string {
	text := "must be " + c.Must + "; should be " + c.Should
	switch c.Must {
	case c.Should:
		text = "must be " + c.Must
	case anything.text:
		text = "should be " + c.Should
	}
	if c.Source != "" {
		text += " (" + c.Source + ")"
	}
	return text
}
