package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// Files of a checkpoint, next to the adapter. The GGUF files hold one F32 tensor for each trained one, under its name.
const (
	stateFile   = "state.json"
	sumsFile    = "SHA256SUMS"       // of every other file, as sha256sum prints them
	weightsFile = "weights.gguf"     // the trained tensors
	meanFile    = "moment1.gguf"     // AdamW's mean of the gradients
	squareFile  = "moment2.gguf"     // AdamW's mean of their squares
	bestFile    = "best.gguf"        // the trained tensors at the best evaluation, where that is not this step
	formatNow   = 1                  // of state.json
	tensorsKind = "graft.checkpoint" // general.type of the GGUF files
)

// runState is state.json: where a run is. Order of the data, learning rate and everything that is drawn are functions of the seed and
// the step, so that nothing of them is kept.
type runState struct {
	Format         int       `json:"format"`
	Graft          string    `json:"graft"`
	Step           int       `json:"step"`            // optimizer steps done
	OptimizerSteps int       `json:"optimizer_steps"` // AdamW's t
	First          point     `json:"first_step"`
	Last           point     `json:"last_step"`
	FirstEval      *point    `json:"first_evaluation,omitempty"`
	LastEval       *point    `json:"last_evaluation,omitempty"`
	Best           *point    `json:"best_evaluation,omitempty"`
	Worse          int       `json:"evaluations_since_best"`
	Model          string    `json:"model_sha256"`        // over the tensors' bytes
	ModelHeader    string    `json:"model_header_sha256"` // over what comes before them
	Data           []fileSum `json:"data"`                // training files in their order, then the validation file
}

// point is a loss and its step.
type point struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

// fileSum is a data file and the SHA-256 of its bytes.
type fileSum struct {
	Use    string `json:"use"` // the flag that names it: data or valid
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// writeState writes the files of a checkpoint into an empty folder. best are the values of params.List at the best evaluation.
func writeState(dir string, s runState, params *peft.Params, best [][]float32) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	if err := writeFile(filepath.Join(dir, stateFile), append(text, '\n')); err != nil {
		return err
	}
	sets := []struct {
		file string
		of   func(p *peft.Param) *ggml.Tensor
	}{
		{weightsFile, func(p *peft.Param) *ggml.Tensor { return p.W }},
		{meanFile, func(p *peft.Param) *ggml.Tensor { return p.M }},
		{squareFile, func(p *peft.Param) *ggml.Tensor { return p.V }},
	}
	var buf []float32
	for _, set := range sets {
		err := writeTensors(filepath.Join(dir, set.file), s.Step, params.List, func(i int) []float32 {
			t := set.of(params.List[i])
			buf = slices.Grow(buf[:0], int(t.Elements()))[:t.Elements()]
			t.GetF32(buf)
			return buf
		})
		if err != nil {
			return err
		}
	}
	if s.Best == nil || s.Best.Step == s.Step {
		return nil
	}
	return writeTensors(filepath.Join(dir, bestFile), s.Step, params.List, func(i int) []float32 { return best[i] })
}

// writeTensors writes one tensor for each parameter.
func writeTensors(path string, step int, list []*peft.Param, values func(i int) []float32) error {
	w := gguf.NewWriter(path)
	w.SetString("general.type", tensorsKind)
	w.SetUint64("graft.checkpoint.step", uint64(step))
	for i, p := range list {
		w.AddTensor(p.Name, ggml.TypeF32, p.Ne, func(out io.Writer) error { return writeValues(out, ggml.TypeF32, values(i), p.Ne[0]) })
	}
	return w.Close()
}

// writeSums writes the hash of every file of a folder.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries {
		sum, err := fileHash(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, e.Name())
	}
	return writeFile(filepath.Join(dir, sumsFile), []byte(text.String()))
}

// checkpoint is one that is whole.
type checkpoint struct {
	Path string
	runState
}

