package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// print writes the aligned form of `graft inspect`.
func (in *inspection) print(stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", what, value)
		}
	}
	line("file", plainText(in.File))
	line("size", fmt.Sprintf("%s (%s bytes)", binarySize(in.Bytes), thousands(in.Bytes)))
	for i, p := range in.Parts {
		line(fmt.Sprintf("part %d", i+1), fmt.Sprintf("%s: %s, %d tensors", plainText(filepath.Base(p.File)), binarySize(p.Bytes), p.Tensors))
	}
	line("format", fmt.Sprintf("GGUF version %d, alignment %d", in.Version, in.Alignment))
	line("type", plainText(in.Type))
	line("architecture", plainText(in.Architecture))
	line("name", plainText(in.Name))
	line("parameters", thousands(in.Parameters))
	line("tensors", in.typeCounts())
	line("sha256", in.SHA256)
	in.Adapter.print(line)
	if in.Trainable {
		line("trainable", "yes")
	} else {
		line("trainable", "no: "+plainText(in.Reason))
	}
	fmt.Fprintf(w, "\nmetadata (%d keys)\n", len(in.keys))
	for _, key := range in.keys {
		fmt.Fprintf(w, "  %s\t%s\n", plainText(key), metadataText(in.Metadata[key]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\ntensors (%d)\n", len(in.Tensors))
	for _, t := range in.Tensors {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s bytes\n", plainText(t.Name), t.Type, strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ", "), thousands(t.Bytes))
	}
	return w.Flush()
}

// print writes the lines of an adapter; a nil one has none.
func (a *adapterFacts) print(line func(what, value string)) {
	if a == nil {
		return
	}
	line("methods", plainText(strings.Join(a.Methods, ", ")))
	if a.Pairs > 0 {
		line("rank", strings.Trim(fmt.Sprint(a.Ranks), "[]"))
	}
	if a.Alpha != nil {
		line("alpha", strconv.FormatFloat(*a.Alpha, 'g', 6, 64))
	}
	if a.Pairs > 0 {
		line("targets", fmt.Sprintf("%s (%d pairs)", plainText(strings.Join(a.Targets, ", ")), a.Pairs))
	}
	line("base", plainText(a.BaseName))
	line("base sha256", plainText(a.BaseSHA256))
}

// typeCounts is "48: 36 q4_0, 12 f32", the most frequent type first.
func (in *inspection) typeCounts() string {
	names := slices.SortedFunc(maps.Keys(in.Types), func(a, b string) int {
		if d := in.Types[b] - in.Types[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%d %s", in.Types[n], n)
	}
	return strings.TrimSuffix(fmt.Sprintf("%d: %s", len(in.Tensors), strings.Join(names, ", ")), ": ")
}

// metadataText is a value on one line: long texts and lists are cut, and their length is said.
func metadataText(v any) string {
	const most = 72
	switch v := v.(type) {
	case string:
		if r := []rune(v); len(r) > most {
			return fmt.Sprintf("%q… (%d bytes)", string(r[:most]), len(v))
		}
		return strconv.Quote(v)
	case []any:
		return listText(v) + "]"
	case shortList:
		return fmt.Sprintf("%s, …] (%s of %s)", listText(v.First), thousands(int64(v.Length)), v.Type)
	default:
		return fmt.Sprint(v)
	}
}

// listText is a list without its last bracket.
func listText(v []any) string {
	parts := make([]string, len(v))
	for i, e := range v {
		parts[i] = fmt.Sprint(e)
		if s, ok := e.(string); ok {
			if r := []rune(s); len(r) > 24 {
				s = string(r[:24]) + "…"
			}
			parts[i] = strconv.Quote(s)
		}
	}
	return "[" + strings.Join(parts, ", ")
}

// plainText keeps control characters of a file from the terminal.
func plainText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		return s
	}
	return strings.Trim(strconv.Quote(s), `"`)
}

// thousands is a whole number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// binarySize is a number of bytes in KiB, MiB, ….
func binarySize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	x, unit := float64(n)/1024, 0
	for x >= 1024 && unit < 4 {
		x, unit = x/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTP"[unit])
}
