package ownverifier

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

// subjects are the kit's sections that a reader of README.md is told of.
var subjects = []struct{ section, name string }{
	{"A", "the `Authorization` field"},
	{"B", "the form of the JWT"},
	{"C", "its header"},
	{"D", "its signature"},
	{"E", "its claims"},
	{"F", "`cnf`"},
	{"G", "the TLS connection"},
	{"I", "the issuer's keys"},
}

// What README.md says of a hand-written check is what the kit finds in it.
func TestHandwritten(t *testing.T) {
	findings := map[string][]conformance.Result{}
	for name, make := range map[string]setup{
		"handwritten": func(ctx context.Context, as *bindingtest.AuthorizationServer) (http.Handler, error) {
			keys, err := keysOf(ctx, as)
			if err != nil {
				return nil, err
			}
			return handwritten(parserFor(as), keys.Keyfunc, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), nil
		},
		"own": own,
	} {
		findings[name] = letIn(t, make)
	}
	require.Empty(t, findings["own"])

	about, kinds, examples := "| bad input about", "| kinds that the check lets in", "| such as"
	all := 0
	for _, subject := range subjects {
		var rows []int
		example := ""
		for _, result := range findings["handwritten"] {
			if result.Section == subject.section && !slices.Contains(rows, result.Row) {
				rows = append(rows, result.Row)
				example = result.Name
			}
		}
		all += len(rows)
		if len(rows) > 0 {
			about += " | " + subject.name
			kinds += fmt.Sprintf(" | %d", len(rows))
			examples += " | " + strings.ReplaceAll(example, "|", `\|`)
		}
	}
	about += " | all |\n"
	rule := strings.Repeat("|---", strings.Count(about, " | ")+1) + "|\n"
	table := about + rule + kinds + fmt.Sprintf(" | %d |\n", all) + examples + " | |\n"
	sync(t, "../../README.md", "examples/ownverifier", table)
}

// sync holds what stands between the marks of a document to the text.
func sync(t *testing.T, document, by, text string) {
	t.Helper()
	begin, end := "<!-- by "+by+" -->\n", "<!-- end -->\n"
	old, err := os.ReadFile(document)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(old), begin)
	require.True(t, found)
	_, tail, found := strings.Cut(rest, end)
	require.True(t, found)
	want := head + begin + text + end + tail
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(old), "go -C examples/ownverifier test -update .")
}
