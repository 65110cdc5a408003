package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// record is run.json: what a run was made of. Of a resumed run the facts about the machine are those of the last part.
type record struct {
	Graft       string            `json:"graft"`
	CommandLine []string          `json:"command_line"`
	Started     time.Time         `json:"started"`
	Resumed     []part            `json:"resumed,omitempty"`
	Ended       *time.Time        `json:"ended,omitempty"`
	State       string            `json:"state"` // running, done or stopped
	Verdict     string            `json:"verdict,omitempty"`
	Model       string            `json:"model"`
	ModelSHA256 string            `json:"model_sha256,omitempty"` // over the tensors' bytes
	Data        map[string]string `json:"data_sha256"`            // file → hash of its bytes
	GGML        string            `json:"ggml"`
	Library     string            `json:"library"`
	Device      string            `json:"device"`
	Processor   string            `json:"processor"`
	Threads     int               `json:"threads"`
	BLAS        string            `json:"blas"`      // what it says of itself, or "none"
	BLASFile    string            `json:"blas_file"` // "" where there is none
	Parameters  int64             `json:"trained_parameters"`
	Steps       int               `json:"steps"`
}

// part is a resumption.
type part struct {
	At          time.Time `json:"at"`
	Step        int       `json:"step"` // of the checkpoint
	CommandLine []string  `json:"command_line"`
}

// newRecord describes this machine and this run.
func (j *job) newRecord() (*record, error) {
	version, commit, library, err := ggml.Version()
	if err != nil {
		return nil, err
	}
	r := &record{Graft: graftVersion(), State: "running", Model: j.Model, GGML: version + " " + commit, Library: library, Device: "cpu",
		Threads: j.backend.Threads, BLAS: "none", Parameters: j.tuned.params.Count()}
	if b := j.backend.BLAS; b != nil {
		r.BLAS, r.BLASFile = b.Name, b.Found.Path
	}
	devices, err := ggml.Devices()
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		if d.Kind == "cpu" {
			r.Processor = d.Description
		}
	}
	return r, nil
}

// differences lists what of two records can change the last bits of a sum.
func (r *record) differences(now *record) []string {
	var out []string
	add := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s %s, was %s", what, b, a))
		}
	}
	add("threads", fmt.Sprint(r.Threads), fmt.Sprint(now.Threads))
	add("BLAS", r.BLAS+" "+r.BLASFile, now.BLAS+" "+now.BLASFile)
	add("ggml", r.GGML, now.GGML)
	add("graft", r.Graft, now.Graft)
	add("processor", r.Processor, now.Processor)
	add("device", r.Device, now.Device)
	return out
}

// finishRecord completes run.json.
func (out *output) finishRecord(state string) error {
	now := time.Now()
	out.record.Ended, out.record.State = &now, state
	out.record.ModelSHA256 = out.hashOfBase().tensors
	return out.writeRecord()
}

func (out *output) writeRecord() error {
	text, err := json.MarshalIndent(out.record, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", recordFile, err)
	}
	return writeFile(filepath.Join(out.folder, recordFile), append(text, '\n'))
}

func graftVersion() string { return Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }

// baseHash names a base model by its content.
type baseHash struct {
	tensors string // SHA-256 over the tensors' bytes, as gguf.File has it
	header  string // and over what comes before them: metadata, names and shapes
	err     error
}

func hashBase(f *gguf.File) (h baseHash) {
	h.tensors, h.err = f.SHA256()
	first := f.Parts()[0].Mapping
	h.header = bytesHash(first[:min(f.DataOffset, int64(len(first)))])
	return h
}

// hashOfBase waits for the hash of the base model.
func (out *output) hashOfBase() baseHash {
	h := <-out.base
	out.base <- h
	return h
}
