package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/benchmarks/internal/report"
)

func rows() []report.Row {
	return report.Merge([]report.Row{
		report.AtMost("first time", "ES256", "%.2f × bare", 1.1, 1.07),
		report.AtMost("heap", "", "%.1f bytes", 1, 0),
		report.AtMost("first time", "EdDSA", "%.2f × bare", 1.1, 1.106),
	})
}

func TestRowsOfOneTargetAreOne(t *testing.T) {
	t.Parallel()
	require.Equal(t, []report.Row{
		{Work: "first time", Target: "at most 1.10 × bare", Results: []report.Result{
			{Of: "ES256", Format: "%.2f × bare", Value: 1.07, Met: true, Low: 1.07, High: 1.07},
			{Of: "EdDSA", Format: "%.2f × bare", Value: 1.106, Met: false, Low: 1.106, High: 1.106},
		}},
		{Work: "heap", Target: "at most 1.0 bytes", Results: []report.Result{{Format: "%.1f bytes", Met: true}}},
	}, rows())
	require.False(t, rows()[0].Met())
	require.True(t, rows()[1].Met())
}

func TestRowsOfOneWorkAreBesideEachOther(t *testing.T) {
	t.Parallel()
	var order []string
	for _, r := range report.Merge([]report.Row{
		report.AtMost("first time", "ES256", "%.2f", 1.10, 1), report.AtMost("heap", "", "%.1f", 1, 0),
		report.AtMost("first time", "RS256", "%.2f", 1.15, 1),
	}) {
		order = append(order, r.Work+" "+r.Target)
	}
	require.Equal(t, []string{"first time at most 1.10", "first time at most 1.15", "heap at most 1.0"}, order)
}

func TestWhatReadsAsTheMostIsNotMore(t *testing.T) {
	t.Parallel()
	require.True(t, report.AtMost("first time", "", "%.2f × bare", 1.10, 1.1049).Met())
	require.False(t, report.AtMost("first time", "", "%.2f × bare", 1.10, 1.1051).Met())
}

// Of several runs the one in the middle counts, for each result by itself, and the table has what the others said.
func TestSeveralRunsAreJudgedByTheMiddleOne(t *testing.T) {
	t.Parallel()
	run := func(es256, eddsa, size float64) []report.Row {
		return report.Merge([]report.Row{
			report.AtMost("first time", "ES256", "%.2f × bare", 1.1, es256),
			report.AtMost("first time", "EdDSA", "%.2f × bare", 1.1, eddsa),
			report.NewRow("size", "stated", "", "%+.1f MB, and 100 %%", size, true),
		})
	}
	rows := report.Middle([][]report.Row{run(1.2, 1.07, 0.2), run(1.05, 1.0701, 0.2), run(1.08, 1.3, 0.3)})
	require.True(t, rows[0].Met())
	require.Equal(t, "| work | target | result |\n|---|---|---|\n"+
		"| first time | at most 1.10 × bare | ES256 1.08 × bare (1.05 to 1.20), EdDSA 1.07 × bare (1.07 to 1.30) |\n"+
		"| size | stated | +0.2 MB, and 100 % (+0.2 to +0.3) |\n", report.Markdown(rows))
	require.False(t, report.Middle([][]report.Row{run(1.2, 1, 0), run(1, 1, 0), run(1.2, 1, 0)})[0].Met())
	require.Equal(t, run(1, 2, 3), report.Middle([][]report.Row{run(1, 2, 3)}))
}

func TestTheTablesMarkWhatFallsShort(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, report.Print(&out, rows()))
	lines := strings.Split(out.String(), "\n")
	require.Contains(t, lines[1], "✗")
	require.Contains(t, lines[1], "ES256 1.07 × bare, EdDSA 1.11 × bare (short of it)")
	require.NotContains(t, lines[2], "✗")
	require.Equal(t, "| work | target | result |\n|---|---|---|\n"+
		"| first time | at most 1.10 × bare | ES256 1.07 × bare, **EdDSA 1.11 × bare** |\n"+
		"| heap | at most 1.0 bytes | 0.0 bytes |\n", report.Markdown(rows()))
}

func TestADocumentKeepsAllButItsTable(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- by examples/benchmarks -->\n", "<!-- end -->\n"
	path := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(path, []byte("before <!-- end -->\n"+begin+"old\n"+end+"after\n"), 0o600))
	for range 2 {
		require.NoError(t, report.WriteTable(path, "new\n"))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "before <!-- end -->\n"+begin+"new\n"+end+"after\n", string(content))
	}
	require.NoError(t, os.WriteFile(path, []byte("a\n"+begin+"z\n"), 0o600))
	require.ErrorContains(t, report.WriteTable(path, "new\n"), "no place for the table")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a\n"+begin+"z\n", string(content))
}
