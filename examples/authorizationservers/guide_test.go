package authorizationservers_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var springOption = regexp.MustCompile("`((?:server|spring)\\.ssl\\.[a-z.-]+)")

// The options that jwks/spring.md names are those that the server of these tests
// is started with. What it shows of the program is compared by
// examples/internal/documents.
func TestSpringGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../jwks/spring.md")
	require.NoError(t, err)
	started, err := os.ReadFile("spring_test.go")
	require.NoError(t, err)
	options := springOption.FindAllStringSubmatch(string(guide), -1)
	require.Len(t, options, 2)
	for _, option := range options {
		require.Contains(t, string(started), `"--`+strings.TrimSuffix(option[1], "."))
	}
	require.Contains(t, string(guide), "`server.ssl.client-auth=want`")
	require.Contains(t, string(started), `"--server.ssl.client-auth=want"`)
}
