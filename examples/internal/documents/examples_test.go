package documents_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wrongUse is how the example of a wrong use is named, or that of a Config that cannot be meant.
var wrongUse = regexp.MustCompile(`^Example.*_(incorrect|mistakes)$`)

// Every exported function of the packages that users import is called in a file of examples, and each of these packages has
// an example of wrong use.
func TestEveryFunctionIsInAnExample(t *testing.T) {
	t.Parallel()
	exported := make(map[string][]string) // by the package's import path
	shown := make(map[string]bool)        // import path, dot, name
	wrong := make(map[string]bool)        // import paths
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		require.NoError(t, err)
		if entry.IsDir() {
			if name == ".git" || name == ".ci" || entry.Name() == "internal" || entry.Name() == "node_modules" || name == "examples" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		parsed, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		folder := path.Join(module, filepath.ToSlash(filepath.Dir(name)))
		if !strings.HasSuffix(file, "_test.go") {
			exported[folder] = append(exported[folder], functions(parsed, ast.IsExported)...)
			return nil
		}
		if len(functions(parsed, func(name string) bool { return strings.HasPrefix(name, "Example") })) > 0 {
			wrong[folder] = wrong[folder] || len(functions(parsed, wrongUse.MatchString)) > 0
			for _, selected := range selections(parsed) {
				shown[selected] = true
			}
		}
		return nil
	}))
	require.Contains(t, exported, module+"/adapters/bindotel")
	for folder, names := range exported {
		require.True(t, wrong[folder], "no example in %s is of wrong use", folder)
		for _, name := range names {
			require.True(t, shown[folder+"."+name], "no example has %s.%s", folder, name)
		}
	}
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
