package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml/gguf"
)

// inspection is what `graft inspect --json` prints of a GGUF file.
type inspection struct {
	File         string           `json:"file"`
	Bytes        int64            `json:"bytes"`           // of all parts
	Parts        []inspectionPart `json:"parts,omitempty"` // of a split model
	Version      uint32           `json:"version"`
	Alignment    uint64           `json:"alignment"`
	Type         string           `json:"type"` // general.type: model, adapter, graft, …
	Architecture string           `json:"architecture"`
	Name         string           `json:"name"`
	Parameters   int64            `json:"parameters"`
	Trainable    bool             `json:"trainable"`
	Reason       string           `json:"reason,omitempty"` // why it cannot be trained
	SHA256       string           `json:"sha256,omitempty"` // of the tensors' bytes, as in graft.base.sha256
	Adapter      *adapterFacts    `json:"adapter,omitempty"`
	Types        map[string]int   `json:"types"` // number of tensors of each type
	Metadata     map[string]any   `json:"metadata"`
	Tensors      []inspectionLine `json:"tensors"`

	keys []string // of Metadata, in file order
}

// inspectionLine is one tensor.
type inspectionLine struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"` // row length first
	Bytes int64   `json:"bytes"`
}

// inspectionPart is one file of a split model.
type inspectionPart struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Tensors int    `json:"tensors"`
}

// adapterFacts is what makes an adapter: ranks and alpha of its LoRA pairs, the tensors they stand on, its base.
type adapterFacts struct {
	Methods    []string `json:"methods"`
	Ranks      []int64  `json:"ranks,omitempty"`
	Alpha      *float64 `json:"alpha,omitempty"`
	Pairs      int      `json:"pairs,omitempty"`
	Targets    []string `json:"targets,omitempty"`
	BaseName   string   `json:"base_name,omitempty"`
	BaseSHA256 string   `json:"base_sha256,omitempty"`
}

// shortList is a long list in the JSON document.
type shortList struct {
	Length int    `json:"length"`
	Type   string `json:"type"`
	First  []any  `json:"first"`
}

const (
	listShown   = 8         // elements of a list that are printed; longer lists are cut
	hashForText = 256 << 20 // bytes of a file up to which the hash is printed without --json (some 0.2 s)
)

// runInspect prints what is in a GGUF file and whether graft can train it.
func runInspect(ctx context.Context, args []string, stdout, _ io.Writer) error {
	f := newFlags("inspect", "inspect FILE [--json]", "Shows metadata and tensors of a GGUF file and whether graft can train it.")
	asJSON := f.Bool("json", false, "one JSON document on stdout, with the hash of the tensors")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	path, err := f.oneArg("GGUF file")
	if err != nil {
		return err
	}
	file, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := inspect(file)
	if err := ctx.Err(); err != nil {
		return err
	}
	if *asJSON || file.Size <= hashForText {
		if in.SHA256, err = file.SHA256(); err != nil {
			return err
		}
	}
	if *asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(in)
	}
	return in.print(stdout)
}

// inspect collects everything but the hash.
func inspect(f *gguf.File) *inspection {
	in := &inspection{
		File: f.Path, Bytes: f.Size, Version: f.Version, Alignment: f.Alignment, Parameters: f.Parameters(),
		Types: map[string]int{}, Metadata: make(map[string]any, len(f.Keys)), Tensors: make([]inspectionLine, 0, len(f.Tensors)),
	}
	if parts := f.Parts(); len(parts) > 1 {
		for _, p := range parts {
			in.Parts = append(in.Parts, inspectionPart{p.Path, p.Bytes, p.Tensors})
		}
	}
	in.Type, _ = f.String("general.type")
	in.Architecture, _ = f.String("general.architecture")
	in.Name, _ = f.String("general.name")
	if in.Type == "" {
		in.Type = "model" // older files do not say
	}
	for i := range f.Keys {
		kv := &f.Keys[i]
		in.keys = append(in.keys, kv.Key)
		in.Metadata[kv.Key] = metadataValue(kv)
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		in.Types[t.Type.String()]++
		in.Tensors = append(in.Tensors, inspectionLine{t.Name, t.Type.String(), t.Ne, t.Bytes})
	}
	if in.Type == "adapter" || in.Type == "graft" {
		in.Adapter = readAdapterFacts(f, in.Type)
	}
	if err := untrainable(f, in.Type); err != nil {
		in.Reason = err.Error()
	}
	in.Trainable = in.Reason == ""
	return in
}

// metadataValue is a value as JSON can hold it: long lists are cut, and numbers that JSON lacks are words.
func metadataValue(kv *gguf.KeyValue) any {
	if !kv.IsArray() {
		return jsonNumber(kv.Value())
	}
	head := kv.Head(listShown)
	for i := range head {
		head[i] = jsonNumber(head[i])
	}
	if kv.Len <= listShown {
		return head
	}
	return shortList{Length: kv.Len, Type: kv.Elem.String(), First: head}
}

// jsonNumber replaces NaN and infinities by their names.
func jsonNumber(v any) any {
	x, isFloat := v.(float64)
	if y, ok := v.(float32); ok {
		x, isFloat = float64(y), true
	}
	if isFloat && (math.IsNaN(x) || math.IsInf(x, 0)) {
		return fmt.Sprint(x)
	}
	return v
}

// readAdapterFacts reads a LoRA GGUF or an adapter of graft's own format.
func readAdapterFacts(f *gguf.File, kind string) *adapterFacts {
	a := &adapterFacts{}
	if kind == "graft" {
		a.Methods, _ = f.Strings("graft.methods")
		a.BaseName, _ = f.String("graft.base.name")
		a.BaseSHA256, _ = f.String("graft.base.sha256")
	} else if method, ok := f.String("adapter.type"); ok {
		a.Methods = []string{method}
	}
	if alpha, ok := f.Float("adapter.lora.alpha"); ok && jsonNumber(alpha) == any(alpha) {
		a.Alpha = &alpha
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		base, isB := strings.CutSuffix(t.Name, ".lora_b")
		if !isB {
			continue
		}
		a.Pairs++
		a.Ranks = append(a.Ranks, t.Ne[0]) // B = [r, n_out]
		a.Targets = append(a.Targets, targetName(base))
	}
	slices.Sort(a.Ranks)
	slices.Sort(a.Targets)
	a.Ranks, a.Targets = slices.Compact(a.Ranks), slices.Compact(a.Targets)
	return a
}

// targetName takes "blk.N." and ".weight" off a tensor's name.
func targetName(tensor string) string {
	name := strings.TrimSuffix(tensor, ".weight")
	if rest, ok := strings.CutPrefix(name, "blk."); ok {
		if _, name, ok := strings.Cut(rest, "."); ok {
			return name
		}
	}
	return name
}
