package binding_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A verifier that forgets Validate does not compile.
func TestToForgetValidateDoesNotCompile(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	require.NoError(t, err, "this test asks the go command")
	build := func(folder string) (string, error) {
		output, err := exec.CommandContext(t.Context(), goTool, "build", "-o", os.DevNull, "./testdata/"+folder).CombinedOutput()
		return string(output), err
	}
	output, err := build("judged")
	require.NoError(t, err, output)
	output, err = build("forgotten")
	require.Error(t, err)
	require.Contains(t, output, "binding.Claims")
	require.Contains(t, output, "*binding.Token value in return statement")
}

// tokenGivers are the functions that give a *Token that a guard accepts. All but Validate hand on one of its.
var tokenGivers = []string{"Validate", "Check", "TokenFromContext", "VerifyToken", "Within"}

// Validate is the one door to a Token: no other function of the module makes one, and none that is exported gives one but
// by a name that says what it has done.
func TestValidateIsTheOneDoorToAToken(t *testing.T) {
	t.Parallel()
	given, made := make(map[string]bool), make(map[string]int)
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "examples" || len(entry.Name()) > 2 && entry.Name()[0] == '.'):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		inside := file.Name.Name == "binding"
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if ok && function.Name.IsExported() && givesToken(function.Type, inside) {
				given[function.Name.Name] = true
				require.Contains(t, tokenGivers, function.Name.Name, path)
			}
			ast.Inspect(declaration, func(node ast.Node) bool {
				if literal, ok := node.(*ast.CompositeLit); ok && isToken(literal.Type, inside) && len(literal.Elts) > 0 {
					require.NotNil(t, function, path)
					made[function.Name.Name]++
				}
				if method, ok := node.(*ast.Field); ok && len(method.Names) == 1 && method.Names[0].IsExported() {
					if signature, ok := method.Type.(*ast.FuncType); ok && givesToken(signature, inside) {
						require.Contains(t, tokenGivers, method.Names[0].Name, path)
					}
				}
				return true
			})
		}
		return nil
	}))
	for _, name := range tokenGivers {
		require.True(t, given[name], "%s gives no Token any more", name)
	}
	require.Equal(t, map[string]int{"Validate": 1}, made)
}

func givesToken(function *ast.FuncType, inside bool) bool {
	return function.Results != nil && slices.ContainsFunc(function.Results.List, func(f *ast.Field) bool { return isToken(f.Type, inside) })
}

// isToken reports whether an expression is the type Token of package binding, or a pointer to it.
func isToken(expression ast.Expr, inside bool) bool {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return isToken(e.X, inside)
	case *ast.Ident:
		return inside && e.Name == "Token"
	case *ast.SelectorExpr:
		of, ok := e.X.(*ast.Ident)
		return ok && of.Name == "binding" && e.Sel.Name == "Token"
	}
	return false
}
