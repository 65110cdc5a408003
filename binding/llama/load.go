package llama

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/graft-go/graft/binding"
	bind "github.com/graft-go/graft/binding/ggml"
)

// Version is the llama.cpp release whose parameter structs this package mirrors.
const Version = "v0.5.0"

var loaded struct {
	once sync.Once
	api  *API
	err  error
}

// Load opens libllama from the folder that binding/ggml was loaded from and proves it; the first call does the work and later
// ones return its result.
func Load() (*API, error) {
	loaded.once.Do(func() {
		var err error
		if loaded.api, err = load(); err != nil {
			loaded.err = &LoadError{err}
		}
	})
	return loaded.api, loaded.err
}

// LoadError is a native library that is missing, incomplete or of another version.
type LoadError struct{ Err error }

func (e *LoadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// BadInput says that the user can repair it.
func (e *LoadError) BadInput() bool { return true }

func load() (*API, error) {
	lib, err := bind.Load()
	if err != nil {
		return nil, err
	}
	path, err := lib.Found.Library("llama")
	if err != nil {
		return nil, err
	}
	l, err := binding.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; the file is damaged or not built for this system, run `graft setup`", err)
	}
	api := &API{}
	if err := binding.Bind(api, l); err != nil {
		return nil, err
	}
	if faults := append(modelFaults(api.ModelDefaultParams()), contextFaults(api.ContextDefaultParams())...); len(faults) > 0 {
		return nil, fmt.Errorf("library %s: its parameter structs are not those of llama.cpp %s, the version graft supports: %s; run `graft setup`",
			path, Version, strings.Join(faults, ", "))
	}
	api.LogSet(bind.LogCallback(), 0)
	if err := bind.Guard(api.BackendInit); err != nil {
		return nil, fmt.Errorf("library %s: %w", path, err)
	}
	return api, nil
}

// Sizes of the mirrored structs in bytes, as the C compiler lays them out.
const (
	modelParamsBytes   = 80
	contextParamsBytes = 160
	batchBytes         = 56
)

// These lines compile only where Go lays the structs out with the same sizes.
var (
	_ [modelParamsBytes]byte   = [unsafe.Sizeof(ModelParams{})]byte{}
	_ [contextParamsBytes]byte = [unsafe.Sizeof(ContextParams{})]byte{}
	_ [batchBytes]byte         = [unsafe.Sizeof(Batch{})]byte{}
)

// modelFaults compares what llama_model_default_params returned with the defaults of llama.cpp v0.5.0, field by field. A field
// that was added, removed or moved shows as a difference, since neighbours have different defaults.
func modelFaults(got ModelParams) []string {
	return differences("llama_model_params", got, ModelParams{
		NGPULayers:    -1, // all layers
		SplitMode:     1,  // LLAMA_SPLIT_MODE_LAYER
		LoadMode:      -1, // LLAMA_LOAD_MODE_AUTO
		LazyMode:      1,  // LLAMA_LAZY_MODE_AUTO
		UseExtraBufts: true,
	})
}

// contextFaults is modelFaults for llama_context_default_params.
func contextFaults(got ContextParams) []string {
	return differences("llama_context_params", got, ContextParams{
		NCtx: 512, NBatch: 2048, NUBatch: 512, NSeqMax: 1, NOutputsMaxPerSeq: 1,
		NThreads: 4, NThreadsBatch: 4, // GGML_DEFAULT_N_THREADS
		RopeScalingType: -1, PoolingType: -1, AttentionType: -1, FlashAttnType: FlashAttnAuto,
		YarnExtFactor: -1, YarnAttnFactor: -1, YarnBetaFast: -1, YarnBetaSlow: -1, DefragThold: -1,
		TypeK: 1, TypeV: 1, // GGML_TYPE_F16
		OffloadKQV: true, NoPerf: true, OpOffload: true, SWAFull: true,
	})
}

// differences names the fields in which two values of one struct type differ, padding excepted.
func differences(name string, got, want any) []string {
	var faults []string
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		field := g.Type().Field(i)
		if field.Name == "_" {
			continue
		}
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); a != b {
			faults = append(faults, fmt.Sprintf("%s.%s is %v instead of %v", name, field.Name, a, b))
		}
	}
	return faults
}
