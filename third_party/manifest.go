// Package third_party pins the prebuilt native libraries (version and integrity per platform) and installs them through
// the npm and pip clients of the machine. It knows packages by name only; where they come from is the clients' business.
package third_party

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed manifest.json
var manifestJSON []byte

// Manifest is the pinned set of packages.
type Manifest struct {
	LlamaCPP string    `json:"llama_cpp"` // release of the newest packages, "v0.5.0"
	GGML     string    `json:"ggml"`      // ggml_version() of these
	Packages []Package `json:"packages"`
	BLAS     BLAS      `json:"blas"`
}

// Package is the build of ggml and llama.cpp for one platform and variant. It is made of one or more npm packages; a later
// part replaces files of an earlier one.
type Package struct {
	Platform string `json:"platform"` // as binding.Platform
	Variant  string `json:"variant"`  // "", "cuda", "cuda-ext" (older GPUs and CUDA drivers), "vulkan", "metal"
	LlamaCPP string `json:"llama_cpp"`
	GGML     string `json:"ggml"`
	Parts    []Part `json:"parts"`
}

// Part is one npm package at one version.
type Part struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Integrity string `json:"integrity"` // subresource integrity, "sha512-<base64>", over the packed file
}

// File is the name that `npm pack` gives to the packed file.
func (p Part) File() string {
	return strings.ReplaceAll(strings.TrimPrefix(p.Name, "@"), "/", "-") + "-" + p.Version + ".tgz"
}

// BLAS is the pinned wheel of OpenBLAS.
type BLAS struct {
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Wheels  []Wheel `json:"wheels"`
}

// Wheel is the BLAS for one platform.
type Wheel struct {
	Platform string `json:"platform"`
	Tag      string `json:"tag"` // what pip calls the platform
	File     string `json:"file"`
	SHA256   string `json:"sha256"` // lower-case hex over the file
}

// Load decodes the embedded manifest.
func Load() (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(manifestJSON, m); err != nil {
		return nil, fmt.Errorf("embedded manifest: %w", err)
	}
	return m, nil
}

// Package returns the build for a platform. The empty variant is the plain one, or the only one where the platform has no plain
// one (Metal on Apple silicon).
func (m *Manifest) Package(platform, variant string) (Package, error) {
	var variants []string
	var only []Package
	for _, p := range m.Packages {
		if p.Platform != platform {
			continue
		}
		if p.Variant == variant {
			return p, nil
		}
		only = append(only, p)
		if p.Variant != "" {
			variants = append(variants, p.Variant)
		}
	}
	switch {
	case len(only) == 0:
		return Package{}, &SourceError{platform, "there is no prebuilt ggml for this platform", "build llama.cpp with shared libraries and set GRAFT_LIB to its build folder"}
	case variant == "" && len(only) == 1:
		return only[0], nil
	case len(variants) == 0:
		return Package{}, &SourceError{"--gpu " + variant, platform + " has no prebuilt GPU variant", "leave --gpu out, or set GRAFT_LIB to a llama.cpp build"}
	}
	return Package{}, &SourceError{"--gpu " + variant, platform + " has no such variant", "choose " + strings.Join(variants, " or ")}
}

// Wheel returns the BLAS wheel for a platform, and whether there is one.
func (m *Manifest) Wheel(platform string) (Wheel, bool) {
	i := slices.IndexFunc(m.BLAS.Wheels, func(w Wheel) bool { return w.Platform == platform })
	if i < 0 {
		return Wheel{}, false
	}
	return m.BLAS.Wheels[i], true
}

// SourceError is a fault in what the user asked for or gave: an unknown variant, a package file that is not the pinned one.
type SourceError struct {
	Where, Why, Do string
}

func (e *SourceError) Error() string {
	s := e.Where + ": " + e.Why
	if e.Do != "" {
		s += "; " + e.Do
	}
	return s
}

// BadInput says that the user can repair it.
func (e *SourceError) BadInput() bool { return true }
