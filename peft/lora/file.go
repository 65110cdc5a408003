package lora

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// The keys and names of a LoRA GGUF, as llama.cpp's loader demands them (llama-adapter.cpp): the alpha is a float32 (another type
// aborts the loader's process), tensors come in pairs <base tensor>.lora_a, .lora_b, and nothing else is in the file.
const (
	keyType     = "general.type"
	keyArch     = "general.architecture"
	keyAdapter  = "adapter.type"
	keyAlpha    = "adapter.lora.alpha"
	keyFold     = "graft.lora.fold."
	keyChat     = "tokenizer.chat_template" // as in a model's file
	suffixA     = ".lora_a"
	suffixB     = ".lora_b"
	weight      = ".weight"
	maxNameSize = 63 // bytes of a tensor's name, GGML_MAX_NAME − 1
)

// Save writes the adapter as a LoRA GGUF that stock llama.cpp loads. The loader scales each pair by alpha/rank with one alpha for the
// file, so a pair of another scale gets the ratio folded into B, noted under graft.lora.fold.<tensor>.
func (a *Adapter) Save(path, architecture, baseName string) error {
	if len(a.Pairs) == 0 {
		return fmt.Errorf("save %s: the adapter has no pair", path)
	}
	w := gguf.NewWriter(path)
	alpha := a.Pairs[0].Alpha
	w.SetString(keyType, "adapter")
	w.SetString(keyArch, architecture)
	if baseName != "" {
		w.SetString("general.base_model.0.name", baseName)
		w.SetUint32("general.base_model.count", 1)
	}
	w.SetString(keyAdapter, "lora")
	if a.ChatTemplate != "" {
		w.SetString(keyChat, a.ChatTemplate)
	}
	w.SetFloat32(keyAlpha, float32(alpha))
	for _, p := range a.Pairs {
		if p.Alpha != alpha {
			w.SetFloat32(keyFold+p.Site.Name, float32(p.Alpha/alpha))
		}
	}
	for _, p := range a.Pairs {
		b := p.B.F32()
		if fold := float32(p.Alpha / alpha); fold != 1 {
			for i := range b {
				b[i] *= fold
			}
		}
		if len(p.nameA()) > maxNameSize {
			return fmt.Errorf("save %s: the name %s is longer than %d bytes", path, p.nameA(), maxNameSize)
		}
		w.AddF32(p.nameA(), []int64{p.Site.In, p.Rank}, p.A.F32())
		w.AddF32(p.nameB(), []int64{p.Rank, p.Site.Out}, b)
	}
	return w.Close()
}

// stored is one pair of a file.
type stored struct {
	rank  int64
	scale float64 // delta = scale·B·A
	a, b  []float32
}

// File is an adapter read from disk, not yet on a model.
type File struct {
	Path         string
	ChatTemplate string            // that the adapter was trained with; "" where the file names none
	pairs        map[string]stored // by the layer's name
}

// Open reads a LoRA GGUF and checks it: kind, alpha, pairs, shapes that belong together.
func Open(path string) (*File, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fault := func(format string, v ...any) error {
		return &peft.InputError{What: "adapter", Where: path, Why: fmt.Sprintf(format, v...), Do: "give a LoRA GGUF of graft or llama.cpp, or a run folder"}
	}
	if kind, _ := f.String(keyType); kind != "adapter" {
		return nil, fault("general.type is %q, not adapter", kind)
	}
	if arch, _ := f.String(keyArch); arch != "llama" {
		return nil, fault("it is for the architecture %q, not llama", arch)
	}
	if kind, _ := f.String(keyAdapter); kind != "lora" {
		return nil, fault("adapter.type is %q, not lora", kind)
	}
	alpha, ok := f.Float(keyAlpha)
	if !ok || math.IsNaN(alpha) || math.IsInf(alpha, 0) {
		return nil, fault("%s is missing or no float", keyAlpha)
	}
	file := &File{Path: path, pairs: map[string]stored{}}
	file.ChatTemplate, _ = f.String(keyChat)
	for i := range f.Tensors {
		name := f.Tensors[i].Name
		layer, isA := strings.CutSuffix(name, weight+suffixA)
		if !isA {
			if !strings.HasSuffix(name, weight+suffixB) {
				return nil, fault("the tensor %s is no part of a LoRA", name)
			}
			continue
		}
		a, b, err := readPair(f, layer)
		if err != nil {
			return nil, fault("%s", err)
		}
		s := stored{rank: a.Ne[1]}
		s.scale = alpha / float64(s.rank)
		if alpha == 0 { // llama.cpp: an alpha of 0 means a scale of 1
			s.scale = 1
		}
		if s.a, err = floats(f, a); err == nil {
			s.b, err = floats(f, b)
		}
		if err != nil {
			return nil, fault("%s", err)
		}
		file.pairs[layer] = s
	}
	if len(file.pairs)*2 != len(f.Tensors) || len(file.pairs) == 0 {
		return nil, fault("%d tensors do not make pairs of lora_a and lora_b", len(f.Tensors))
	}
	return file, nil
}

