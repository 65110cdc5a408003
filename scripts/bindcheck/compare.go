package main

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// comparer holds both sides and gathers the report.
type comparer struct {
	headers  *headers
	packages map[string]*goPackage
	pairs    map[string]string // Go struct → C struct that it was used for
	report
}

// declaration compares one tagged field with its prototype.
func (c *comparer) declaration(d declaration) {
	proto, ok := c.headers.funcs[d.symbol]
	if !ok {
		proto, ok = c.headers.funcs[blasName(d.symbol)]
	}
	var faults []string
	switch {
	case !ok:
		faults = []string{"no prototype in the headers"}
	case d.typ == nil:
		faults = []string{"a bare address: give it a sig tag with the Go signature of the call"}
	default:
		faults = c.signature(d, proto)
	}
	for _, f := range faults {
		c.faults = append(c.faults, d.at+": "+d.symbol+": "+f)
	}
	if len(faults) == 0 {
		c.agreed = append(c.agreed, d.symbol)
	}
}

func (c *comparer) signature(d declaration, proto prototype) []string {
	var faults []string
	var params []ast.Expr
	for _, f := range d.typ.Params.List {
		for range max(1, len(f.Names)) {
			params = append(params, f.Type)
		}
	}
	if len(params) != len(proto.params) {
		faults = append(faults, fmt.Sprintf("%d parameters, C has %d (%s)", len(params), len(proto.params), join(proto.params)))
		return faults
	}
	for i, e := range params {
		if why := c.match(d.pkg, e, proto.params[i], false); why != "" {
			faults = append(faults, fmt.Sprintf("parameter %d: %s", i+1, why))
		}
	}
	results := d.typ.Results
	switch {
	case results == nil || len(results.List) == 0:
		if proto.result.kind != kindVoid || proto.result.ptr > 0 {
			// dropping a small result is harmless; a struct would be written through a hidden pointer
			if proto.result.kind == kindStruct && proto.result.ptr == 0 {
				faults = append(faults, "result: none, C returns "+proto.result.String())
			}
		}
	case results.NumFields() > 1:
		faults = append(faults, "more than one result")
	default:
		if why := c.match(d.pkg, results.List[0].Type, proto.result, true); why != "" {
			faults = append(faults, "result: "+why)
		}
	}
	return faults
}

// match returns why a Go type cannot stand for a C type, or "".
func (c *comparer) match(pkg *goPackage, e ast.Expr, want value, result bool) string {
	got, err := pkg.resolve(e)
	if err != nil {
		return err.Error()
	}
	if why := c.compatible(got, want, result); why != "" {
		return fmt.Sprintf("%s, C has %s%s", got, want, why)
	}
	return ""
}

// compatible returns "" if a Go value can stand for a C value, else what to add to the message (a blank at least).
func (c *comparer) compatible(got, want value, result bool) string {
	const no = " "
	isAddress := got.kind == kindUint && got.name == "uintptr" && got.ptr == 0
	switch {
	case got.kind == kindString:
		if want.kind == kindChar && want.ptr == 1 && (want.cnst || result) {
			return ""
		}
		return no
	case want.kind == kindFunc || want.ptr > 0 && isAddress:
		if isAddress || got.kind == kindFunc || got.kind == kindVoid && got.ptr == 1 {
			return ""
		}
		return no
	case want.ptr > 0:
		return c.pointers(got, want)
	case got.ptr > 0:
		return no
	case want.kind == kindStruct:
		if got.kind != kindStruct {
			return no
		}
		return c.pair(got.name, want.name)
	case want.kind == kindVoid, got.bytes != want.bytes:
		return no
	case want.kind == kindEnum, want.kind == kindChar:
		if got.kind == kindInt || got.kind == kindUint {
			return ""
		}
	case got.kind == want.kind:
		return ""
	}
	return no
}

// pointers compares what two pointers point to. void * on either side stands for anything.
func (c *comparer) pointers(got, want value) string {
	const no = " "
	if got.ptr == 1 && got.kind == kindVoid || want.ptr == 1 && want.kind == kindVoid && got.ptr > 0 {
		return ""
	}
	if got.ptr > 0 && want.ptr == got.ptr+1 && got.kind == kindUint && got.name == "uintptr" {
		return "" // *Handle for struct x **: the handle is the inner pointer
	}
	switch {
	case got.ptr != want.ptr:
		return no
	case want.kind == kindStruct && got.kind == kindStruct:
		return c.pair(got.name, want.name)
	}
	got.ptr, want.ptr = 0, 0
	return c.compatible(got, want, false)
}

// pair notes that a Go struct stands for a C struct, and refuses two different ones.
func (c *comparer) pair(goName, cName string) string {
	if before, ok := c.pairs[goName]; ok && before != cName {
		return fmt.Sprintf(" (elsewhere %s stands for struct %s)", goName, before)
	}
	c.pairs[goName] = cName
	return ""
}

// structs compares the layout of every struct that a declaration passes, by value or by pointer.
func (c *comparer) structs() {
	for _, name := range slices.Sorted(maps.Keys(c.pairs)) {
		cName := c.pairs[name]
		want, ok := c.headers.layout(cName)
		if !ok {
			c.faults = append(c.faults, fmt.Sprintf("%s: struct %s is not defined in the headers", name, cName))
			continue
		}
		got, err := goLayout(c.packages, name)
		if err != nil {
			c.faults = append(c.faults, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		faults := c.fieldFaults(got, want)
		for _, f := range faults {
			c.faults = append(c.faults, fmt.Sprintf("%s: struct %s: %s", name, cName, f))
		}
		if len(faults) == 0 {
			c.agreed = append(c.agreed, fmt.Sprintf("%s = struct %s (%d bytes)", name, cName, got.size))
			c.report.structs++
		}
	}
}

// fieldFaults compares fields by offset. Blank Go fields cover padding and C fields that graft does not use.
func (c *comparer) fieldFaults(got, want layout) []string {
	var faults []string
	if got.size != want.size {
		faults = append(faults, fmt.Sprintf("%d bytes, C has %d", got.size, want.size))
	}
	byOffset := map[int64]field{}
	for _, f := range want.fields {
		byOffset[f.offset] = f
	}
	for _, f := range got.fields {
		if f.name == "_" {
			continue
		}
		w, ok := byOffset[f.offset]
		if !ok {
			faults = append(faults, fmt.Sprintf("%s lies at byte %d, where C has no field", f.name, f.offset))
			continue
		}
		g, wv := f.value, w.value
		sameCount := g.count == wv.count
		g.count, wv.count = 0, 0
		if why := c.compatible(g, wv, true); why != "" || !sameCount {
			faults = append(faults, fmt.Sprintf("%s is %s, C has %s %s%s", f.name, f.value, w.value, w.name, strings.TrimRight(why, " ")))
		}
	}
	return faults
}

func join(values []value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = v.String()
	}
	return strings.Join(parts, ", ")
}
