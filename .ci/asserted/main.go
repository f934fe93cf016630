// Command asserted names every test below the current folder that executes code and asserts nothing: a Test or Fuzz
// function, or a function that one hands to t.Run or f.Fuzz, from which no assertion is reached. An assertion is a call of
// testify's require or assert, of t.Error and its like, of goleak, or of a function that takes a *testing.T and reaches
// one. Examples with Output are compared by go test; those without are documentation, and never run. It also names every
// test that .github/SECURITY.md speaks of and that is none. It prints one line of counts. Exit status 1 if there is a
// name to print.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	files := token.NewFileSet()
	var parsed []*ast.File
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, file)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	known := asserting(parsed)
	functions, _ := declared(parsed)
	tests, parts, found := 0, 0, 0
	promised, err := os.ReadFile(".github/SECURITY.md")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(promised), -1) {
		if !slices.ContainsFunc(functions, func(f *ast.FuncDecl) bool { return f.Name.Name == name }) {
			found++
			fmt.Printf(".github/SECURITY.md: there is no %s\n", name)
		}
	}
	for _, function := range functions {
		if !isTest(files, function) {
			continue
		}
		tests++
		if !known.reached(function.Body, testers(function.Type)) {
			found++
			fmt.Printf("%s: %s asserts nothing\n", files.Position(function.Pos()), function.Name.Name)
		}
		for _, part := range handedOver(function.Body) {
			parts++
			if !known.reached(part.Body, testers(part.Type)) {
				found++
				fmt.Printf("%s: a part of %s asserts nothing\n", files.Position(part.Pos()), function.Name.Name)
			}
		}
	}
	fmt.Printf("assertions: %d tests and %d functions that they hand to Run and Fuzz; %d without\n", tests, parts, found)
	if tests == 0 || found > 0 {
		os.Exit(1)
	}
}

// isTest reports whether go test runs the function: not TestMain, which takes a *testing.M.
func isTest(files *token.FileSet, function *ast.FuncDecl) bool {
	name := function.Name.Name
	return function.Recv == nil && strings.HasSuffix(files.Position(function.Pos()).Filename, "_test.go") &&
		(strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")) && len(testers(function.Type)) == 1
}

// testers returns the names of the parameters that can fail a test.
func testers(signature *ast.FuncType) []string {
	var names []string
	for _, field := range signature.Params.List {
		for _, name := range field.Names {
			if isTesting(field.Type) {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// takesTesting reports whether a type of functions has such a parameter, with a name or without.
func takesTesting(signature *ast.FuncType) bool {
	return slices.ContainsFunc(signature.Params.List, func(field *ast.Field) bool { return isTesting(field.Type) })
}

// isTesting: *testing.T, *testing.F, *testing.B, testing.TB.
func isTesting(typ ast.Expr) bool {
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	selector, ok := typ.(*ast.SelectorExpr)
	return ok && nameOf(selector.X) == "testing" && selector.Sel.Name != "M"
}

// handedOver returns the function literals that are the last argument of a method Run or Fuzz.
func handedOver(body ast.Node) []*ast.FuncLit {
	var literals []*ast.FuncLit
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || method.Sel.Name != "Run" && method.Sel.Name != "Fuzz" {
			return true
		}
		if literal, ok := call.Args[len(call.Args)-1].(*ast.FuncLit); ok && len(testers(literal.Type)) > 0 {
			literals = append(literals, literal)
		}
		return true
	})
	return literals
}
