package llama

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
)

func TestLoad(t *testing.T) {
	api, err := Load()
	if missing := (*binding.NotFoundError)(nil); errors.As(err, &missing) {
		t.Skip("no native library: ", err)
	}
	require.NoError(t, err)
	again, err := Load()
	require.NoError(t, err)
	require.Same(t, api, again)
}

func TestGateNamesTheField(t *testing.T) {
	cases := []struct {
		name   string
		faults []string
		want   string
	}{
		{"all model defaults of another version", modelFaults(ModelParams{NGPULayers: 999, SplitMode: 1, LoadMode: -1, LazyMode: 1, UseExtraBufts: true}),
			"llama_model_params.NGPULayers is 999 instead of -1"},
		{"a field less", modelFaults(ModelParams{NGPULayers: -1, SplitMode: 1, LoadMode: -1, LazyMode: 0, UseExtraBufts: true}),
			"llama_model_params.LazyMode is 0 instead of 1"},
		{"context", contextFaults(ContextParams{NCtx: 512, NBatch: 1}), "llama_context_params.NBatch is 1 instead of 2048"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Contains(t, c.faults, c.want) })
	}
}
