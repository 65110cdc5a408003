package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// declaration is a field of a table of C functions.
type declaration struct {
	at     string // file:line
	symbol string
	typ    *ast.FuncType // nil where the field is a bare address without a sig tag
	pkg    *goPackage
}

// goPackage holds what is needed to understand the types of one package of the binding.
type goPackage struct {
	path    string // import path from the binding's folder on: "binding/ggml"
	types   map[string]ast.Expr
	consts  map[string]ast.Expr
	imports map[string]string // name in a file → last two parts of the import path
	all     map[string]*goPackage
}

// parseBinding reads every package below root and returns its tagged fields in file order.
func parseBinding(root string) ([]declaration, map[string]*goPackage, error) {
	packages := map[string]*goPackage{}
	var decls []declaration
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(filepath.Clean(root)), filepath.Dir(path))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		pkg := packages[name]
		if pkg == nil {
			pkg = &goPackage{path: name, types: map[string]ast.Expr{}, consts: map[string]ast.Expr{}, imports: map[string]string{}, all: packages}
			packages[name] = pkg
		}
		found, err := pkg.file(fset, file)
		decls = append(decls, found...)
		return err
	})
	return decls, packages, err
}

// file collects imports, types, constants and tagged fields.
func (p *goPackage) file(fset *token.FileSet, file *ast.File) ([]declaration, error) {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		p.imports[name] = path
	}
	var decls []declaration
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				p.types[s.Name.Name] = s.Type
				if st, ok := s.Type.(*ast.StructType); ok {
					found, err := p.tagged(fset, st)
					if err != nil {
						return nil, err
					}
					decls = append(decls, found...)
				}
			case *ast.ValueSpec:
				for i, n := range s.Names {
					if gen.Tok == token.CONST && i < len(s.Values) {
						p.consts[n.Name] = s.Values[i]
					}
				}
			}
		}
	}
	return decls, nil
}

func (p *goPackage) tagged(fset *token.FileSet, st *ast.StructType) ([]declaration, error) {
	var decls []declaration
	for _, f := range st.Fields.List {
		if f.Tag == nil {
			continue
		}
		text, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, err
		}
		tag := reflect.StructTag(text)
		symbol, ok := tag.Lookup("c")
		if !ok {
			continue
		}
		symbol, _, _ = strings.Cut(symbol, ",")
		d := declaration{at: fset.Position(f.Pos()).String(), symbol: symbol, pkg: p}
		d.typ, _ = f.Type.(*ast.FuncType)
		if sig, ok := tag.Lookup("sig"); ok && d.typ == nil {
			expr, err := parser.ParseExpr(sig)
			if err != nil {
				return nil, fmt.Errorf("%s: sig %q: %w", d.at, sig, err)
			}
			if d.typ, ok = expr.(*ast.FuncType); !ok {
				return nil, fmt.Errorf("%s: sig %q is not a function type", d.at, sig)
			}
		}
		decls = append(decls, d)
	}
	return decls, nil
}

// basics are the predeclared types that a C call can carry.
func basics() map[string]value {
	return map[string]value{
		"bool": {kind: kindBool, bytes: 1}, "string": {kind: kindString}, "uintptr": {kind: kindUint, bytes: 8, name: "uintptr"},
		"int8": {kind: kindInt, bytes: 1}, "int16": {kind: kindInt, bytes: 2}, "int32": {kind: kindInt, bytes: 4}, "int64": {kind: kindInt, bytes: 8},
		"uint8": {kind: kindUint, bytes: 1}, "byte": {kind: kindUint, bytes: 1}, "uint16": {kind: kindUint, bytes: 2}, "uint32": {kind: kindUint, bytes: 4},
		"uint64": {kind: kindUint, bytes: 8}, "float32": {kind: kindFloat, bytes: 4}, "float64": {kind: kindFloat, bytes: 8},
	}
}

