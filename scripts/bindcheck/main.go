// Command bindcheck audits the binding against the C headers, prototype by prototype: the number of parameters, the class and
// width of each parameter and of the result, what pointers point to, and the layout of every mirrored struct. docs/binding.md
// says where headers come from.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	var headers []string
	flag.Func("headers", "folder of C headers (ggml*.h, gguf.h, llama.h); may be given several times", func(s string) error {
		headers = append(headers, s)
		return nil
	})
	root := flag.String("binding", "binding", "folder of the binding")
	verbose := flag.Bool("v", false, "list every declaration that agrees")
	flag.Parse()
	if len(headers) == 0 {
		fmt.Fprintln(os.Stderr, "bindcheck: -headers: missing; docs/binding.md says where headers come from")
		os.Exit(2)
	}
	report, err := audit(*root, headers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bindcheck:", err)
		os.Exit(2)
	}
	if *verbose {
		for _, line := range report.agreed {
			fmt.Println("ok  ", line)
		}
	}
	for _, line := range report.faults {
		fmt.Println(line)
	}
	fmt.Printf("bindcheck: %d declarations and %d structs agree, %d faults\n", len(report.agreed)-report.structs, report.structs, len(report.faults))
	if len(report.faults) > 0 {
		os.Exit(1)
	}
}

// report is the outcome of an audit: one line for each declaration or struct.
type report struct {
	agreed, faults []string
	structs        int // how many of agreed are structs
}

// audit compares every tagged field below the folder root with the headers.
func audit(root string, headers []string) (*report, error) {
	c := newHeaders()
	for _, dir := range headers {
		files, err := filepath.Glob(filepath.Join(dir, "*.h"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("%s: no header (*.h) there", dir)
		}
		slices.Sort(files)
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			c.parse(string(text))
		}
	}
	c.parse(blasHeader)
	decls, packages, err := parseBinding(root)
	if err != nil {
		return nil, err
	}
	if len(decls) == 0 {
		return nil, fmt.Errorf("%s: no field with a c tag there", root)
	}
	cmp := &comparer{headers: c, packages: packages, pairs: map[string]string{}}
	for _, d := range decls {
		cmp.declaration(d)
	}
	cmp.structs()
	return &cmp.report, nil
}

// blasHeader holds the prototypes of the BLAS functions that graft calls: Fortran takes every argument by address and, last, the
// lengths of its character arguments. Sources: the reference BLAS sgemm.f, openblas' cblas.h, MKL's mkl_service.h, blis.h.
const blasHeader = `
void sgemm_(const char *, const char *, const int32_t *, const int32_t *, const int32_t *, const float *, const float *, const int32_t *,
	const float *, const int32_t *, const float *, float *, const int32_t *, size_t, size_t);
void openblas_set_num_threads(int);
char * openblas_get_config(void);
char * openblas_get_corename(void);
void MKL_Set_Num_Threads(int);
void bli_thread_set_num_threads(int64_t);
`

// blasName drops the prefix that the scipy-openblas wheels put before every symbol.
func blasName(symbol string) string { return strings.TrimPrefix(symbol, "scipy_") }
