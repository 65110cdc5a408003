package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVerdict(t *testing.T) {
	eval := func(step int, loss float64) *Eval { e := newEval(step, loss); return &e }
	for _, k := range []struct {
		name              string
		first, best, last *Eval
		want              string
	}{
		{"improved", eval(0, 3), eval(9, 2), eval(9, 2), "improved: validation loss 3.0000 → 2.0000"},
		{"over-fitted", eval(0, 3), eval(4, 2), eval(9, 2.5), "over-fitted since step 4: "},
		{"no change", eval(0, 3), eval(4, 2.999), eval(9, 3), "not learned: .*a higher --lr"},
		{"worse than the base", eval(0, 3), eval(4, 5), eval(9, 6), "not learned: .*worse than the base alone; try a lower --lr"},
	} {
		t.Run(k.name, func(t *testing.T) {
			out := &output{firstEval: k.first, best: k.best, lastEval: k.last}
			require.Regexp(t, k.want, out.verdict(3))
		})
	}
	for _, k := range []struct {
		name     string
		losses   []float64
		perEpoch int
		want     string
	}{
		{"epochs, though the last step is hard", []float64{5, 6, 4, 4, 5, 3, 3, 4, 5.5}, 3, "improved: training loss 5.0000 → 4.1667"},
		{"thirds of less than two epochs", []float64{5, 7, 4, 4, 3, 5}, 100, "improved: training loss 6.0000 → 4.0000"},
		{"rising", []float64{3, 3, 4, 4}, 2, "not learned: training loss 3.0000 → 4.0000.*a lower --lr"},
		{"level", []float64{3, 3.001}, 1, "not learned: .*a higher --lr"},
	} {
		t.Run(k.name, func(t *testing.T) {
			out := &output{folder: t.TempDir()}
			var lines strings.Builder
			for i, l := range k.losses {
				fmt.Fprintf(&lines, `{"step":%d,"loss":%g,"loss_tokens":10}`+"\n", i+1, l)
			}
			require.NoError(t, os.WriteFile(filepath.Join(out.folder, metricsFile), []byte(lines.String()), 0o600))
			require.Regexp(t, k.want, out.verdict(k.perEpoch))
		})
	}
}
