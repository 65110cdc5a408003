package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/adapter"
	"github.com/graft-go/graft/peft/freeze"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
)

// Names of the methods.
const (
	MethodLoRA = "lora"
	MethodFull = "full"
)

// methods lists what --method takes.
func methods() []string { return []string{MethodLoRA, MethodFull} }

// tuned is what is trained on a model: each method's part, and the parameters of all of them.
type tuned struct {
	methods []string
	lora    *lora.Adapter   // nil without the method
	base    *freeze.Masters // nil where no tensor of the base trains
	params  *peft.Params

	template string // chat template of the data it was trained on, kept in its file; "" = none
}

// newTuned puts the methods of a run on a model, with their starts.
func newTuned(be *ggml.Backend, m *llama.Model, c *Config) (*tuned, error) {
	t := &tuned{methods: c.Method}
	var specs []peft.Spec
	if slices.Contains(c.Method, MethodLoRA) {
		layers, err := c.LoRALayers(int(m.Blocks))
		if err != nil {
			return nil, err
		}
		blocks := map[int]bool{}
		for _, l := range layers {
			blocks[l] = true
		}
		if t.lora, err = lora.New(m.Sites(), lora.Config{Rank: int64(c.Rank), Alpha: c.AlphaValue(), Targets: c.TargetNames(), Blocks: blocks}); err != nil {
			return nil, err
		}
		specs = append(specs, t.lora.Specs()...)
	}
	if slices.Contains(c.Method, MethodFull) {
		t.base = freeze.New(m.BaseTensors(), func(peft.BaseTensor) bool { return true })
		specs = append(specs, t.base.Specs()...)
	}
	if err := checkTrained(specs, c); err != nil {
		return nil, err
	}
	if err := t.attach(be, specs, true); err != nil {
		return nil, err
	}
	if t.lora != nil {
		t.lora.Init(c.Seed)
	}
	return t, nil
}

// checkTrained refuses tensors whose weights, gradients and two moments, 16 bytes a value, do not fit into memory, before it is taken.
func checkTrained(specs []peft.Spec, c *Config) error {
	need, free := 0.0, float64(c.memoryLimit())
	for _, s := range specs {
		n := 16.0
		for _, d := range s.Ne {
			n *= float64(d)
		}
		need += n
	}
	if now := AvailableMemory(); free == 0 {
		free = float64(now)
	}
	if free == 0 || need <= free {
		return nil
	}
	do := "give a lower --rank or fewer --targets, or more memory (--memory-limit)"
	if slices.Contains(c.Method, MethodFull) {
		do = "give --method lora, a smaller model, or more memory (--memory-limit)"
	}
	return &peft.InputError{What: "memory", Where: "--method " + strings.Join(c.Method, ","),
		Why: fmt.Sprintf("what it trains, with gradients and moments, needs %s, and %s may be used", sized(int64(need)), sized(int64(free))), Do: do}
}

// attach makes the parameters and puts every part on the model.
func (t *tuned) attach(be *ggml.Backend, specs []peft.Spec, train bool) (err error) {
	if t.params, err = peft.NewParams(be, specs, train); err != nil {
		return err
	}
	if t.base != nil {
		if err := t.base.Attach(t.params); err != nil {
			return errors.Join(err, t.Close())
		}
	}
	if t.lora != nil {
		t.lora.Attach(t.params)
	}
	return nil
}

// startFrom fills the parameters from an adapter file of either format.
func (t *tuned) startFrom(path string) error {
	path, err := AdapterPath(path)
	if err != nil {
		return err
	}
	graft, err := isGraft(path)
	if err != nil {
		return err
	}
	switch {
	case graft:
		file, err := adapter.Open(path)
		if err != nil {
			return err
		}
		return file.Fill(t.params)
	case t.lora == nil:
		return &peft.InputError{What: "adapter", Where: path, Why: "is a LoRA, which the method " + t.methods[0] + " has no place for", Do: "give an adapter of the same method, or --method lora"}
	default:
		file, err := lora.Open(path)
		if err != nil {
			return err
		}
		return file.Fill(t.lora)
	}
}

// isGraft tells graft's own adapter format from a LoRA GGUF.
func isGraft(path string) (bool, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return adapter.IsGraft(f), nil
}

// fileName is the name of the adapter file: a LoRA GGUF where the method is LoRA alone.
func (t *tuned) fileName() string {
	if t.lora != nil && t.base == nil {
		return AdapterFile
	}
	return GraftFile
}

// save writes the adapter into a folder and returns its path.
func (t *tuned) save(folder string, h adapter.Header) (string, error) {
	path := filepath.Join(folder, t.fileName())
	if t.fileName() == AdapterFile {
		t.lora.ChatTemplate = t.template
		return path, t.lora.Save(path, h.Architecture, h.BaseName)
	}
	h.Methods = t.methods
	if err := adapter.Save(path, h, t.params); err != nil {
		return path, fmt.Errorf("save %s: %w", path, err)
	}
	return path, nil
}

// openTuned puts an adapter file of either format on a model, to be used and not trained. sha256 gives the base's hash, asked for only
// where the file knows its own base's.
func openTuned(be *ggml.Backend, m *llama.Model, path string, sha256 func() (string, error)) (*tuned, error) {
	graft, err := isGraft(path)
	if err != nil {
		return nil, err
	}
	t := &tuned{}
	if !graft {
		file, err := lora.Open(path)
		if err != nil {
			return nil, err
		}
		if t.lora, err = file.Adapter(m.Sites()); err != nil {
			return nil, err
		}
		t.template = file.ChatTemplate
		if err := t.attach(be, t.lora.Specs(), false); err != nil {
			return nil, err
		}
		return t, t.closing(file.Fill(t.lora))
	}
	file, err := adapter.Open(path)
	if err != nil {
		return nil, err
	}
	t.methods, t.template = file.Methods, file.Template
	sum, err := sha256()
	if err != nil {
		return nil, err
	}
	if err := file.CheckBase(m.File.Path, sum); err != nil {
		return nil, err
	}
	if t.base, err = freeze.Named(m.BaseTensors(), file.BaseNames()); err != nil {
		return nil, &peft.InputError{What: "adapter", Where: path, Why: err.Error(), Do: "give the base model it was trained on"}
	}
	if err := t.attach(be, t.base.Specs(), false); err != nil {
		return nil, err
	}
	return t, t.closing(file.Fill(t.params))
}

// weigh scales what the adapter adds to the base: a LoRA's scale, or the way of each trained tensor from the base's values.
func (t *tuned) weigh(scale float64) error {
	if scale == 1 {
		return nil
	}
	if t.lora != nil {
		for _, p := range t.lora.Pairs {
			p.Alpha *= scale
		}
	}
	if t.base == nil {
		return nil
	}
	for _, b := range t.base.Tensors {
		w := t.params.Get(b.Name).W
		values, base := w.F32(), make([]float32, w.Elements())
		if err := b.Values(base); err != nil {
			return fmt.Errorf("read %s: %w", b.Name, err)
		}
		for i, v := range base {
			values[i] = v + float32(scale)*(values[i]-v)
		}
		w.SetF32(0, values)
	}
	return nil
}

// closing frees everything where err is not nil, and returns err.
func (t *tuned) closing(err error) error {
	if err != nil {
		t.Close()
	}
	return err
}

// Close takes the parts off the model and frees the parameters. It may be called twice.
func (t *tuned) Close() error {
	if t == nil || t.params == nil {
		return nil
	}
	if t.lora != nil {
		t.lora.Detach()
	}
	if t.base != nil {
		t.base.Detach()
	}
	t.params.Close()
	t.params = nil
	return nil
}
