package main_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every line of a configuration in the guide stands in a file that examples/proxies
// tests with the real proxy, and every flag is one of the program's.
func TestGuide(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	guide := read("extauthz.md")
	files := []string{read("envoy-grpc.yaml"), read("envoy-http.yaml")}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(guide, -1)
	require.Len(t, blocks, len(files))
	for i, block := range blocks {
		for line := range strings.Lines(block[1]) {
			require.Contains(t, files[i], strings.TrimSpace(line))
		}
	}
	_, help := run(t, "-help")
	flags := regexp.MustCompile("[ `](-[a-z][a-z-]*)\\b").FindAllStringSubmatch(guide, -1)
	require.Greater(t, len(flags), 10)
	for _, flag := range flags {
		require.Contains(t, help, "  "+flag[1])
	}
}
