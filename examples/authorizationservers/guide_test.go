package authorizationservers_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	keycloakGuide = "../../jwks/keycloak.md"
	springGuide   = "../../jwks/spring.md"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

var fenced = regexp.MustCompile("(?s)\n```([a-z]+)\n(.*?)\n```\n")

// guideJSON is the block of JSON of a guide that has a member: what a server is
// configured with here is what the guide shows.
func guideJSON(t *testing.T, guide, member string) map[string]any {
	t.Helper()
	for _, block := range fenced.FindAllStringSubmatch(read(t, guide), -1) {
		var members map[string]any
		if block[1] == "json" && json.Unmarshal([]byte(block[2]), &members) == nil && members[member] != nil {
			return members
		}
	}
	require.FailNow(t, "the guide shows no "+member, guide)
	return nil
}

var inline = regexp.MustCompile("`([^`\n]+)`")

// The options that the guides name are those that the servers of these tests are
// built and started with.
func TestGuidesOptions(t *testing.T) {
	t.Parallel()
	for guide, settings := range map[string]struct {
		used []string // files
		says []string // options, at least
	}{
		keycloakGuide: {
			[]string{"install", "keycloak_test.go", "keycloaktokens_test.go"},
			[]string{"--https-client-auth=request", "--truststore-paths="},
		},
		springGuide: {[]string{"spring_test.go"}, []string{"server.ssl.client-auth=want", "spring.ssl.bundle.pem."}},
	} {
		var used strings.Builder
		for _, file := range settings.used {
			used.WriteString(read(t, file))
		}
		text := read(t, guide)
		for _, option := range settings.says {
			require.Contains(t, text, option)
			require.Contains(t, used.String(), option)
		}
		for _, code := range inline.FindAllStringSubmatch(text, -1) {
			for word := range strings.FieldsSeq(code[1]) {
				option, _, is := strings.Cut(word, "=")
				if is && strings.HasPrefix(option, "--") || strings.HasPrefix(option, "server.") {
					require.Contains(t, used.String(), option+"=", "%s names %s", guide, option)
				}
			}
		}
	}
}
