package documents_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the folder of the module, from here.
const root = "../../.."

// A block is a fenced code block.
type block struct {
	document string // from root, with slashes
	line     int    // of its first line of code, from 1
	language string
	text     string
}

// documents returns the Markdown of the root module by its name. Nested modules test their own.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if nested := err == nil && path != root; nested || entry.Name() == ".git" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		found[filepath.ToSlash(name)] = strings.ReplaceAll(string(text), "\r\n", "\n")
		return err
	}))
	require.Contains(t, found, "README.md")
	return found
}

// blocks returns the code blocks of a document. A fence that is never closed ends with the document, as in CommonMark, and
// then what follows it is no code that compiles.
func blocks(document, text string) []block {
	var all []block
	var current *block
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && current == nil:
			current = &block{document: document, line: i + 2, language: strings.TrimSpace(language)}
		case fence:
			all = append(all, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	if current != nil {
		all = append(all, *current)
	}
	return all
}

func TestEveryCodeBlockIsChecked(t *testing.T) {
	t.Parallel()
	checks := map[string]func(t *testing.T, b block, document []block){
		"go":      checkGo,
		"sh":      checkShell,
		"nginx":   checkNginx,
		"yaml":    checkYAML,
		"java":    checkJava,
		"json":    checkJSON,
		"mermaid": func(*testing.T, block, []block) {},
	}
	for name, text := range documents(t) {
		all := blocks(name, text)
		for _, b := range all {
			t.Run(b.document, func(t *testing.T) {
				t.Parallel()
				check, known := checks[b.language]
				require.True(t, known, "%s:%d: nothing checks a block of the language %q", b.document, b.line, b.language)
				check(t, b, all)
			})
		}
	}
}

// A link is [text](target) or [text]: target.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]: (\S+)$)`)

func TestLinksLeadToSomething(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for name, text := range all {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, err := url.Parse(match[1] + match[2])
			require.NoError(t, err, name)
			if target.IsAbs() {
				continue
			}
			file := name
			if target.Path != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), target.Path))
				_, err := os.Stat(filepath.Join(root, file))
				require.NoError(t, err, name)
			}
			if target.Fragment != "" {
				require.Contains(t, anchors(all[file]), target.Fragment, "%s: %s", name, target)
			}
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors are what GitHub calls the headings of a document.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if hashes, heading, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Trim(hashes, "#") == "" {
			all = append(all, strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-"))
		}
	}
	return all
}
