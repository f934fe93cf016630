package documents_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wholeFile is how a file begins: with its name, and then the package.
var wholeFile = regexp.MustCompile(`^// (\w+\.go)\n(?://.*\n)*package `)

// module is this one, and modulePath what README.md calls its reader's.
const (
	module     = "github.com/certbound/certbound"
	modulePath = "bank.example/accounts"
)

// checkGo leaves files to [TestWholeFilesAreAProgram].
func checkGo(t *testing.T, b block, document []block) {
	if wholeFile.MatchString(b.text) {
		return
	}
	files := token.NewFileSet()
	given, err := parser.ParseFile(files, "environment", environment, parser.SkipObjectResolution)
	require.NoError(t, err)
	fragments := []*ast.File{given}
	for _, other := range document { // what the same document declares elsewhere
		if declared := declarations(files, other); other != b && declared != nil {
			fragments = append(fragments, declared)
		}
	}
	file := declarations(files, b)
	if file == nil {
		file, err = parser.ParseFile(files, "", head+"func _(w http.ResponseWriter, r *http.Request) error {\n"+
			at(b)+b.text+"\nreturn nil\n}", parser.SkipObjectResolution)
		require.NoError(t, err)
	}

	var mistakes []error
	config := types.Config{
		Importer: importer.ForCompiler(files, "gc", exported(t)),
		Error: func(err error) {
			// A fragment need not use everything that it declares, and does not use all of imports.
			if mistake := (types.Error{}); !errors.As(err, &mistake) || !mistake.Soft {
				mistakes = append(mistakes, err)
			}
		},
	}
	_, _ = config.Check("fragment", files, append(fragments, file), nil)
	require.NoError(t, errors.Join(mistakes...))
}

// declarations is a block that declares something at the top of a file, or nil: statements are none.
func declarations(files *token.FileSet, b block) *ast.File {
	if b.language != "go" || wholeFile.MatchString(b.text) {
		return nil
	}
	file, err := parser.ParseFile(files, "", head+at(b)+b.text, parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	return file
}

var head = "package fragment\nimport (\"" + strings.Join(imports, `";"`) + "\")\n"

// at has mistakes reported where they are in the document.
func at(b block) string { return fmt.Sprintf("//line %s:%d\n", b.document, b.line) }

// exported finds what the compiler has exported of a package.
func exported(t *testing.T) importer.Lookup {
	t.Helper()
	files, err := exportFiles()
	require.NoError(t, err)
	return func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(files[path])
	}
}

// exportFiles has the go command compile the packages that fragments may import, and those that these import.
var exportFiles = sync.OnceValues(func() (map[string]string, error) {
	var stderr bytes.Buffer
	command := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, imports...)...)
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	files := make(map[string]string)
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var listed struct{ ImportPath, Export string }
		switch err := decoder.Decode(&listed); {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, err
		}
		files[listed.ImportPath] = listed.Export
	}
})

// The files of each document are a module of their own, as a reader's are, with the dependencies of this one.
func TestWholeFilesAreAProgram(t *testing.T) {
	t.Parallel()
	gomod, gosum := readersModule(t)
	programs := 0
	for name, text := range documents(t) {
		folder, tests := t.TempDir(), false
		write := func(file, text string) {
			path := filepath.Join(folder, file)
			require.NoFileExists(t, path, "%s has two files of this name", name)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
		for _, b := range blocks(name, text) {
			if match := wholeFile.FindStringSubmatch(b.text); b.language == "go" && match != nil {
				write(match[1], b.text)
				tests = tests || strings.HasSuffix(match[1], "_test.go")
			}
		}
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		if len(files) == 0 {
			continue
		}
		programs++
		write("go.mod", gomod)
		write("go.sum", gosum)
		for _, arguments := range [][]string{{"vet", "./..."}, {"test", "-count=1", "-v", "./..."}} {
			output, err := inModule(folder, arguments...)
			require.NoError(t, err, "%s: go %v: %s", name, arguments, output)
			if tests && arguments[0] == "test" {
				require.Contains(t, output, "--- PASS: ", name)
			}
		}
	}
	require.NotZero(t, programs)
}

// readersModule is go.mod and go.sum of a reader's module, with the dependencies of this one.
func readersModule(t *testing.T) (gomod, gosum string) {
	t.Helper()
	ours, err := filepath.Abs(root)
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	gomod = strings.Replace(string(mod), "module "+module, "module "+modulePath, 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\nreplace %[1]s => %q\n", module, ours)
	require.Contains(t, gomod, modulePath)
	return gomod, string(sum)
}

// inModule runs the go command in a reader's module.
func inModule(folder string, arguments ...string) (string, error) {
	command := exec.Command("go", arguments...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	output, err := command.CombinedOutput()
	return string(output), err
}