// openCheckpoint reads the state of a checkpoint once every file of it has the hash it was written with. The error says in a few words
// what is wrong with it.
func openCheckpoint(dir string) (*checkpoint, error) {
	sums, err := readSums(dir)
	if err != nil {
		return nil, err
	}
	for name, want := range sums {
		got, err := fileHash(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("%s: %s", name, reason(err))
		}
		if got != want {
			return nil, fmt.Errorf("%s has another hash than was written", name)
		}
	}
	c := &checkpoint{Path: dir}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(text, &c.runState)
	}
	needed := []string{stateFile, weightsFile, meanFile, squareFile}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %s", stateFile, reason(err))
	case c.Format != formatNow:
		return nil, fmt.Errorf("%s is of format %d, this graft reads %d", stateFile, c.Format, formatNow)
	case checkpointName(c.Step) != filepath.Base(dir):
		return nil, fmt.Errorf("%s is of step %d", stateFile, c.Step)
	case c.Best != nil && c.Best.Step != c.Step:
		needed = append(needed, bestFile)
	}
	for _, name := range needed {
		if sums[name] == "" {
			return nil, fmt.Errorf("%s does not list %s", sumsFile, name)
		}
	}
	return c, nil
}

// readSums reads SHA256SUMS.
func readSums(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", sumsFile, reason(err))
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if _, err := hex.DecodeString(sum); !ok || err != nil || len(sum) != 2*sha256.Size || name != filepath.Base(name) {
			return nil, fmt.Errorf("%s is damaged", sumsFile)
		}
		sums[name] = sum
	}
	return sums, nil
}

// fill puts the tensors into params, and returns those of the best evaluation, in the order of params.List. All files are checked
// against params before the first value is set.
func (c *checkpoint) fill(params *peft.Params) (best [][]float32, err error) {
	files := map[string]*tensorFile{weightsFile: nil, meanFile: nil, squareFile: nil}
	if c.Best != nil && c.Best.Step != c.Step {
		files[bestFile] = nil
	}
	for name := range files {
		f, err := openTensors(filepath.Join(c.Path, name), c.Step, params.List)
		if err != nil {
			return nil, &peft.InputError{What: "resume", Where: c.Path, Err: err, Do: "resume with the graft and the settings that wrote it"}
		}
		defer f.Close()
		files[name] = f
	}
	if c.Best != nil {
		best = make([][]float32, len(params.List))
	}
	var buf []float32
	for i, p := range params.List {
		n := int(p.W.Elements())
		buf = slices.Grow(buf[:0], n)[:n]
		for _, set := range []struct {
			file string
			to   *ggml.Tensor
		}{{meanFile, p.M}, {squareFile, p.V}, {weightsFile, p.W}} {
			if err := files[set.file].read(i, buf); err != nil {
				return nil, err
			}
			set.to.SetF32(0, buf)
		}
		if best == nil {
			continue
		}
		best[i] = slices.Clone(buf) // of the weights, which were read last
		if f := files[bestFile]; f != nil {
			if err := f.read(i, best[i]); err != nil {
				return nil, err
			}
		}
	}
	return best, nil
}

// tensorFile is an open file of writeTensors.
type tensorFile struct {
	*gguf.File
	infos []*gguf.TensorInfo // in the order of the parameters
}

// openTensors opens a file of writeTensors, which must hold exactly the tensors of list.
func openTensors(path string, step int, list []*peft.Param) (*tensorFile, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	t := &tensorFile{File: f}
	if err := t.match(step, list); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return t, nil
}

// match finds the tensor of each parameter.
func (f *tensorFile) match(step int, list []*peft.Param) error {
	kind, _ := f.String("general.type")
	if at, _ := f.Uint("graft.checkpoint.step"); kind != tensorsKind || at != uint64(step) {
		return fmt.Errorf("no part of a checkpoint of step %d", step)
	}
	if len(f.Tensors) != len(list) {
		return fmt.Errorf("holds %d tensors, this run trains %d", len(f.Tensors), len(list))
	}
	for _, p := range list {
		t, ok := f.Tensor(p.Name)
		if !ok {
			return fmt.Errorf("lacks the tensor %s", p.Name)
		}
		ne := [4]int64{1, 1, 1, 1}
		copy(ne[:], t.Ne)
		if ne != p.W.Ne || t.Type != ggml.TypeF32 {
			return fmt.Errorf("%s is %s %s instead of f32 %s", p.Name, t.Type, ggml.ShapeString(ne), p.W.Shape())
		}
		f.infos = append(f.infos, t)
	}
	return nil
}

// read copies the values of parameter i.
func (f *tensorFile) read(i int, values []float32) error {
	if err := ggml.Dequantize(ggml.TypeF32, f.Data(f.infos[i]), values); err != nil {
		return fmt.Errorf("%s: %s: %w", f.Path, f.infos[i].Name, err)
	}
	return nil
}