// resolve turns a Go type into a value. Structs are named "package.Type".
func (p *goPackage) resolve(e ast.Expr) (value, error) {
	switch t := e.(type) {
	case *ast.ParenExpr:
		return p.resolve(t.X)
	case *ast.FuncType:
		return value{kind: kindFunc, ptr: 1}, nil
	case *ast.StarExpr:
		v, err := p.resolve(t.X)
		v.ptr++
		return v, err
	case *ast.ArrayType:
		return p.array(t)
	case *ast.SelectorExpr:
		return p.selector(t)
	case *ast.Ident:
		def, ok := p.types[t.Name]
		if !ok {
			if v, ok := basics()[t.Name]; ok {
				return v, nil
			}
			return value{}, fmt.Errorf("type %s is no type that C knows; use one of a fixed width", t.Name)
		}
		if _, ok := def.(*ast.StructType); ok {
			return value{kind: kindStruct, name: p.path + "." + t.Name}, nil
		}
		return p.resolve(def)
	}
	return value{}, fmt.Errorf("type %T is no type that C knows", e)
}

func (p *goPackage) array(t *ast.ArrayType) (value, error) {
	n, ok := p.constant(t.Len)
	if !ok {
		return value{}, fmt.Errorf("the length of an array is not a constant that can be read here")
	}
	v, err := p.resolve(t.Elt)
	if v.count > 0 {
		n *= v.count
	}
	v.count = n
	return v, err
}

func (p *goPackage) selector(t *ast.SelectorExpr) (value, error) {
	pkg, ok := t.X.(*ast.Ident)
	if !ok {
		return value{}, fmt.Errorf("type %s cannot be read", t.Sel.Name)
	}
	if pkg.Name == "unsafe" && t.Sel.Name == "Pointer" {
		return value{kind: kindVoid, ptr: 1}, nil
	}
	path := p.imports[pkg.Name]
	for name, other := range p.all {
		if path == name || strings.HasSuffix(path, "/"+name) {
			return other.resolve(t.Sel)
		}
	}
	return value{}, fmt.Errorf("type %s.%s is not of the binding", pkg.Name, t.Sel.Name)
}

// constant evaluates an integer expression of literals and constants of the package.
func (p *goPackage) constant(e ast.Expr) (int64, bool) {
	switch t := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseInt(t.Value, 0, 64)
		return n, err == nil
	case *ast.ParenExpr:
		return p.constant(t.X)
	case *ast.Ident:
		def, ok := p.consts[t.Name]
		if !ok {
			return 0, false
		}
		return p.constant(def)
	case *ast.BinaryExpr:
		a, okA := p.constant(t.X)
		b, okB := p.constant(t.Y)
		switch {
		case !okA || !okB:
		case t.Op == token.ADD:
			return a + b, true
		case t.Op == token.SUB:
			return a - b, true
		case t.Op == token.MUL:
			return a * b, true
		case t.Op == token.QUO && b != 0:
			return a / b, true
		}
	}
	return 0, false
}

// layout places the fields of the struct "package.Type".
func goLayout(packages map[string]*goPackage, name string) (layout, error) {
	dot := strings.LastIndexByte(name, '.')
	p := packages[name[:dot]]
	st, ok := p.types[name[dot+1:]].(*ast.StructType)
	if !ok {
		return layout{}, fmt.Errorf("%s is no struct", name)
	}
	var fields []field
	for _, f := range st.Fields.List {
		v, err := p.resolve(f.Type)
		if err != nil {
			return layout{}, err
		}
		for _, n := range f.Names {
			fields = append(fields, field{name: n.Name, value: v})
		}
	}
	l, ok := place(fields, func(v value) (int64, int64, bool) {
		switch {
		case v.ptr > 0:
			return 8, 8, true
		case v.kind == kindStruct:
			inner, err := goLayout(packages, v.name)
			return inner.size, inner.align, err == nil
		}
		return v.bytes, v.bytes, v.bytes > 0
	})
	if !ok {
		return layout{}, fmt.Errorf("%s has a field that C does not know", name)
	}
	return l, nil
}
