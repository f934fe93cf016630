package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// find makes the mutants of a file:
//
//   - a branch that is never taken, or, unless it refuses, always;
//   - a predicate that always holds; an operand that does not count;
//   - a limit that is off by one, on either side;
//   - a case that is missing;
//   - a statement that is left out: a call or an assignment;
//   - a field that is not passed on;
//   - a slice that is not copied;
//   - a name that is missing from a list.
//
// What is not in here: a branch that always refuses, the reason that a refusal
// gives, the ends of loops, and whatever else makes no rule go away.
func (s *source) find(numbers *int) {
	s.numbers = numbers
	for _, declaration := range s.syntax.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Body != nil {
				w := &walk{source: s, within: functionName(d)}
				w.function(d.Type, d.Body)
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				for _, spec := range d.Specs {
					value := spec.(*ast.ValueSpec)
					w := &walk{source: s, within: value.Names[0].Name, list: true}
					for _, v := range value.Values {
						ast.Walk(w, v)
					}
				}
			}
		}
	}
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

// A walk goes through one function, or the value of one variable.
type walk struct {
	*source
	within string
	list   bool // a variable of the package, whose elements are rules
}

// add makes a mutant and returns its number.
func (w *walk) add(node ast.Node, what string) int {
	*w.numbers++
	w.mutants = append(w.mutants, &mutant{
		name:   fmt.Sprintf("%s %s: %s", w.file, w.within, what),
		file:   w.file,
		line:   w.fset.Position(node.Pos()).Line,
		number: *w.numbers,
		source: w.source,
	})
	return *w.numbers
}

func (w *walk) offset(p token.Pos) int { return w.fset.Position(p).Offset }

func (w *walk) around(node ast.Node, before, after string) {
	w.edits = append(w.edits, edit{from: w.offset(node.Pos()), to: w.offset(node.End()), before: before, after: after})
}

// code returns the text of a node in one line.
func (w *walk) code(node ast.Node) string {
	return strings.Join(strings.Fields(w.raw(node)), " ")
}

func (w *walk) raw(node ast.Node) string {
	return string(w.text[w.offset(node.Pos()):w.offset(node.End())])
}

// short is code, cut where it is long: a statement's first words tell it apart.
func (w *walk) short(node ast.Node) string {
	const most = 100
	code := w.code(node)
	if len(code) > most {
		code = code[:most] + "..."
	}
	return code
}

// function walks through a body. A body that may lack its last statement must
// still end in one.
func (w *walk) function(signature *ast.FuncType, body *ast.BlockStmt) {
	if signature.Results != nil && len(body.List) > 0 {
		if _, returns := body.List[len(body.List)-1].(*ast.ReturnStmt); !returns {
			at := w.offset(body.Rbrace)
			w.edits = append(w.edits, edit{from: at, to: at, before: "\npanic(\"a mutant fell through\")\n"})
		}
	}
	inner := *w
	inner.list = false
	ast.Walk(&inner, body)
}

func (w *walk) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.FuncLit:
		w.function(n.Type, n.Body)
		return nil
	case *ast.BlockStmt:
		w.statements(n.List, 0)
	case *ast.CommClause:
		w.statements(n.Body, 0)
	case *ast.IfStmt:
		w.ifStatement(n)
		return nil
	case *ast.ForStmt: // not its condition, which is no rule
		w.each(n.Init, n.Post, n.Body)
		return nil
	case *ast.SwitchStmt:
		w.each(n.Init, n.Tag)
		w.clauses(n.Body, n.Tag)
		return nil
	case *ast.TypeSwitchStmt:
		w.each(n.Init, n.Assign)
		w.clauses(n.Body, n.Assign)
		return nil
	case *ast.ReturnStmt:
		for _, result := range n.Results {
			w.value(result)
		}
		return nil
	case *ast.AssignStmt:
		for _, value := range n.Rhs {
			w.value(value)
		}
		for _, place := range n.Lhs {
			ast.Walk(w, place)
		}
		return nil
	case *ast.BinaryExpr:
		if n.Op == token.LAND || n.Op == token.LOR {
			w.condition(n, context{always: true})
			return nil
		}
		w.comparison(n)
	case *ast.CompositeLit:
		w.fields(n)
		w.elements(n)
	case *ast.CallExpr:
		w.copied(n)
	}
	return w
}

// each walks through what is there of the nodes.
func (w *walk) each(nodes ...ast.Node) {
	for _, n := range nodes {
		switch n := n.(type) {
		case nil:
		case *ast.BlockStmt:
			ast.Walk(w, n)
		default:
			ast.Walk(w, n)
		}
	}
}
