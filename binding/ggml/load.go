package ggml

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/graft-go/graft/binding"
)

// The ggml versions whose ABI this package mirrors: from 0.23.0 (llama.cpp v0.4.0) to below 0.26.
const (
	minVersion = "0.23.0"
	maxMinor   = 25
)

// Lib is the loaded native library: its functions, the folder it came from, and the opened files, in which binding/llama
// looks for its own symbols after these.
type Lib struct {
	API
	Found      binding.Found
	Libraries  []*binding.Library
	SetThreads func(backend uintptr, n int32) // ggml_backend_set_n_threads of the CPU backend
	CPU        uintptr                        // the CPU device
}

var loaded struct {
	once sync.Once
	lib  *Lib
	err  error
}

// Load finds, opens and proves the native library; the first call does the work and later ones return its result.
// Nothing of graft calls C before it has succeeded.
func Load() (*Lib, error) {
	loaded.once.Do(func() { loaded.lib, loaded.err = load() })
	return loaded.lib, loaded.err
}

func load() (*Lib, error) {
	found, err := binding.FindGGML()
	if err != nil {
		return nil, err
	}
	lib := &Lib{Found: found}
	for _, name := range []string{"ggml-base", "ggml"} {
		path, err := found.Library(name)
		if err != nil {
			return nil, err
		}
		l, err := binding.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%w; the file is damaged or not built for this system, run `graft setup`", err)
		}
		lib.Libraries = append(lib.Libraries, l)
	}
	if err := binding.Bind(&lib.API, lib.Libraries...); err != nil {
		return nil, err
	}
	if err := lib.gate(); err != nil {
		return nil, fmt.Errorf("library %s: %w", found.Path, err)
	}
	lib.installCallbacks()
	lib.LoadAllFromPath(found.Path)
	if lib.CPU = lib.DevByType(DeviceCPU); lib.CPU == 0 {
		return nil, fmt.Errorf("library %s: no CPU backend for this processor in the folder; run `graft setup`", found.Path)
	}
	reg := lib.DevBackendReg(lib.CPU)
	addr := lib.RegGetProcAddress(reg, "ggml_backend_set_n_threads")
	if addr == 0 {
		return nil, fmt.Errorf("library %s: the CPU backend has no ggml_backend_set_n_threads; run `graft setup`", found.Path)
	}
	purego.RegisterFunc(&lib.SetThreads, addr)
	return lib, nil
}

// gate proves what Go mirrors of the ABI: the version, every type's name and block, the operation numbers, and the layout of a tensor.
func (lib *Lib) gate() error {
	version := lib.Version()
	if !supported(version) {
		return fmt.Errorf("ggml %s is not supported (graft knows %s to 0.%d); run `graft setup`", version, minVersion, maxMinor)
	}
	var faults []string
	for _, t := range Types {
		if name, blck, size := lib.TypeName(t.Number), lib.BlckSize(t.Number), lib.TypeSize(t.Number); name != t.Name || blck != t.BlockSize || int64(size) != t.BlockBytes {
			faults = append(faults, fmt.Sprintf("type %d is %s with %d values in %d bytes instead of %s with %d in %d",
				t.Number, name, blck, size, t.Name, t.BlockSize, t.BlockBytes))
		}
	}
	for op, name := range opNames {
		if got := lib.OpName(op); got != name {
			faults = append(faults, fmt.Sprintf("operation %d is %s instead of %s", op, got, name))
		}
	}
	faults = append(faults, lib.tensorFaults()...)
	if len(faults) > 0 {
		return fmt.Errorf("ggml %s does not have the ABI that graft mirrors: %s; run `graft setup`", version, strings.Join(faults, ", "))
	}
	return nil
}

// tensorFaults creates a known tensor and a view and reads them back through the mirrored struct.
func (lib *Lib) tensorFaults() []string {
	const object = 32 // sizeof(struct ggml_object)
	if got, want := lib.TensorOverhead(), uint64(unsafe.Sizeof(Tensor{})+object); got != want {
		return []string{fmt.Sprintf("a tensor takes %d bytes instead of %d", got, want)}
	}
	ctx := lib.Init(InitParams{MemSize: 8 * lib.TensorOverhead(), NoAlloc: true})
	if ctx == 0 {
		return []string{"ggml_init returned no context"}
	}
	defer lib.Free(ctx)
	ne := [maxDims]int64{64, 3, 5, 7}
	t := lib.SetName(lib.NewTensor(ctx, 8, maxDims, &ne[0]), "gate")
	lib.SetParam(t)
	v := lib.View4D(ctx, t, 32, 3, 5, 7, t.Nb[1], t.Nb[2], t.Nb[3], 34)
	s := lib.Add(ctx, t, t)
	var faults []string
	check := func(what string, ok bool) {
		if !ok {
			faults = append(faults, "struct ggml_tensor differs at "+what)
		}
	}
	check("type", t.Type == 8)
	check("ne", t.Ne == ne)
	check("nb", t.Nb == [maxDims]uint64{34, 68, 204, 1020})
	check("name", string(t.Name[:5]) == "gate\x00")
	check("flags", t.Flags == FlagParam)
	check("data", t.Data == nil && t.Buffer == 0)
	check("view_src", v.ViewSrc == t && v.ViewOffs == 34)
	check("op", s.Op == OpAdd)
	check("src", s.Src[0] == t && s.Src[1] == t && s.Src[2] == nil)
	return faults
}

// supported tells whether version ("0.25.1") lies in the range this package mirrors.
func supported(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 || parts[0] != "0" {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && minor >= 23 && minor <= maxMinor
}

// argument lists for call: a variadic list would be allocated at each call.
var argLists = sync.Pool{New: func() any { return new([4]uintptr) }}

// call calls a C function of up to four integer or pointer arguments by its address. It allocates nothing in the steady state.
func call(fn, a, b, c, d uintptr) uintptr {
	args := argLists.Get().(*[4]uintptr)
	*args = [4]uintptr{a, b, c, d}
	r, _, _ := purego.SyscallN(fn, args[:]...)
	argLists.Put(args)
	return r
}

// Compute runs a graph on a backend and returns enum ggml_status.
func (lib *Lib) Compute(backend, graph uintptr) int32 {
	return int32(call(lib.GraphComputeAddr, backend, graph, 0, 0))
}

// TensorSet copies size bytes from data into a tensor at offset (bytes).
func (lib *Lib) TensorSet(t *Tensor, data unsafe.Pointer, offset, size uint64) {
	call(lib.TensorSetAddr, uintptr(unsafe.Pointer(t)), uintptr(data), uintptr(offset), uintptr(size))
	runtime.KeepAlive(data)
}

// TensorGet copies size bytes of a tensor at offset (bytes) to data.
func (lib *Lib) TensorGet(t *Tensor, data unsafe.Pointer, offset, size uint64) {
	call(lib.TensorGetAddr, uintptr(unsafe.Pointer(t)), uintptr(data), uintptr(offset), uintptr(size))
	runtime.KeepAlive(data)
}

// ToFloat converts n values of a type to float32 through the address that TypeTraits gives.
func ToFloat(fn uintptr, src, dst unsafe.Pointer, n int64) {
	call(fn, uintptr(src), uintptr(dst), uintptr(n), 0)
	runtime.KeepAlive(dst)
}

// verbose tells whether the library's own messages go to stderr (GRAFT_VERBOSE).
func verbose() bool { return os.Getenv("GRAFT_VERBOSE") != "" }
