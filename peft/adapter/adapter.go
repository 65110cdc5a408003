// Package adapter reads and writes graft's own adapter GGUF (general.type "graft"), for what a LoRA GGUF cannot hold: trained tensors of
// the base, and several methods together. Every tensor is F32 and stands under its own name: a base tensor under its GGUF name, a
// LoRA pair as <base tensor>.lora_a and .lora_b.
package adapter

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// Version is the version of the format that this package writes.
const Version = 1

// The keys of the format.
const (
	keyType     = "general.type"
	keyArch     = "general.architecture"
	keyVersion  = "graft.version"
	keyMethods  = "graft.methods"
	keySettings = "graft.settings"
	keySHA256   = "graft.base.sha256"
	keyBase     = "graft.base.name"
	kind        = "graft"
)

// Header says what an adapter is and which base it belongs to.
type Header struct {
	Architecture string
	Methods      []string // in the order of --method
	Settings     string   // YAML
	BaseSHA256   string   // lower-case hex over the base's tensor bytes
	BaseName     string
	Template     string // chat template it was trained with; "" = none
}

// Save writes the tensors of params.
func Save(path string, h Header, params *peft.Params) error {
	w := gguf.NewWriter(path)
	w.SetString(keyType, kind)
	w.SetString(keyArch, h.Architecture)
	w.SetUint32(keyVersion, Version)
	w.SetStrings(keyMethods, h.Methods)
	w.SetString(keySettings, h.Settings)
	w.SetString(keySHA256, h.BaseSHA256)
	w.SetString(keyBase, h.BaseName)
	if h.Template != "" {
		w.SetString("tokenizer.chat_template", h.Template)
	}
	for _, p := range params.List {
		w.AddF32(p.Name, p.Ne, p.W.F32())
	}
	return w.Close()
}

// File is an adapter read from disk.
type File struct {
	Header
	Path  string
	Names []string // of the tensors, in the order of the file

	ne     map[string][]int64
	values map[string][]float32
}

// IsGraft tells whether an open GGUF file is of this format.
func IsGraft(f *gguf.File) bool {
	t, _ := f.String(keyType)
	return t == kind
}

// Open reads an adapter and checks it: kind, version, methods, and that every value is a finite number.
func Open(path string) (*File, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a := &File{Path: path, ne: map[string][]int64{}, values: map[string][]float32{}}
	if !IsGraft(f) {
		t, _ := f.String(keyType)
		return nil, a.fault(fmt.Sprintf("general.type is %q, not %s", t, kind), "give an adapter of graft")
	}
	if v, ok := f.Uint(keyVersion); !ok || v != Version {
		return nil, a.fault(fmt.Sprintf("%s is %d, this graft reads %d", keyVersion, v, Version), "use the graft that wrote it")
	}
	ok := true
	if a.Methods, ok = f.Strings(keyMethods); !ok || len(a.Methods) == 0 {
		return nil, a.fault(keyMethods+" is missing", "give an adapter of graft")
	}
	a.Architecture, _ = f.String(keyArch)
	a.Settings, _ = f.String(keySettings)
	a.BaseSHA256, _ = f.String(keySHA256)
	a.BaseName, _ = f.String(keyBase)
	a.Template, _ = f.String("tokenizer.chat_template")
	if a.Architecture != "llama" {
		return nil, a.fault(fmt.Sprintf("it is for the architecture %q, not llama", a.Architecture), "give an adapter of a Llama")
	}
	for i := range f.Tensors {
		if err := a.read(f, &f.Tensors[i]); err != nil {
			return nil, err
		}
	}
	if len(a.Names) == 0 {
		return nil, a.fault("it holds no tensor", "give the adapter of a run that has ended")
	}
	return a, nil
}

// read takes one tensor.
func (a *File) read(f *gguf.File, t *gguf.TensorInfo) error {
	if t.Type != ggml.TypeF32 {
		return a.fault(fmt.Sprintf("the tensor %s is %s, not f32", t.Name, t.Type), "give an adapter of graft")
	}
	values := make([]float32, t.Elements())
	if err := ggml.Dequantize(t.Type, f.Data(t), values); err != nil {
		return a.fault(fmt.Sprintf("%s: %v", t.Name, err), "")
	}
	for i, v := range values {
		if v64 := float64(v); math.IsNaN(v64) || math.IsInf(v64, 0) {
			return a.fault(fmt.Sprintf("value %d of the tensor %s is %g", i, t.Name, v), "give the adapter of a run that did not diverge")
		}
	}
	a.Names = append(a.Names, t.Name)
	a.ne[t.Name], a.values[t.Name] = t.Ne, values
	return nil
}

func (a *File) fault(why, do string) error {
	return &peft.InputError{What: "adapter", Where: a.Path, Why: why, Do: do}
}

// BaseNames lists the tensors that are trained tensors of the base.
func (a *File) BaseNames() []string {
	return slices.DeleteFunc(slices.Clone(a.Names), func(name string) bool {
		return strings.Contains(name, ".lora_") || strings.Contains(name, ".bottleneck_")
	})
}

// CheckBase refuses a base model of another hash, with its name.
func (a *File) CheckBase(path, sha256 string) error {
	if a.BaseSHA256 == "" || a.BaseSHA256 == sha256 {
		return nil
	}
	return a.fault(fmt.Sprintf("it was trained on another base (%s), not on %s", a.BaseName, path), "give the base model it was trained on")
}

// Values are the values of a tensor, or nil.
func (a *File) Values(name string) []float32 { return a.values[name] }

// Fill puts the file's values into the parameters of the same name. A tensor of another shape, or one that has no place there, is an
// error; a parameter that the file lacks keeps its values.
func (a *File) Fill(params *peft.Params) error {
	for _, name := range a.Names {
		p := params.Get(name)
		if p == nil {
			return a.fault(fmt.Sprintf("its tensor %s has no place in what is trained", name), "give the base model it was trained on, and the same --method")
		}
		if !slices.Equal(trim(p.Ne), trim(a.ne[name])) {
			return a.fault(fmt.Sprintf("the tensor %s is %v, the model's %v", name, a.ne[name], p.Ne), "give the base model it was trained on")
		}
		p.W.SetF32(0, a.values[name])
	}
	return nil
}

// trim drops the dimensions of 1 at the end of a shape.
func trim(ne []int64) []int64 {
	for len(ne) > 1 && ne[len(ne)-1] == 1 {
		ne = ne[:len(ne)-1]
	}
	return ne
}
