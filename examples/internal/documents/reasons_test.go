package documents_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// A table whose first column is "the observer's reason" names reasons that there are.
func TestReasonsInTables(t *testing.T) {
	t.Parallel()
	checked := 0
	for name, text := range documents(t) {
		within := false
		for line := range strings.Lines(text) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				within = false
				continue
			}
			if strings.TrimSpace(cells[1]) == "the observer's reason" {
				within = true
				continue
			}
			for _, reason := range quoted.FindAllStringSubmatch(cells[1], -1) {
				if within {
					checked++
					require.NotContains(t, (&binding.Error{Reason: binding.Reason(reason[1])}).Error(), "unknown", "%s: %s", name, reason[1])
				}
			}
		}
	}
	require.NotZero(t, checked)
}
