package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// ifStatement makes a branch that is never taken, or always.
func (w *walk) ifStatement(n *ast.IfStmt) {
	if n.Init != nil {
		ast.Walk(w, n.Init)
	}
	w.condition(n.Cond, context{never: true, always: !w.refuses(n.Body)})
	w.statements(n.Body.List, 1)
	for _, s := range n.Body.List {
		ast.Walk(w, s)
	}
	if n.Else != nil {
		ast.Walk(w, n.Else)
	}
}

// refuses reports whether a branch ends with a refusal: it returns an error, or
// false, or goes on to the next of a loop.
func (w *walk) refuses(body *ast.BlockStmt) bool {
	if len(body.List) == 0 {
		return false
	}
	switch last := body.List[len(body.List)-1].(type) {
	case *ast.BranchStmt:
		return last.Tok == token.CONTINUE
	case *ast.ReturnStmt:
		if len(last.Results) == 0 {
			return false
		}
		result := w.types.Types[last.Results[len(last.Results)-1]]
		if result.Value != nil && result.Value.Kind() == constant.Bool {
			return !constant.BoolVal(result.Value)
		}
		return !result.IsNil() && types.Implements(result.Type, errorType)
	}
	return false
}

var errorType = types.Universe.Lookup("error").Type().Underlying().(*types.Interface)

// value makes a result or an assigned value that is always true.
func (w *walk) value(e ast.Expr) {
	if w.isBool(e) {
		w.condition(e, context{always: true})
	} else {
		ast.Walk(w, e)
	}
}

// isBool reports whether the expression decides something: not a constant, and
// not a variable, whose value was decided elsewhere.
func (w *walk) isBool(e ast.Expr) bool {
	t := w.types.Types[e]
	if t.Value != nil || t.Type == nil {
		return false
	}
	basic, ok := t.Type.Underlying().(*types.Basic)
	if !ok || basic.Info()&types.IsBoolean == 0 {
		return false
	}
	switch ast.Unparen(e).(type) {
	case *ast.BinaryExpr, *ast.UnaryExpr, *ast.CallExpr:
		return true
	}
	return false
}

// A context says which mutants of a condition there are.
type context struct {
	operand       token.Token // of which it is one, or ILLEGAL
	never, always bool
}

// condition makes an expression false or true, and its operands one by one: an
// operand of || false, of && true.
func (w *walk) condition(e ast.Expr, in context) {
	binary, isBinary := ast.Unparen(e).(*ast.BinaryExpr)
	junction := isBinary && (binary.Op == token.LAND || binary.Op == token.LOR)
	// Of a junction without one operand the tests tell as much.
	never := in.never && !(junction && binary.Op == token.LOR)
	always := in.always && !(junction && binary.Op == token.LAND)
	code := w.short(e)
	if in.operand != token.ILLEGAL {
		code = "operand " + code
	}
	if never {
		w.around(e, fmt.Sprintf("(!mutant(%d) && (", w.add(e, code+" -> false")), "))")
	}
	if always {
		w.around(e, fmt.Sprintf("(mutant(%d) || (", w.add(e, code+" -> true")), "))")
	}
	if junction {
		operands := context{operand: binary.Op, never: binary.Op == token.LOR, always: binary.Op == token.LAND}
		w.condition(binary.X, operands)
		w.condition(binary.Y, operands)
		return
	}
	ast.Walk(w, e)
}

// comparison makes a limit that is one too many, or one too few.
func (w *walk) comparison(n *ast.BinaryExpr) {
	x, y := w.types.Types[n.X], w.types.Types[n.Y]
	if x.Value != nil && y.Value != nil || x.Type == nil {
		return
	}
	basic, ok := x.Type.Underlying().(*types.Basic)
	if !ok || basic.Info()&types.IsOrdered == 0 {
		return
	}
	var other token.Token
	switch n.Op {
	case token.LSS:
		other = token.LEQ
	case token.LEQ:
		other = token.LSS
	case token.GTR:
		other = token.GEQ
	case token.GEQ:
		other = token.GTR
	default:
		return
	}
	left, right := w.raw(n.X), w.raw(n.Y)
	where := w.code(n)
	w.exception(n, n.Op == token.LSS || n.Op == token.GTR,
		w.add(n, fmt.Sprintf("%s -> %s", where, other)), fmt.Sprintf("(%s) == (%s)", left, right))
	// For a whole number that has a name, the other side too: >= is a limit one
	// less, and here one more.
	if basic.Info()&types.IsInteger == 0 || types.TypeString(x.Type, nil) == "time.Duration" {
		return
	}
	step := "+ 1"
	if n.Op == token.LSS || n.Op == token.GEQ {
		step = "- 1"
	}
	if isNamed(n.X) && isWhole(x) {
		right, left = left, right
		step = map[string]string{"+ 1": "- 1", "- 1": "+ 1"}[step]
	} else if !isNamed(n.Y) || !isWhole(y) {
		return
	}
	w.exception(n, n.Op == token.LEQ || n.Op == token.GEQ,
		w.add(n, fmt.Sprintf("%s -> limit %s", where, step)), fmt.Sprintf("(%s) == (%s) %s", left, right, step))
}

// exception decides the other way in the one case: for it, or against it.
func (w *walk) exception(n ast.Node, forIt bool, number int, when string) {
	if forIt {
		w.around(n, "(", fmt.Sprintf(" || mutant(%d) && %s)", number, when))
	} else {
		w.around(n, "(", fmt.Sprintf(" && !(mutant(%d) && %s))", number, when))
	}
}

func isNamed(e ast.Expr) bool {
	switch ast.Unparen(e).(type) {
	case *ast.Ident, *ast.SelectorExpr:
		return true
	}
	return false
}

