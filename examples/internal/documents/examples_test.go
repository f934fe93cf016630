package documents_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wrongUse is how the example of a wrong use is named: one that compiles, and that nothing reports. A Config that is refused
// is none.
var wrongUse = regexp.MustCompile(`^Example.*_incorrect$`)

// Every exported function of the packages that users import is called in a file of examples, and each of these packages has
// an example of wrong use.
func TestEveryFunctionIsInAnExample(t *testing.T) {
	t.Parallel()
	exported := make(map[string][]string) // by the package's import path
	shown := make(map[string]bool)        // import path, dot, name
	wrong := make(map[string]bool)        // import paths
	for name, file := range goFiles(t) {
		folder := path.Join(module, path.Dir(name))
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, ".ci/") || strings.Contains(name, "internal/") ||
			path.Dir(name) == ofThisModule {
			continue
		}
		if !strings.HasSuffix(name, "_test.go") {
			exported[folder] = append(exported[folder], functions(file, ast.IsExported)...)
			continue
		}
		if len(functions(file, regexp.MustCompile("^Example").MatchString)) > 0 {
			wrong[folder] = wrong[folder] || len(functions(file, wrongUse.MatchString)) > 0
			for _, selected := range selections(file) {
				shown[selected] = true
			}
		}
	}
	require.Contains(t, exported, module+"/adapters/bindotel")
	for folder, names := range exported {
		require.True(t, wrong[folder], "no example in %s is of wrong use", folder)
		for _, name := range names {
			require.True(t, shown[folder+"."+name], "no example has %s.%s", folder, name)
		}
	}
}

// A test or example that a document names is there.
func TestNamesOfTests(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, file := range goFiles(t) {
		for _, name := range functions(file, ast.IsExported) {
			known[name] = true
		}
	}
	named := 0
	for document, text := range documents(t) {
		// In code, or as SECURITY.md has them, in italics.
		for _, match := range regexp.MustCompile("[`*, \n]((?:Example|Test|Fuzz)[A-Z]\\w*)[`*,.\\n]").FindAllStringSubmatch(text, -1) {
			named++
			require.True(t, known[match[1]] || match[1] == "ExampleXxx", "%s: %s", document, match[1])
		}
	}
	require.NotZero(t, named)
}

// goFiles returns the Go files of this repository, nested modules and all, by their names with slashes.
func goFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	found := make(map[string]*ast.File)
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".go":
			return nil
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)], err = parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		return err
	}))
	return found
}

// functions are the names of a file's functions, and not of its methods, that are wanted.
func functions(file *ast.File, wanted func(name string) bool) []string {
	var names []string
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && wanted(function.Name.Name) {
			names = append(names, function.Name.Name)
		}
	}
	return names
}

// selections are the names of other packages that a file uses, each behind its package's import path and a dot.
func selections(file *ast.File) []string {
	imported := make(map[string]string)
	for _, spec := range file.Imports {
		from, _ := strconv.Unquote(spec.Path.Value)
		as := path.Base(from)
		if spec.Name != nil {
			as = spec.Name.Name
		}
		imported[as] = from
	}
	var all []string
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && imported[x.Name] != "" {
				all = append(all, imported[x.Name]+"."+selector.Sel.Name)
			}
		}
		return true
	})
	return all
}
