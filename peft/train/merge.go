package train

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
)

// Keep is the type of a merged export whose tensors stay in the base's types.
const Keep = "keep"

// fileTypes are the numbers of general.file_type (llama_ftype, llama.h) for files of one type.
var fileTypes = map[ggml.Type]uint32{ggml.TypeF32: 0, ggml.TypeF16: 1, ggml.TypeQ4_0: 2, ggml.TypeQ4_1: 3, ggml.TypeQ8_0: 7, ggml.TypeQ5_0: 8,
	ggml.TypeQ5_1: 9, ggml.TypeQ2_K: 10, ggml.TypeQ3_K: 12, ggml.TypeQ4_K: 15, ggml.TypeQ5_K: 17, ggml.TypeQ6_K: 18, ggml.TypeBF16: 32}

// MergeTypes lists what --type takes.
func MergeTypes() []string {
	return []string{Keep, "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "q3_k", "q2_k"}
}

// Merged describes a written model.
type Merged struct {
	Base    string
	Changed int            // tensors that differ from the base
	Others  map[string]int // tensors of another type than was asked for, as "iq2_xs → q2_K", and their number
}

// ExportMerged writes the base model of a run folder or adapter with what was trained put into its tensors, as a complete GGUF. kind is
// one of MergeTypes: the type of the matrices (vectors stay F32; a matrix whose rows do not divide into the type's blocks becomes F16, and
// one that was trained and whose own type has fewer than three bits a weight, Q2_K apart, becomes Q3_K). One tensor is in memory at a time. The chat
// template of the training goes along.
func ExportMerged(from, model, out, kind string, overwrite bool) (*Merged, error) {
	e, err := openExport(from, model, out, overwrite)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	to := ggml.Type(-1)
	if !strings.EqualFold(kind, Keep) {
		if to, err = ggml.ParseType(kind); err != nil {
			return nil, &peft.InputError{What: "export", Where: "--type " + kind, Why: err.Error(), Do: "give one of " + strings.Join(MergeTypes(), ", ")}
		}
	}
	w, file := gguf.NewWriter(out), e.model.File
	w.CopyKeys(file, func(key string) bool { return strings.HasPrefix(key, "split.") })
	if number, ok := fileTypes[to]; ok {
		w.SetUint32("general.file_type", number)
	}
	if e.tuned.template != "" {
		w.SetString("tokenizer.chat_template", e.tuned.template)
	}
	done := &Merged{Base: e.base, Others: map[string]int{}}
	for i := range file.Tensors {
		e.add(w, &file.Tensors[i], to, done)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return done, nil
}

// add adds one tensor of the merged model.
func (e *exporting) add(w *gguf.Writer, t *gguf.TensorInfo, to ggml.Type, done *Merged) {
	change := e.change(t.Name)
	if change != nil {
		done.Changed++
	}
	wanted := t.Type
	if to.Valid() && len(t.Ne) > 1 {
		wanted = to
	}
	typ := writable(wanted, t.Ne[0], change != nil || wanted != t.Type)
	if typ != wanted {
		done.Others[wanted.String()+" → "+typ.String()]++
	}
	if change == nil && typ == t.Type {
		w.CopyTensor(e.model.File, t)
		return
	}
	w.AddTensor(t.Name, typ, t.Ne, func(out io.Writer) error {
		values := make([]float32, t.Elements())
		if err := ggml.Dequantize(t.Type, e.model.File.Data(t), values); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if change != nil {
			change(values)
		}
		return writeValues(out, typ, values, t.Ne[0])
	})
}

// fewBits is the number of bits a weight below which a type holds what was trained only with an importance matrix, if at all: re-quantized
// without one, IQ2 and IQ1 lose most of it. Q2_K is made for doing without.
const fewBits = 3

// writable is the type in which values meant for typ can be written, in rows of width values. What stays as it is needs no other.
func writable(typ ggml.Type, width int64, changed bool) ggml.Type {
	switch {
	case width%typ.BlockSize() != 0:
		return ggml.TypeF16
	case changed && typ != ggml.TypeQ2_K && float64(8*typ.BlockBytes()) < fewBits*float64(typ.BlockSize()):
		return ggml.TypeQ3_K
	default:
		return typ
	}
}

// change is what was trained of a tensor: a function that applies it to the base's values, or nil.
func (e *exporting) change(name string) func(values []float32) {
	if e.tuned.base != nil {
		if p := e.tuned.params.Get(name); p != nil {
			return func(values []float32) { p.W.GetF32(values) }
		}
	}
	if e.tuned.lora != nil {
		for _, p := range e.tuned.lora.Pairs {
			if p.Site.Name+".weight" == name {
				return func(values []float32) { addDelta(values, p) }
			}
		}
	}
	return nil
}

// addDelta adds s·B·A to W [in, out]: row o gets s·Σ_r B[r, o]·A[·, r], summed in float64 and rounded once.
func addDelta(values []float32, p *lora.Pair) {
	a, b, in, out := p.A.F32(), p.B.F32(), int(p.Site.In), int(p.Site.Out)
	rank, s := int(p.Rank), p.Scale()
	const parts = 8
	var all sync.WaitGroup
	for part := range parts {
		all.Go(func() {
			sum := make([]float64, in)
			for o := out * part / parts; o < out*(part+1)/parts; o++ {
				row := values[o*in : (o+1)*in]
				clear(sum)
				for r := range rank {
					factor := s * float64(b[o*rank+r])
					for i, v := range a[r*in : (r+1)*in] {
						sum[i] += factor * float64(v)
					}
				}
				for i, v := range sum {
					row[i] = float32(float64(row[i]) + v)
				}
			}
		})
	}
	all.Wait()
}

// writeValues writes values in a type, rows of width values at a time.
func writeValues(w io.Writer, typ ggml.Type, values []float32, width int64) error {
	rows := max(1, (1<<20)/int(width))
	buf := make([]byte, typ.RowSize(width)*int64(rows))
	for len(values) > 0 {
		n := min(len(values), rows*int(width))
		part := buf[:typ.RowSize(width)*int64(n)/width]
		if err := ggml.Quantize(typ, values[:n], width, part); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// exporting is an adapter on its base, about to be written in another form.
type exporting struct {
	base    string // path of the base model
	backend *ggml.Backend
	model   *llama.Model
	tuned   *tuned
}

// openExport checks where the export goes, finds the base and puts the adapter on it.
func openExport(from, model, out string, overwrite bool) (e *exporting, err error) {
	if err := checkExportPath(out, overwrite); err != nil {
		return nil, err
	}
	path, err := AdapterPath(from)
	if err != nil {
		return nil, err
	}
	if model == "" {
		if model, err = BaseOf(from); err != nil {
			return nil, err
		}
	}
	if model == "" {
		return nil, &peft.InputError{What: "export", Where: "--model", Why: "the base model of an adapter file is not known", Do: "give it: -m base.gguf"}
	}
	if err := checkOtherFile(out, path, model); err != nil {
		return nil, err
	}
	e = &exporting{base: model}
	defer func() {
		if err != nil {
			e.Close()
			e = nil
		}
	}()
	if e.backend, err = ggml.NewCPU(ggml.CPUOptions{Threads: 1, NoBLAS: true}); err != nil {
		return e, err
	}
	if e.model, err = llama.Open(e.backend, model); err != nil {
		return e, err
	}
	e.tuned, err = openTuned(e.backend, e.model, path, e.model.File.SHA256)
	return e, err
}

// Close frees everything.
func (e *exporting) Close() {
	e.tuned.Close()
	e.model.Close()
	e.backend.Close()
}
