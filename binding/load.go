// Package binding opens shared libraries with purego and fills tables of C functions.
// Its sub-packages hold one declaration per C function that graft calls; this package holds what they share: finding a library,
// opening it, and binding a table so that everything missing is named in one error.
package binding

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/ebitengine/purego"
)

// Library is an opened shared library. It stays open for the life of the process: ggml registers threads and
// backends that do not survive a dlclose.
type Library struct {
	Path   string
	handle uintptr
}

// Open loads the shared library at path with its symbols visible to the libraries opened after it.
func Open(path string) (*Library, error) {
	handle, err := openLibrary(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return &Library{Path: path, handle: handle}, nil
}

// Symbol returns the address of a function or variable, and whether the library has it.
func (l *Library) Symbol(name string) (uintptr, bool) {
	addr, err := findSymbol(l.handle, name)
	return addr, err == nil && addr != 0
}

// MissingSymbolsError lists every symbol of a table that none of its libraries has.
type MissingSymbolsError struct {
	Libraries []string // files that were searched
	Symbols   []string // names that were not found, in the table's order
}

func (e *MissingSymbolsError) Error() string {
	return fmt.Sprintf("%s: %d function(s) missing: %s; this is not a version that graft supports, run `graft setup`",
		strings.Join(e.Libraries, ", "), len(e.Symbols), strings.Join(e.Symbols, ", "))
}

// Bind fills every function field of the struct api points to whose tag is `c:"symbol"` from the first library that has the
// symbol. A field tagged `c:"symbol,optional"` stays nil where the symbol is absent; a field of type uintptr receives the
// address alone. All other missing symbols are returned in one *MissingSymbolsError.
func Bind(api any, libs ...*Library) error {
	v := reflect.ValueOf(api).Elem()
	missing := &MissingSymbolsError{}
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("c")
		if !ok {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		addr := lookup(name, libs)
		if addr == 0 {
			if option != "optional" {
				missing.Symbols = append(missing.Symbols, name)
			}
			continue
		}
		field := v.Field(i)
		if field.Kind() == reflect.Uintptr {
			field.SetUint(uint64(addr))
			continue
		}
		purego.RegisterFunc(field.Addr().Interface(), addr)
	}
	if len(missing.Symbols) == 0 {
		return nil
	}
	for _, l := range libs {
		missing.Libraries = append(missing.Libraries, l.Path)
	}
	return missing
}

func lookup(name string, libs []*Library) uintptr {
	for _, l := range libs {
		if addr, ok := l.Symbol(name); ok {
			return addr
		}
	}
	return 0
}
