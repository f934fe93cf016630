package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each alert has its part of the page, with what it means, whom it concerns, what to do and what not to do.
func TestThePageHasEachAlert(t *testing.T) {
	t.Parallel()
	page := readPage(t)
	parts := make(map[string]string)
	for _, part := range strings.Split(page, "\n## ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		if strings.HasPrefix(heading, "Certbound") {
			parts[heading] = text
		}
	}
	for _, alert := range alerts(t) {
		text, found := parts[alert.Alert]
		require.True(t, found, alert.Alert)
		for _, what := range []string{"**It means**", "**It concerns**", "**Do**", "**Do not**"} {
			require.Contains(t, text, what, alert.Alert)
		}
		delete(parts, alert.Alert)
	}
	require.Empty(t, parts, "a part for an alert that is none")
}

var (
	reason    = regexp.MustCompile(`(?m)^\tReason\w+ +Reason += "(\w+)"$`)
	reasonRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|")
)

// The table has every reason of package binding, in their order, with what it means, whom it concerns and what to do.
func TestThePageHasEachReason(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../binding/reason.go")
	require.NoError(t, err)
	var reasons, rows []string
	for _, match := range reason.FindAllStringSubmatch(string(source), -1) {
		reasons = append(reasons, match[1])
	}
	for _, match := range reasonRow.FindAllStringSubmatch(readPage(t), -1) {
		rows = append(rows, match[1])
	}
	require.Greater(t, len(reasons), 60)
	require.Equal(t, reasons, rows)
}

var (
	logged  = regexp.MustCompile(`slog\.Level(?:Warn|Error), "([^"]+)"|(?:log|slog\.Default\(\))\.(?:Warn|Error)\("([^"]+)"`)
	lineRow = regexp.MustCompile("(?m)^\\| `([^`]+ [^`]+)` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|$")
)

// The last table has every warning and error that the packages write besides refusals, or its text up to a colon.
func TestThePageHasEachLineOfTheLog(t *testing.T) {
	t.Parallel()
	lines := make(map[string]bool)
	for _, file := range []string{
		"jwks/log.go", "binding/introspection/log.go", "adapters/bindredis/server.go", "adapters/bindredis/outage.go", "adapters/bindgrpc/rules.go",
	} {
		source, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(file)))
		require.NoError(t, err)
		matches := logged.FindAllStringSubmatch(string(source), -1)
		require.NotEmpty(t, matches, file)
		for _, match := range matches {
			lines[match[1]+match[2]] = true
		}
	}
	delete(lines, "introspection") // an Event that no verifier makes
	var rows []string
	for _, match := range lineRow.FindAllStringSubmatch(readPage(t), -1) {
		rows = append(rows, match[1])
	}
	stands := func(row, line string) bool { return row == line || strings.HasPrefix(line, row+": ") }
	for line := range lines {
		require.True(t, slices.ContainsFunc(rows, func(row string) bool { return stands(row, line) }), "no row for %q", line)
	}
	for _, row := range rows {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(lines)), func(line string) bool { return stands(row, line) }),
			"nothing writes %q", row)
	}
}

// The links of this folder's pages lead to something.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"three-in-the-morning.md", "queries.md"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`\]\(([^)#:\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.FromSlash(match[1]))
			require.NoError(t, err, name)
		}
	}
}

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("three-in-the-morning.md")
	require.NoError(t, err)
	return string(page)
}
