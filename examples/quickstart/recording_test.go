package main_test

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the recording for README.md anew")

const recording = "../../.github/quickstart.svg"

// README.md shows what the program prints today: its first scenes, and its end.
func TestTheRecordingIsTrue(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("git may have changed the ends of lines")
	}
	output, err := exec.Command(program, "-color", "always").Output()
	require.NoError(t, err)
	drawn := draw(t, excerpt(t, string(output)))
	if *update {
		require.NoError(t, os.WriteFile(recording, []byte(drawn), 0o644))
	}
	kept, err := os.ReadFile(recording)
	require.NoError(t, err)
	require.Equal(t, string(kept), drawn, "go test ./examples/quickstart -run Recording -update")
}

var (
	port   = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	digest = regexp.MustCompile(`[\w-]{43}`)
)

// excerpt leaves out what would make the recording long, and what is another
// with each run.
func excerpt(t *testing.T, output string) string {
	t.Helper()
	_, first, begins := strings.Cut(output, "\n\n\x1b[1m1. ")
	first, _, ends := strings.Cut("\x1b[1m1. "+first, "\n\n \x1b[1;31m|\x1b[0m \x1b[1;31mThe thief, with the stolen token and no certificate.")
	last := strings.LastIndex(output, "\n\n")
	require.True(t, begins && ends && last > 0, output)
	text := "\x1b[2m$\x1b[0m go run ./examples/quickstart\n\n" + first + "\n\n   ..." + output[last:]
	text = port.ReplaceAllString(text, "127.0.0.1:9444")
	return digest.ReplaceAllString(text, "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2") // RFC 8705 §3.1's example
}

// The colours of the drawing, by the codes of a terminal.
var fills = map[string]string{
	"1":       `fill="#f0f6fc" font-weight="bold"`,
	"2":       `fill="#8b949e"`,
	"32":      `fill="#3fb950"`,
	"1;31":    `fill="#ff7b72" font-weight="bold"`,
	"1;37;41": `fill="#ff7b72" font-weight="bold" text-decoration="underline"`,
}

var span = regexp.MustCompile("\x1b\\[([0-9;]+)m(.*?)\x1b\\[0m")

// draw makes an SVG of lines of a terminal.
func draw(t *testing.T, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	height := 17*len(lines) + 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="700" height="%[1]d" viewBox="0 0 700 %[1]d" role="img" `+
		`font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13.5" fill="#c9d1d9">
  <title>go run ./examples/quickstart: a thief is served by an API that takes bearer tokens, and refused by the guard</title>
  <rect width="700" height="%[1]d" rx="6" fill="#0d1117"/>
`, height)
	for i, line := range lines {
		if line == "" {
			continue
		}
		drawn := span.ReplaceAllStringFunc(escaped(t, line), func(painted string) string {
			parts := span.FindStringSubmatch(painted)
			require.Contains(t, fills, parts[1])
			return "<tspan " + fills[parts[1]] + ">" + parts[2] + "</tspan>"
		})
		fmt.Fprintf(&b, "  <text x=\"16\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", 17*i+26, drawn)
	}
	return b.String() + "</svg>\n"
}

// escaped is a line in XML, with the codes that XML does not have.
func escaped(t *testing.T, line string) string {
	t.Helper()
	var b strings.Builder
	for i, part := range strings.Split(line, "\x1b") {
		if i > 0 {
			b.WriteByte('\x1b')
		}
		require.NoError(t, xml.EscapeText(&b, []byte(part)))
	}
	return b.String()
}
