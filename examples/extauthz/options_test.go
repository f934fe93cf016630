package main_test

import (
	"bytes"
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/builds"
)

// program is extauthz, built once. What it does behind real proxies is tested by
// examples/proxies.
var program string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program})
}

func run(t *testing.T, args ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	_ = command.Run() // the status says it
	return command.ProcessState.ExitCode(), out.String()
}

func TestEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	status, output := run(t, "-http", "9000", "-grpc", "9001", "-admin", "9002", "-from", "apache", "-trust", "everybody", "-as-ca", "/nowhere",
		"-dpop-nonce", "-route", "=payments", "-route", "POST /payments=", "stray", "-colour", "blue")
	require.Equal(t, 2, status, output)
	for _, name := range []string{"-http:", "-grpc:", "-admin:", "-from:", "-trust:", "-as-ca:", "-dpop-nonce:", "-route:", "stray", "colour"} {
		require.Contains(t, output, name)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	good := []string{"-issuer", "https://as.example", "-audience", "https://api.example"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nowhere to be asked":         {good, "-http or -grpc: one of them is required"},
		"no proxy":                    {append(good[:4:4], "-http", "127.0.0.1:0"), "-from: must be nginx or envoy"},
		"nobody is trusted":           {append(good[:4:4], "-http", "127.0.0.1:0", "-from", "nginx"), "-trust: at least one rule is required"},
		"trust without HTTP":          {append(good[:4:4], "-grpc", "127.0.0.1:0", "-trust", "unix"), "-from and -trust: need -http"},
		"no issuer":                   {append(good[2:4:4], "-grpc", "127.0.0.1:0"), "-issuer: is required"},
		"no audience":                 {append(good[:2:2], "-grpc", "127.0.0.1:0"), "-audience: at least one is required"},
		"an origin that is none":      {append(good[:4:4], "-grpc", "127.0.0.1:0", "-dpop-origins", "api"), "-dpop-origins:"},
		"a pattern that is none":      {append(good[:4:4], "-grpc", "127.0.0.1:0", "-route", "GET accounts"), "-route:"},
		"the same pattern once more":  {append(good[:4:4], "-grpc", "127.0.0.1:0", "-route", "/a", "-route", "/a"), "-route:"},
		"an address that is taken up": {append(good[:4:4], "-grpc", "192.0.2.1:1"), "192.0.2.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := run(t, test.args...)
			require.NotZero(t, status, output)
			require.Contains(t, output, test.want)
			require.NotContains(t, output, "goroutine", "it panicked")
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, output := run(t, "-help")
	require.Zero(t, status)
	require.Contains(t, output, "-dpop-origins")
}
