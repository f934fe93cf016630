// Package tried holds examples/TRIED.md to what the tests ran against: servers,
// proxies and clients, with their versions. Only tests import it.
package tried

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Row is one program or library that tests ran against.
type Row struct {
	Name    string
	Version string
	How     string // what of it was tried

	// Machine says that the version is whatever the machine has. The document
	// keeps the one that was there when it was written.
	Machine bool
}

var update = flag.Bool("update", false, "write what was tried into examples/TRIED.md anew")

// Sync holds the rows of a folder, such as "examples/clients", in which the
// test runs, to those that the document has of it.
func Sync(t *testing.T, folder string, rows []Row) {
	t.Helper()
	document := strings.Repeat("../", strings.Count(folder, "/")) + "TRIED.md"
	begin, end := "<!-- by "+folder+" -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	head, rest, found := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), begin)
	require.True(t, found, begin)
	old, tail, found := strings.Cut(rest, end)
	require.True(t, found)

	table := "| what | version | how |\n|---|---|---|\n"
	for _, row := range rows {
		version := row.Version
		if row.Machine {
			version += " (the machine's)"
			written := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(row.Name) + ` \| ([^|]*) \|`).FindStringSubmatch(old)
			if written != nil && !*update {
				version = written[1]
			}
		}
		table += fmt.Sprintf("| %s | %s | %s |\n", row.Name, version, row.How)
	}
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(head+begin+table+end+tail), 0o600))
		return
	}
	require.Equal(t, table, old, "go -C %s test -update .", folder)
}

// Pinned returns the version of what is named in a file that pins it: go.mod,
// package.json, requirements.txt or pom.xml.
func Pinned(t *testing.T, file, name string) string {
	t.Helper()
	quoted := regexp.QuoteMeta(name)
	pattern, known := map[string]string{
		"go.mod":           `(?m)^\s*` + quoted + ` v(\S+)$`,
		"package.json":     `"` + quoted + `": "([^"]+)"`,
		"requirements.txt": `(?mi)^` + quoted + `==(\S+)`,
		"pom.xml":          `<artifactId>` + quoted + `</artifactId>\s*<version>([^<]+)</version>`,
	}[filepath.Base(file)]
	require.True(t, known, file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
	require.NotNil(t, found, "%s has no %s", file, name)
	return found[1]
}

// Printed returns the version that a program prints when it is asked so.
func Printed(t *testing.T, program string, args ...string) string {
	t.Helper()
	output, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, string(output))
	version := regexp.MustCompile(`\d+(\.\d+)+`).FindString(string(output))
	require.NotEmpty(t, version, string(output))
	return version
}