func isWhole(t types.TypeAndValue) bool {
	return t.Value != nil && t.Value.Kind() == constant.Int
}

// clauses makes a switch that lacks one case, and one of several values in it.
func (w *walk) clauses(body *ast.BlockStmt, tag ast.Node) {
	tagged := tag != nil && tag != ast.Expr(nil)
	for _, statement := range body.List {
		clause := statement.(*ast.CaseClause)
		whole := tagged || clause.List == nil
		for _, e := range clause.List {
			switch {
			case !tagged:
				w.condition(e, context{never: true})
			case len(clause.List) > 1 && w.isText(e):
				whole = false
				number := w.add(e, "case "+w.short(e)+" is missing")
				w.around(e, fmt.Sprintf("mutantText[%s](%d, ", w.typeName(e), number), ")")
			}
		}
		if whole && len(clause.Body) > 0 && !endsInFallthrough(clause.Body) {
			what := "default"
			if clause.List != nil {
				what = "case " + w.short(clause.List[0])
			}
			number := w.add(clause, what+" does nothing")
			w.edits = append(w.edits, edit{
				from:   w.offset(clause.Body[0].Pos()),
				to:     w.offset(clause.Body[len(clause.Body)-1].End()),
				before: fmt.Sprintf("if !mutant(%d) {\n", number),
				after:  "\n}",
			})
		}
		w.statements(clause.Body, 1)
		for _, s := range clause.Body {
			ast.Walk(w, s)
		}
	}
}

func endsInFallthrough(body []ast.Stmt) bool {
	branch, ok := body[len(body)-1].(*ast.BranchStmt)
	return ok && branch.Tok == token.FALLTHROUGH
}

// statements leaves out one statement, if there are more than so many.
func (w *walk) statements(list []ast.Stmt, more int) {
	if len(list) <= more {
		return // without the branch it is the same
	}
	for _, statement := range list {
		switch n := statement.(type) {
		case *ast.ExprStmt:
			if call, ok := n.X.(*ast.CallExpr); ok && w.code(call.Fun) == "panic" {
				continue
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE || w.isBlank(n.Lhs) {
				continue
			}
		case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		number := w.add(statement, "without "+w.short(statement))
		w.around(statement, fmt.Sprintf("if !mutant(%d) { ", number), " }")
	}
}

func (w *walk) isBlank(places []ast.Expr) bool {
	for _, e := range places {
		if name, ok := e.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	return true
}

// fields leaves one field of a struct at its zero value.
func (w *walk) fields(n *ast.CompositeLit) {
	if n.Type == nil && !w.list {
		return
	}
	structure, ok := w.types.Types[n].Type.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for _, e := range n.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return
		}
		name := pair.Key.(*ast.Ident).Name
		if _, isFunction := pair.Value.(*ast.FuncLit); isFunction || w.isZero(pair.Value) || w.isChoice(pair.Value) {
			continue
		}
		for field := range structure.Fields() {
			if field.Name() != name {
				continue
			}
			typeName, ok := w.nameOf(field.Type())
			if !ok {
				continue
			}
			number := w.add(pair, "without "+w.short(pair))
			w.around(pair.Value, fmt.Sprintf("mutantZero[%s](%d, ", typeName, number), ")")
		}
	}
}

// isChoice reports whether the value is one of a closed list: a reason, a kind.
func (w *walk) isChoice(e ast.Expr) bool {
	t := w.types.Types[e]
	_, isBasic := t.Type.(*types.Basic)
	return t.Value != nil && !isBasic && isNamed(e)
}

func (w *walk) isZero(e ast.Expr) bool {
	t := w.types.Types[e]
	if t.IsNil() {
		return true
	}
	switch v := t.Value; {
	case v == nil:
		return false
	case v.Kind() == constant.String:
		return constant.StringVal(v) == ""
	case v.Kind() == constant.Bool:
		return !constant.BoolVal(v)
	default:
		return constant.Sign(v) == 0
	}
}

// elements leaves one text out of a list.
func (w *walk) elements(n *ast.CompositeLit) {
	switch w.types.Types[n].Type.Underlying().(type) {
	case *types.Slice, *types.Array:
	default:
		return
	}
	for _, e := range n.Elts {
		if w.isText(e) {
			number := w.add(e, w.short(e)+" is missing")
			w.around(e, fmt.Sprintf("mutantText[%s](%d, ", w.typeName(e), number), ")")
		}
	}
}

// copied hands out the slice itself.
func (w *walk) copied(n *ast.CallExpr) {
	if w.code(n.Fun) == "slices.Clone" || w.code(n.Fun) == "maps.Clone" {
		number := w.add(n, w.short(n)+" is no copy")
		w.around(n, fmt.Sprintf("mutantOr(%d, ", number), ", "+w.raw(n.Args[0])+")")
	}
}

// isText reports whether the expression is a constant text whose type has a name here.
func (w *walk) isText(e ast.Expr) bool {
	t := w.types.Types[e]
	if t.Value == nil || t.Value.Kind() != constant.String {
		return false
	}
	_, ok := w.nameOf(t.Type)
	return ok
}

func (w *walk) typeName(e ast.Expr) string {
	name, _ := w.nameOf(w.types.Types[e].Type)
	return name
}

// nameOf writes a type as this file would.
func (w *walk) nameOf(t types.Type) (string, bool) {
	ok := true
	imported := make(map[string]bool)
	for _, i := range w.syntax.Imports {
		imported[i.Path.Value] = i.Name == nil
	}
	name := types.TypeString(t, func(p *types.Package) string {
		if p == w.pkg {
			return ""
		}
		ok = ok && imported[`"`+p.Path()+`"`]
		return p.Name()
	})
	return name, ok
}
