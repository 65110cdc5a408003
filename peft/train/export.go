package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
)

// readRecord reads run.json of a run folder.
func readRecord(folder string) (*record, error) {
	path := filepath.Join(folder, "run.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &peft.InputError{What: "run", Where: folder, Why: "no run.json in this folder", Do: "give the folder of a run"}
	}
	if err != nil {
		return nil, &peft.InputError{What: "run", Where: path, Why: reason(err), Err: err}
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, &peft.InputError{What: "run", Where: path, Why: "not the record of a run: " + err.Error(), Do: "give the folder of a run"}
	}
	return r, nil
}

// BaseOf is the base model of a run folder, checked against the hash in its record; "" where path is an adapter file.
func BaseOf(path string) (string, error) {
	if p, _, err := adapterScale(path); err == nil {
		path = p
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", &peft.InputError{What: "adapter", Where: path, Why: reason(err), Do: "give a LoRA GGUF or a run folder"}
	}
	if !info.IsDir() {
		return "", nil
	}
	r, err := readRecord(path)
	if err != nil {
		return "", err
	}
	f, err := gguf.Open(r.Model)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum, err := f.SHA256()
	if err != nil {
		return "", err
	}
	if r.ModelSHA256 != "" && sum != r.ModelSHA256 {
		return "", &peft.InputError{What: "run", Where: path, Why: "its base model " + r.Model + " has changed since", Do: "give the right file with -m"}
	}
	return r.Model, nil
}

// Exported describes a written adapter.
type Exported struct {
	Base  string
	Kinds string
	Pairs int
	Alpha float64
}

// ExportLoRA writes the adapter of a run folder or file as a LoRA GGUF to out, checked against its base model.
func ExportLoRA(from, model, out string, overwrite bool) (*Exported, error) {
	if _, err := os.Lstat(out); err == nil && !overwrite {
		return nil, &peft.InputError{What: "export", Where: "--out " + out, Why: "exists", Do: "give another name, or --overwrite"}
	}
	if err := checkWritable(filepath.Dir(filepath.Clean(out))); err != nil {
		return nil, &peft.InputError{What: "export", Where: "--out " + out, Why: reason(err), Do: "give a folder that can be written"}
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
	file, err := lora.Open(path)
	if err != nil {
		return nil, err
	}
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: 1, NoBLAS: true})
	if err != nil {
		return nil, err
	}
	defer be.Close()
	m, err := llama.Open(be, model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	a, err := file.Adapter(m.Sites())
	if err != nil {
		return nil, err
	}
	params, err := peft.NewParams(be, a.Specs(), false)
	if err != nil {
		return nil, err
	}
	defer params.Close()
	a.Attach(params)
	if err := file.Fill(a); err != nil {
		return nil, err
	}
	a.ChatTemplate = file.ChatTemplate
	if err := a.Save(out, "llama", baseName(m.File)); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &Exported{Base: model, Kinds: a.Kinds(), Pairs: len(a.Pairs), Alpha: a.Pairs[0].Alpha}, nil
}
