// Command importcheck holds the direction of imports: a package of graft may import only what stands to its right in
//
//	cmd/graft → peft/train → peft/… → peft → peft/nn → ggml/… → ggml → binding
//
// and only the outside modules that its row of the table names. Test files may import what they like.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	root := flag.String("root", ".", "root folder of the module")
	flag.Parse()
	faults, err := check(*root, module, table())
	if err != nil {
		fmt.Fprintln(os.Stderr, "importcheck:", err)
		os.Exit(2)
	}
	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		fmt.Printf("importcheck: %d import(s) in the wrong direction\n", len(faults))
		os.Exit(1)
	}
}

const module = "github.com/graft-go/graft"

// row is one step of the chain. Its packages may import those of every later row, those named in beside, and the modules in
// outside.
type row struct {
	packages []string            // folders; "scripts/*" stands for every folder below scripts
	beside   map[string][]string // package → packages of its own or an earlier row that it may import
	outside  []string            // modules that are not of the standard library
}

// table is the chain, from left to right.
func table() []row {
	return []row{
		{packages: []string{"scripts/*"}, outside: []string{"*"}},
		{packages: []string{"cmd/graft"}, outside: []string{
			"github.com/spf13/pflag", "github.com/agnivade/levenshtein", "github.com/schollz/progressbar/v3", "golang.org/x/term", "golang.org/x/sys"}},
		{packages: []string{"peft/demo"}},
		{packages: []string{"peft/train", "peft/dist"}, outside: []string{"github.com/goccy/go-yaml", "github.com/gofrs/flock", "golang.org/x/sys"},
			beside: map[string][]string{"peft/train": {"peft/dist"}}},
		{packages: []string{"peft/lora", "peft/bottleneck", "peft/freeze", "peft/adapter", "peft/optim", "peft/data", "peft/metrics", "peft/llama"}},
		{packages: []string{"peft/chat"}, outside: []string{"github.com/mitsuhiko/minijinja/minijinja-go/v2"}},
		{packages: []string{"peft"}, outside: []string{"github.com/agnivade/levenshtein"}},
		{packages: []string{"peft/nn"}},
		{packages: []string{"ggml/grad", "ggml/gguf", "ggml/vocab", "ggml/stock"}, outside: []string{"golang.org/x/sys"},
			beside: map[string][]string{"ggml/vocab": {"ggml/gguf"}, "ggml/stock": {"ggml/gguf", "ggml/vocab"}}},
		{packages: []string{"ggml"}, outside: []string{"golang.org/x/sys"}},
		{packages: []string{"third_party"}},
		{packages: []string{"binding/ggml", "binding/llama", "binding/blas", "binding/nvml", "binding/mpi"},
			outside: []string{"github.com/ebitengine/purego", "golang.org/x/sys"},
			beside:  map[string][]string{"binding/llama": {"binding/ggml"}}},
		{packages: []string{"binding"}, outside: []string{"github.com/ebitengine/purego", "golang.org/x/sys"}},
	}
}

// hidden are packages that only some rows may import although they stand to the right of others.
func hidden() map[string][]string {
	return map[string][]string{"third_party": {"cmd/graft", "scripts/*"}}
}

// check reads the imports of every Go file below root and returns one line for each that the table forbids.
func check(root, module string, rows []row) ([]string, error) {
	var faults []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found, err := checkFile(path, filepath.ToSlash(rel), module, rows)
		faults = append(faults, found...)
		return err
	})
	return faults, err
}

func checkFile(path, rel, module string, rows []row) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	from := rel[:max(0, strings.LastIndexByte(rel, '/'))]
	var faults []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if err := allowed(from, imported, module, rows); err != nil {
			faults = append(faults, fmt.Sprintf("%s:%d: %s imports %s: %v", rel, fset.Position(spec.Pos()).Line, from, imported, err))
		}
	}
	return faults, nil
}

// allowed returns why a package in folder from may not import imported, or nil.
func allowed(from, imported, module string, rows []row) error {
	at := find(rows, from)
	if at < 0 {
		return errors.New("the importing package stands in no row of the table in scripts/importcheck")
	}
	first, _, _ := strings.Cut(imported, "/")
	to, ours := strings.CutPrefix(imported, module+"/")
	switch {
	case !ours && !strings.Contains(first, "."):
		return nil // standard library
	case !ours:
		if slices.ContainsFunc(rows[at].outside, func(m string) bool { return m == "*" || imported == m || strings.HasPrefix(imported, m+"/") }) {
			return nil
		}
		return errors.New("this row may not import that module")
	}
	target := find(rows, to)
	users, isHidden := hidden()[to]
	switch {
	case target < 0:
		return errors.New("the imported package stands in no row of the table in scripts/importcheck")
	case isHidden && !slices.ContainsFunc(users, func(u string) bool { return matches(u, from) }):
		return fmt.Errorf("only %s may import it", strings.Join(users, " and "))
	case target > at, slices.Contains(rows[at].beside[from], to):
		return nil
	case target == at:
		return errors.New("it stands in the same row")
	}
	return errors.New("it stands to the left")
}

func find(rows []row, folder string) int {
	return slices.IndexFunc(rows, func(r row) bool {
		return slices.ContainsFunc(r.packages, func(p string) bool { return matches(p, folder) })
	})
}

func matches(pattern, folder string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(folder, prefix)
	}
	return pattern == folder
}
