package llama

import (
	"runtime"
	"strings"
	"unsafe"

	bind "github.com/graft-go/graft/binding/ggml"
)

// RefusedError is a file that libllama does not load.
type RefusedError struct {
	Reason string // in libllama's words
}

func (e *RefusedError) Error() string {
	return "libllama refuses it: " + e.Reason + "; use a GGUF file that llama.cpp runs"
}

// BadInput says that the file is at fault.
func (e *RefusedError) BadInput() bool { return true }

// OpenModel loads a GGUF file into libllama on the CPU, or its vocabulary alone. The error carries what the library said. It must run
// guarded, on a file whose tokenizer has been validated.
func (api *API) OpenModel(path string, vocabOnly bool) (Model, error) {
	params := api.ModelDefaultParams()
	noDevices := new(uintptr) // a list with nothing before its NULL: no GPU, even where one is found
	params.Devices = unsafe.Pointer(noDevices)
	params.NGPULayers = 0
	params.LoadMode = LoadModeMMap
	params.LazyMode = LazyModeOff
	params.UseExtraBufts = false // repacked weights would round the activations to int8
	params.VocabOnly = vocabOnly
	bind.TakeMessages()
	model := api.ModelLoadFromFile(path, params)
	runtime.KeepAlive(noDevices)
	if model == 0 {
		return 0, &RefusedError{Reason: Reason()}
	}
	return model, nil
}

const maxReason = 400 // bytes of the library's messages that go into an error

// Reason is why the last call failed, in the library's words: its messages from the first that speaks of an error on, cut to a length
// that fits a line.
func Reason() string {
	text := bind.TakeMessages()
	if i := strings.Index(text, "error"); i >= 0 {
		text = text[i:]
	} else if len(text) > maxReason {
		text = text[len(text)-maxReason:]
	}
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	if text == "" {
		return "no reason given"
	}
	return strings.ToValidUTF8(text, "?")
}
