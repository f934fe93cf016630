package main

import (
	"go/ast"
	"slices"
)

// names are those of functions and methods that take a *testing.T and reach an assertion. Of two with one name, one that
// does is enough: a name is looked up where it is given a *testing.T, or handed on as a value.
type names map[string]bool

// asserting finds them: the functions that assert, those that call these, and so on; and the fields of the tables that
// hold them.
func asserting(files []*ast.File) names {
	known := make(names)
	functions, tables := declared(files)
	for more := true; more; {
		more = false
		for _, table := range tables {
			for _, field := range functionFields(table) {
				if !known[field] && known.listed(table) {
					known[field], more = true, true
				}
			}
		}
		for _, function := range functions {
			name := function.Name.Name
			if known[name] || len(testers(function.Type)) == 0 {
				continue
			}
			if known.reached(function.Body, testers(function.Type)) {
				known[name], more = true, true
			}
		}
	}
	return known
}

// The methods of a *testing.T that fail a test, and the packages whose functions do.
var (
	failing  = []string{"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"}
	packages = []string{"assert", "require", "goleak"}
)

// reached reports whether the body, or a function within it, asserts.
func (known names) reached(body ast.Node, testing []string) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			testing = append(testing, testers(n.Type)...)
		case *ast.CallExpr:
			found = found || known.asserts(n, testing)
		case *ast.CompositeLit:
			found = found || known.listed(n)
		}
		return !found
	})
	return found
}

// listed reports whether one of the functions is in the table.
func (known names) listed(table *ast.CompositeLit) bool {
	return slices.ContainsFunc(table.Elts, func(e ast.Expr) bool {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		row, ok := e.(*ast.CompositeLit)
		return ok && known.listed(row) || known[nameOf(e)]
	})
}

// functionFields returns the fields of a table's rows that hold functions which take a *testing.T.
func functionFields(table *ast.CompositeLit) []string {
	list, ok := table.Type.(*ast.ArrayType)
	if !ok {
		return nil
	}
	row, ok := list.Elt.(*ast.StructType)
	if !ok {
		return nil
	}
	var names []string
	for _, field := range row.Fields.List {
		if function, ok := field.Type.(*ast.FuncType); ok && takesTesting(function) {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// declared returns all functions, and all tables.
func declared(files []*ast.File) (functions []*ast.FuncDecl, tables []*ast.CompositeLit) {
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					functions = append(functions, n)
				}
			case *ast.CompositeLit:
				tables = append(tables, n)
			}
			return true
		})
	}
	return functions, tables
}

func (known names) asserts(call *ast.CallExpr, testing []string) bool {
	if method, ok := call.Fun.(*ast.SelectorExpr); ok {
		on := nameOf(method.X)
		if slices.Contains(testing, on) && slices.Contains(failing, method.Sel.Name) || slices.Contains(packages, on) {
			return true
		}
	}
	isTesting := func(e ast.Expr) bool { return slices.Contains(testing, nameOf(e)) }
	if known[nameOf(call.Fun)] && slices.ContainsFunc(call.Args, isTesting) {
		return true
	}
	return slices.ContainsFunc(call.Args, func(e ast.Expr) bool { return known[nameOf(e)] })
}

// nameOf returns the last name of a name, or "".
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr: // of a generic function
		return nameOf(e.X)
	}
	return ""
}
