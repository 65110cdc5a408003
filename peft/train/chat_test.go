package train

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/chat"
)

// names spells token i as <i>.
type names struct{ chat.Vocabulary }

func (names) Text(id int32) string { return "<" + string(rune('a'+id)) + ">" }

// Marks whose embeddings are nearly zero, or the same, are warned about.
func TestUntrainedMarkers(t *testing.T) {
	const width, rows = 16, 8
	for _, c := range []struct {
		name   string
		change func(row int, values []float32)
		marked []int32
		want   string
	}{
		{"trained", func(int, []float32) {}, []int32{6, 7}, ""},
		{"no marks", func(int, []float32) {}, nil, ""},
		{"zero", func(row int, v []float32) {
			if row == 7 {
				clear(v)
			}
		}, []int32{6, 7}, "marker <h> looks untrained"},
		{"tiny", func(row int, v []float32) {
			for i := range v {
				if row == 6 {
					v[i] *= 0.01
				}
			}
		}, []int32{6, 7}, "marker <g> looks untrained"},
		{"the same", func(row int, v []float32) {
			if row >= 6 {
				for i := range v {
					v[i] = 1 + 0.0001*float32(row)
				}
			}
		}, []int32{6, 7}, "markers <g> and <h> look untrained"},
		{"an id beyond the embedding", func(int, []float32) {}, []int32{100}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var all []float32
			for row := range rows {
				v := make([]float32, width)
				for i := range v {
					v[i] = float32(rng.NormFloat64())
				}
				c.change(row, v)
				all = append(all, v...)
			}
			path := filepath.Join(t.TempDir(), "m.gguf")
			w := gguf.NewWriter(path)
			w.SetString("general.architecture", "llama")
			w.AddF32("token_embd.weight", []int64{width, rows}, all)
			require.NoError(t, w.Close())
			f, err := gguf.Open(path)
			require.NoError(t, err)
			defer f.Close()
			tm := &templates{model: &chat.Model{Vocabulary: names{}}, choice: &chat.Choice{Marked: c.marked}}
			got := tm.untrained(f)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
			require.Contains(t, got, "--chat-template")
		})
	}
}
