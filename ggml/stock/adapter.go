package stock

import (
	"fmt"
	"math"
	"strings"

	bindggml "github.com/graft-go/graft/binding/ggml"
	"github.com/graft-go/graft/binding/llama"
	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// SetAdapter puts a LoRA GGUF on the model, in place of the one before. Scale multiplies the file's own alpha/rank; 0 takes every
// adapter off, and path may then be empty. The file is checked here first, because libllama ends the process on some faults. An adapter's memory
// is held until Close.
func (m *Model) SetAdapter(path string, scale float32) error {
	if math.IsNaN(float64(scale)) || math.IsInf(float64(scale), 0) {
		return fmt.Errorf("adapter %s: a scale of %g", path, scale)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == 0 {
		return fmt.Errorf("adapter %s: the model %s is closed", path, m.path)
	}
	if scale == 0 {
		return m.setAdapters(nil, nil)
	}
	if err := m.checkAdapter(path); err != nil {
		return err
	}
	var adapter llama.Adapter
	err := bindggml.Guard(func() {
		bindggml.TakeMessages()
		adapter = m.api.AdapterLoraInit(m.model, path)
	})
	if err != nil {
		return fmt.Errorf("adapter %s: %w", path, err)
	}
	if adapter == 0 {
		return fmt.Errorf("adapter %s: libllama refuses it: %s", path, llama.Reason())
	}
	if err := m.setAdapters([]llama.Adapter{adapter}, []float32{scale}); err != nil {
		return fmt.Errorf("adapter %s: %w", path, err)
	}
	return nil
}

func (m *Model) setAdapters(adapters []llama.Adapter, scales []float32) error {
	// The addresses must be valid even for an empty list: libllama asserts on NULL with a count.
	first, scale := new(llama.Adapter), new(float32)
	if len(adapters) > 0 {
		first, scale = &adapters[0], &scales[0]
	}
	var code int32
	if err := bindggml.Guard(func() { code = m.api.SetAdaptersLora(m.ctx, first, uint64(len(adapters)), scale) }); err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("llama_set_adapters_lora returned %d", code)
	}
	return nil
}

// checkAdapter opens an adapter file and validates it against the model.
func (m *Model) checkAdapter(path string) error {
	a, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer a.Close()
	if faults := AdapterFaults(a, m.file); len(faults) > 0 {
		const shown = 5
		text := strings.Join(faults[:min(len(faults), shown)], ", ")
		if len(faults) > shown {
			text += fmt.Sprintf(", and %d more", len(faults)-shown)
		}
		return fmt.Errorf("adapter %s: %s; stock llama.cpp cannot put it on %s", path, text, m.path)
	}
	return nil
}

// maxTensorName is the length that ggml has room for (GGML_MAX_NAME), its NUL included.
const maxTensorName = 64

// AdapterFaults lists what keeps stock llama.cpp from loading a LoRA file onto a base model (llama-adapter.cpp): wrong or missing keys,
// tensors that are no pairs, names it has no room for, base tensors that do not exist, and shapes that do not fit.
func AdapterFaults(adapter, base *gguf.File) []string {
	var faults []string
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }

	wantKey := func(key, want string) {
		if got, ok := adapter.String(key); !ok {
			fault("%s is missing or no string (it must be %q)", key, want)
		} else if got != want {
			fault("%s is %q instead of %q", key, got, want)
		}
	}
	arch, _ := base.String("general.architecture")
	wantKey("general.type", "adapter")
	wantKey("general.architecture", arch)
	wantKey("adapter.type", "lora")
	switch kv, ok := adapter.Key("adapter.lora.alpha"); {
	case !ok:
		fault("adapter.lora.alpha is missing")
	case kv.Kind != gguf.KindFloat32: // libllama asserts on any other kind
		fault("adapter.lora.alpha is %s instead of float32", kv.TypeName())
	default:
		if alpha, _ := adapter.Float("adapter.lora.alpha"); math.IsNaN(alpha) || math.IsInf(alpha, 0) {
			fault("adapter.lora.alpha is %g", alpha)
		}
	}
	if _, ok := adapter.Key("adapter.alora.invocation_tokens"); ok {
		fault("it is an activated LoRA (aLoRA)")
	}
	if len(adapter.Tensors) == 0 {
		fault("it has no tensors")
	}
	for i := range adapter.Tensors {
		if why := tensorFault(adapter, base, &adapter.Tensors[i]); why != "" {
			fault("tensor %q: %s", adapter.Tensors[i].Name, why)
		}
	}
	return faults
}

// tensorFault says what is wrong with one tensor of an adapter, or nothing. A pair's shapes are judged at its A.
func tensorFault(adapter, base *gguf.File, t *gguf.TensorInfo) string {
	name, isA := strings.CutSuffix(t.Name, ".lora_a")
	partner := name + ".lora_b"
	if !isA {
		isB := false
		if name, isB = strings.CutSuffix(t.Name, ".lora_b"); !isB {
			return "a name that is neither .lora_a nor .lora_b"
		}
		partner = name + ".lora_a"
	}
	other, paired := adapter.Tensor(partner)
	target, found := base.Tensor(name)
	switch {
	case len(t.Name) >= maxTensorName:
		return fmt.Sprintf("a name of %d bytes, at most %d fit", len(t.Name), maxTensorName-1)
	case !paired:
		return "without its " + partner
	case !found:
		return "no such tensor in the base"
	case t.Type != ggml.TypeF32 && t.Type != ggml.TypeF16 && t.Type != ggml.TypeBF16:
		return fmt.Sprintf("type %s instead of f32, f16 or bf16", t.Type)
	case len(target.Ne) > 2 && target.Ne[2] != 1:
		return "a base tensor of more than two dimensions"
	}
	if !isA {
		return ""
	}
	a0, a1 := shape2(t)
	b0, b1 := shape2(other)
	in, out := shape2(target)
	if name == "token_embd.weight" { // rows are looked up, so A is stored [r, n_vocab] and B [r, n_embd]
		if a1 != out || b1 != in || a0 != b0 {
			return fmt.Sprintf("shapes [%d, %d] and [%d, %d] do not fit the base's [%d, %d]", a0, a1, b0, b1, in, out)
		}
		return ""
	}
	if a0 != in || b1 != out || a1 != b0 {
		return fmt.Sprintf("shapes [%d, %d] and [%d, %d] do not fit the base's [%d, %d]", a0, a1, b0, b1, in, out)
	}
	return ""
}

// shape2 is a tensor's shape as a matrix.
func shape2(t *gguf.TensorInfo) (ne0, ne1 int64) {
	if len(t.Ne) == 0 {
		return 0, 0
	}
	ne0, ne1 = t.Ne[0], 1
	if len(t.Ne) > 1 {
		ne1 = t.Ne[1]
	}
	return ne0, ne1
}