func readPair(f *gguf.File, layer string) (a, b *gguf.TensorInfo, err error) {
	a, _ = f.Tensor(layer + weight + suffixA)
	b, ok := f.Tensor(layer + weight + suffixB)
	if !ok {
		return nil, nil, fmt.Errorf("%s%s has no lora_b", layer, weight)
	}
	if len(a.Ne) != 2 || len(b.Ne) != 2 || a.Ne[1] != b.Ne[0] {
		return nil, nil, fmt.Errorf("the shapes %v and %v of %s%s are no pair", a.Ne, b.Ne, layer, weight)
	}
	return a, b, nil
}

func floats(f *gguf.File, t *gguf.TensorInfo) ([]float32, error) {
	values := make([]float32, t.Elements())
	if err := ggml.Dequantize(t.Type, f.Data(t), values); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	for i, v := range values {
		if v64 := float64(v); math.IsNaN(v64) || math.IsInf(v64, 0) {
			return nil, fmt.Errorf("value %d of the tensor %s is %g", i, t.Name, v)
		}
	}
	return values, nil
}

// Adapter makes an adapter with the file's own pairs, ranks and scales on a model's layers.
func (f *File) Adapter(sites []peft.Site) (*Adapter, error) {
	a := &Adapter{}
	for _, s := range sites {
		if p, ok := f.pairs[s.Name]; ok {
			if err := f.fits(s, p); err != nil {
				return nil, err
			}
			a.Pairs = append(a.Pairs, &Pair{Site: s, Rank: p.rank, Alpha: p.scale * float64(p.rank)})
		}
	}
	return a, f.allUsed(a)
}

func (f *File) fits(s peft.Site, p stored) error {
	if int64(len(p.a)) != s.In*p.rank || int64(len(p.b)) != p.rank*s.Out {
		return &peft.InputError{What: "adapter", Where: f.Path, Why: fmt.Sprintf("%s is for a layer of %d to %d values, the model's has %d to %d",
			s.Name, int64(len(p.a))/p.rank, int64(len(p.b))/p.rank, s.In, s.Out), Do: "give the base model it was trained on"}
	}
	return nil
}

// allUsed refuses a file with pairs that the adapter has no layer for.
func (f *File) allUsed(a *Adapter) error {
	var unused []string
	for name := range f.pairs {
		if !slices.ContainsFunc(a.Pairs, func(p *Pair) bool { return p.Site.Name == name }) {
			unused = append(unused, name)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	slices.Sort(unused)
	return &peft.InputError{What: "adapter", Where: f.Path, Why: fmt.Sprintf("%d of its layers, such as %s, are not among those that take it", len(unused), unused[0]),
		Do: "give the base model it was trained on, and --targets and --lora-layers that cover it"}
}

// Fill puts the file's values into an attached adapter whose ranks and alphas are its own. B is rescaled so
// that the delta s·B·A stays what it was, which also takes out a scale that graft folded into B. A pair that the file lacks keeps its values; a file's pair of
// lower rank fills the first columns, so that the rest starts without effect.
func (f *File) Fill(a *Adapter) error {
	if err := f.allUsed(a); err != nil {
		return err
	}
	for _, p := range a.Pairs {
		s, ok := f.pairs[p.Site.Name]
		if !ok {
			continue
		}
		if err := f.fits(p.Site, s); err != nil {
			return err
		}
		if s.rank > p.Rank {
			return &peft.InputError{What: "adapter", Where: f.Path, Why: fmt.Sprintf("%s has rank %d, more than --rank %d", p.Site.Name, s.rank, p.Rank), Do: fmt.Sprintf("give --rank %d", s.rank)}
		}
		p.A.SetF32(0, s.a)
		p.B.SetF32(0, s.columns(p))
	}
	return nil
}

// columns lays out B [rank, out] for a pair of the same or a higher rank.
func (s stored) columns(p *Pair) []float32 {
	factor := float32(s.scale / p.Scale())
	b := make([]float32, p.Rank*p.Site.Out)
	for o := range p.Site.Out {
		for r := range s.rank {
			b[o*p.Rank+r] = s.b[o*s.rank+r] * factor
		}
	}
	return b
}
