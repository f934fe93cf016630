// Command undocumented names every exported name without a doc comment in the packages whose folders are its arguments,
// and every package without one. Fields of structs and methods of interfaces are names, too. A line comment is enough for
// them, or one above a block of them; for constants and variables, the comment of their group. What is below a folder internal is nobody's API: there
// only the package needs its comment. Exit status 1 if there is one.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	files := token.NewFileSet()
	found := 0
	missing := func(at token.Pos, name string) {
		found++
		fmt.Printf("%s: %s has no doc comment\n", files.Position(at), name)
	}
	for _, folder := range os.Args[1:] {
		names, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			log.Fatal(err)
		}
		var first *ast.File
		documented := false
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				log.Fatal(err)
			}
			if first == nil {
				first = file
			}
			documented = documented || file.Doc != nil
			if strings.Contains(filepath.ToSlash(folder), "/internal/") {
				continue
			}
			for _, decl := range file.Decls {
				check(files, decl, missing)
			}
		}
		if first != nil && !documented {
			missing(first.Package, "package "+first.Name.Name)
		}
	}
	if found > 0 {
		os.Exit(1)
	}
}

func check(files *token.FileSet, decl ast.Decl, missing func(token.Pos, string)) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Name.IsExported() && decl.Doc == nil && (decl.Recv == nil || exportedType(decl.Recv.List[0].Type)) {
			missing(decl.Pos(), decl.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				names(spec.Names, decl.Doc != nil || spec.Doc != nil || spec.Comment != nil, missing)
			case *ast.TypeSpec:
				names([]*ast.Ident{spec.Name}, decl.Doc != nil && len(decl.Specs) == 1 || spec.Doc != nil, missing)
				if spec.Name.IsExported() {
					members(files, spec.Type, missing)
				}
			}
		}
	}
}

// members checks what a type has inside. An embedded one speaks for itself.
func members(files *token.FileSet, typ ast.Expr, missing func(token.Pos, string)) {
	var list *ast.FieldList
	switch typ := typ.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
		if len(list.List) == 1 {
			return // the type's comment is about it
		}
	default:
		return
	}
	above := -1 // the line of the last field that shares in a comment
	for _, field := range list.List {
		line := files.Position(field.Type.Pos()).Line
		shares := field.Doc != nil || line == above+1
		if shares {
			above = line
		}
		names(field.Names, shares || field.Comment != nil, missing)
		members(files, field.Type, missing)
	}
}

func names(all []*ast.Ident, documented bool, missing func(token.Pos, string)) {
	for _, name := range all {
		if name.IsExported() && !documented {
			missing(name.Pos(), name.Name)
		}
	}
}

func exportedType(receiver ast.Expr) bool {
	switch typ := receiver.(type) {
	case *ast.StarExpr:
		return exportedType(typ.X)
	case *ast.IndexExpr:
		return exportedType(typ.X)
	case *ast.IndexListExpr:
		return exportedType(typ.X)
	case *ast.Ident:
		return typ.IsExported()
	}
	return false
}
