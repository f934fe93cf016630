package main

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
)

// A source is one file of the library, read.
type source struct {
	target *target
	file   string // from the root of the module
	text   []byte
	fset   *token.FileSet
	syntax *ast.File
	types  *types.Info
	pkg    *types.Package

	numbers *int // of the mutants of all files
	mutants []*mutant
	edits   []edit
}

// load reads and checks the packages. Types tell a comparison of numbers from
// one of pointers, and the zero value of a field.
func load(targets []target) ([]*source, error) {
	paths := make([]string, len(targets))
	for i := range targets {
		paths[i] = "./" + targets[i].folder
	}
	packages, err := goList(paths)
	if err != nil {
		return nil, err
	}
	export := make(map[string]string)
	byFolder := make(map[string]listed)
	for _, p := range packages {
		export[p.ImportPath] = p.Export
		byFolder[p.Dir] = p
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(export[path]) }
	var sources []*source
	numbers := 0
	for i := range targets {
		folder, err := filepath.Abs(targets[i].folder)
		if err != nil {
			return nil, err
		}
		p, ok := byFolder[folder]
		if !ok {
			return nil, fmt.Errorf("no package in %s", folder)
		}
		fset := token.NewFileSet()
		var files []*ast.File
		var ofPackage []*source
		for _, name := range p.GoFiles {
			path := filepath.Join(targets[i].folder, name)
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			syntax, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, syntax)
			ofPackage = append(ofPackage, &source{target: &targets[i], file: path, text: text, fset: fset, syntax: syntax})
		}
		info := &types.Info{
			Types: make(map[ast.Expr]types.TypeAndValue),
			Defs:  make(map[*ast.Ident]types.Object),
			Uses:  make(map[*ast.Ident]types.Object),
		}
		checker := types.Config{Importer: importer.ForCompiler(fset, "gc", lookup)}
		pkg, err := checker.Check(p.ImportPath, fset, files, info)
		if err != nil {
			return nil, err
		}
		for _, s := range ofPackage {
			s.types, s.pkg = info, pkg
			s.find(&numbers)
		}
		sources = append(sources, ofPackage...)
	}
	return sources, nil
}

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

func goList(paths []string) ([]listed, error) {
	args := append([]string{"list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles"}, paths...)
	command := exec.Command("go", args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}
