package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/binding/blas"
	"github.com/graft-go/graft/binding/llama"
	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft/train"
)

// diagnosis is what doctor found; --json prints it as it is.
type diagnosis struct {
	Graft    string        `json:"graft"`
	System   string        `json:"system"`
	Threads  int           `json:"threads"`      // physical cores this process may use
	Memory   int64         `json:"memory_bytes"` // that this process can still take, 0 = not known
	Library  libraryFacts  `json:"library"`
	Devices  []ggml.Device `json:"devices"`
	BLAS     []blasFacts   `json:"blas"`
	Programs []program     `json:"programs"`
	Problems []problem     `json:"problems"`
	Ready    bool          `json:"ready"` // training works
}

type libraryFacts struct {
	Folder string `json:"folder"`
	Source string `json:"source"` // the rule that found it
	GGML   string `json:"ggml"`
	Commit string `json:"commit"`
	Llama  bool   `json:"libllama"`
}

type blasFacts struct {
	Path   string  `json:"path"`
	Source string  `json:"source"`
	Name   string  `json:"name,omitempty"`
	GFLOPS float64 `json:"gflops,omitempty"` // one thread
	Chosen bool    `json:"chosen"`
	Error  string  `json:"error,omitempty"`
}

type program struct {
	Name string `json:"name"`
	Path string `json:"path"` // "" = not found
}

type problem struct {
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// runDoctor says what is installed and what is missing, with the command that fixes it.
func runDoctor(_ context.Context, args []string, stdout, _ io.Writer) error {
	f := newFlags("doctor", "doctor [--json]", "Shows the native libraries, devices, BLAS and memory that graft finds, and how to fix what is missing.")
	asJSON := f.Bool("json", false, "one JSON document on stdout")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	d, fault := diagnose()
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(d); err != nil {
			return err
		}
	} else {
		d.print(stdout)
	}
	return fault
}

// diagnose looks at everything; the error is why training cannot work.
func diagnose() (*diagnosis, error) {
	d := &diagnosis{Graft: train.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Threads: ggml.Threads(), Memory: train.AvailableMemory(), Ready: true,
		Devices: []ggml.Device{}, BLAS: []blasFacts{}, Problems: []problem{}}
	var fault error
	if found, err := binding.FindGGML(); err == nil {
		d.Library.Folder, d.Library.Source = found.Path, found.Source
	}
	version, commit, _, err := ggml.Version()
	if err == nil {
		d.Library.GGML, d.Library.Commit = version, commit
		_, err = llama.Load()
		d.Library.Llama = err == nil
	}
	if err == nil {
		d.Devices, err = ggml.Devices()
	}
	if err != nil {
		fault, d.Ready = badInput("doctor", err), false
		d.Problems = append(d.Problems, problem{err.Error(), "graft setup"})
	}
	d.findBLAS()
	for _, name := range []string{"npm", "python3"} {
		path, _ := exec.LookPath(name)
		d.Programs = append(d.Programs, program{name, path})
		if path == "" {
			d.Problems = append(d.Problems, problem{name + " is not on PATH; `graft setup` needs it", "install " + name + ", or use `graft setup --from FILE.tgz`"})
		}
	}
	return d, fault
}

// findBLAS measures the candidates.
func (d *diagnosis) findBLAS() {
	best := blas.Choose()
	for _, c := range blas.Candidates() {
		b := blasFacts{Path: c.Found.Path, Source: c.Found.Source, Name: c.Name, GFLOPS: c.GFLOPS, Chosen: best != nil && best.Found == c.Found}
		if c.Err != nil {
			b.Error = c.Err.Error()
		}
		d.BLAS = append(d.BLAS, b)
	}
	if best == nil {
		d.Problems = append(d.Problems, problem{"no BLAS: ggml's own kernels compute the products, several times slower in training", "graft setup"})
	}
}

// print writes the diagnosis for people.
func (d *diagnosis) print(w io.Writer) {
	fmt.Fprintf(w, "graft     %s, %s, %d threads", d.Graft, d.System, d.Threads)
	if d.Memory > 0 {
		fmt.Fprintf(w, ", %.1f GB of memory free", float64(d.Memory)/1e9)
	}
	fmt.Fprintln(w)
	if d.Library.Folder == "" {
		fmt.Fprintln(w, "library   not found")
	} else {
		fmt.Fprintf(w, "library   %s (%s)\n", d.Library.Folder, d.Library.Source)
	}
	if d.Library.GGML != "" {
		fmt.Fprintf(w, "          ggml %s (%s), libllama %s\n", d.Library.GGML, d.Library.Commit, map[bool]string{true: llama.Version, false: "does not load"}[d.Library.Llama])
	}
	for _, dev := range d.Devices {
		fmt.Fprintf(w, "device    %s: %s, %.1f of %.1f GB free\n", dev.Name, dev.Description, float64(dev.FreeBytes)/1e9, float64(dev.TotalBytes)/1e9)
	}
	for _, b := range d.BLAS {
		switch {
		case b.Error != "":
			fmt.Fprintf(w, "BLAS      unusable: %s\n", b.Error)
		default:
			fmt.Fprintf(w, "BLAS      %s (%s): %s, %.0f GFLOP/s a thread%s\n", b.Path, b.Source, b.Name, b.GFLOPS, map[bool]string{true: ", chosen"}[b.Chosen])
		}
	}
	for _, p := range d.Programs {
		if p.Path == "" {
			p.Path = "not found"
		}
		fmt.Fprintf(w, "%-9s %s\n", p.Name, p.Path)
	}
	for _, p := range d.Problems {
		fmt.Fprintf(w, "problem   %s\n          fix: %s\n", p.What, p.Fix)
	}
	if d.Ready {
		fmt.Fprintln(w, "ready to train on the CPU")
	}
}
