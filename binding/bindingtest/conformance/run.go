package conformance

import (
	"errors"
	"testing"
)

// Run checks a server that the target starts, with a subtest for each case:
// t.Run("F/146 no certificate"). A result that Config.Level counts fails its
// subtest, one that it does not count is logged. If the good request is refused
// the test ends: nothing can be told of a server that accepts nobody. The
// test's flag -run picks cases; what they need comes with them.
//
// The last line that it logs is the [Summary].
func Run(t *testing.T, config Config, target Target) {
	t.Helper()
	kit, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	report, err := kit.check(t.Context(), target, func(c Case, judge func() Result) {
		if c.Row == 0 {
			if result := judge(); result.Failed {
				t.Errorf("%v: got %s; %s", c, result.Got, c.wanted())
			}
			return
		}
		t.Run(c.String(), func(t *testing.T) {
			switch result := judge(); {
			case result.Verdict == Skipped:
				t.Skip(result.Reason)
			case result.Failed:
				t.Errorf("%s: got %s; %s", result.Verdict, result.Got, c.wanted())
			case result.Verdict != AsExpected:
				t.Logf("%s: got %s; %s", result.Verdict, result.Got, c.wanted())
			}
		})
	})
	if errors.Is(err, ErrNotJudged) {
		return // it failed already, and said what came
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("conformance: %v", report.Summary)
}
