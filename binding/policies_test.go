package binding_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

var update = flag.Bool("update", false, "write the table of policies in rollout.md anew")

// The table in rollout.md is what [TestPolicies] tests. To write it anew:
//
//	go test ./binding -run PoliciesInTheGuide -update
func TestPoliciesInTheGuide(t *testing.T) {
	t.Parallel()
	const file, begin, end = "rollout.md", "<!-- by binding/policies_test.go -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	guide := strings.ReplaceAll(string(text), "\r\n", "\n")
	before, rest, found := strings.Cut(guide, begin)
	require.True(t, found)
	table, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+policyTable().markdown()+end+after), 0o600))
		return
	}
	require.Equal(t, policyTable().markdown(), table)
}

// markdown is the table, with one line for states of the certificate that are answered alike.
func (p policies) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "| access token | client certificate | `%s` |\n|%s\n",
		strings.Join(p.policies, "` | `"), strings.Repeat("---|", 2+len(p.policies)))
	for _, token := range p.tokens {
		var lines []string // of different answers
		first := make(map[string]string)
		for i, certificate := range p.certificates {
			answers := p.answers(token, i)
			if first[answers] == "" {
				first[answers] = certificate
				lines = append(lines, answers)
			}
		}
		for _, answers := range lines {
			certificate := first[answers]
			if len(lines) == 1 {
				certificate = "any or none"
			}
			fmt.Fprintf(&text, "| %s | %s | %s |\n", token, certificate, answers)
		}
	}
	return text.String()
}

// answers are the policies' to a token, with the certificate in one of its states.
func (p policies) answers(token string, certificate int) string {
	var all []string
	for _, policy := range p.policies {
		answer := "accepted"
		if reason := p.reasons[policy][token][certificate]; reason != "" {
			answer = fmt.Sprintf("%d `%s`", (&binding.Error{Reason: reason}).StatusCode(), reason)
		}
		all = append(all, answer)
	}
	return strings.Join(all, " | ")
}
