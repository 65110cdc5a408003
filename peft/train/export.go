package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
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
	e, err := openExport(from, model, out, overwrite)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if e.tuned.base != nil || e.tuned.lora == nil {
		return nil, &peft.InputError{What: "export", Where: "--to lora", Why: fmt.Sprintf("%s holds %d trained tensors of the base, which are no LoRA", from, len(e.tuned.base.Tensors)),
			Do: "give --to merged for a complete GGUF"}
	}
	a := e.tuned.lora
	a.ChatTemplate = e.tuned.template
	if err := a.Save(out, "llama", baseName(e.model.File)); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &Exported{Base: e.base, Kinds: a.Kinds(), Pairs: len(a.Pairs), Alpha: a.Pairs[0].Alpha}, nil
}

// checkExportPath refuses a file that exists or cannot be written.
func checkExportPath(out string, overwrite bool) error {
	info, err := os.Lstat(out)
	switch {
	case err == nil && info.IsDir():
		return &peft.InputError{What: "export", Where: "--out " + out, Why: "is a folder", Do: "give the name of a file"}
	case err == nil && !overwrite:
		return &peft.InputError{What: "export", Where: "--out " + out, Why: "exists", Do: "give another name, or --overwrite"}
	}
	folder := filepath.Dir(filepath.Clean(out))
	if _, err := os.Stat(folder); err != nil {
		return &peft.InputError{What: "export", Where: "--out " + out, Why: "its folder: " + reason(err), Do: "make it, or give another"}
	}
	if err := checkWritable(folder); err != nil {
		return &peft.InputError{What: "export", Where: "--out " + out, Why: reason(err), Do: "give a folder that can be written"}
	}
	return nil
}

// checkOtherFile refuses to write an export over a file that it is made from, which --overwrite does not mean.
func checkOtherFile(out string, sources ...string) error {
	to, err := os.Stat(out)
	if err != nil {
		return nil
	}
	for _, s := range sources {
		if from, err := os.Stat(s); err == nil && os.SameFile(from, to) {
			return &peft.InputError{What: "export", Where: "--out " + out, Why: "the export is made from this file", Do: "give another name"}
		}
	}
	return nil
}
