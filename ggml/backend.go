package ggml

import (
	"errors"
	"fmt"

	"github.com/graft-go/graft/binding/blas"
	bind "github.com/graft-go/graft/binding/ggml"
)

// AbortError is an assertion that failed inside the native library; see binding/ggml.Guard.
type AbortError = bind.AbortError

// ErrLibrary is wrapped by every error about a native library that is missing, incomplete or of another version.
var ErrLibrary = errors.New("native library unusable")

// libraryError keeps the text of err and marks it as ErrLibrary.
type libraryError struct{ error }

func (e libraryError) Unwrap() []error { return []error{e.error, ErrLibrary} }

func load() (*bind.Lib, error) {
	lib, err := bind.Load()
	if err != nil {
		return nil, libraryError{err}
	}
	return lib, nil
}

// Device is a device that the loaded backends offer.
type Device struct {
	Name        string // "CPU", "CUDA0", "Vulkan0"
	Description string
	Kind        string // "cpu", "gpu", "igpu", "accel"
	FreeBytes   uint64
	TotalBytes  uint64
}

// Version returns the version and commit of the loaded ggml.
func Version() (version, commit, folder string, err error) {
	lib, err := load()
	if err != nil {
		return "", "", "", err
	}
	return lib.Version(), lib.Commit(), lib.Found.Path, nil
}

// Devices lists the devices of every backend in the library folder.
func Devices() ([]Device, error) {
	lib, err := load()
	if err != nil {
		return nil, err
	}
	kinds := map[int32]string{bind.DeviceCPU: "cpu", bind.DeviceGPU: "gpu", bind.DeviceIGPU: "igpu", bind.DeviceAccel: "accel"}
	var devices []Device
	for i := range lib.DevCount() {
		dev := lib.DevGet(i)
		d := Device{Name: lib.DevName(dev), Description: lib.DevDescription(dev), Kind: kinds[lib.DevType(dev)]}
		lib.DevMemory(dev, &d.FreeBytes, &d.TotalBytes)
		devices = append(devices, d)
	}
	return devices, nil
}

// Backend computes graphs on one device.
type Backend struct {
	lib     *bind.Lib
	c       uintptr
	Threads int
	BLAS    *blas.BLAS // nil: ggml's own kernels compute the products

	products int // number of the first custom operation of product_cpu.go
}

// CPUOptions choose how the CPU computes.
type CPUOptions struct {
	Threads int    // 0 = Threads()
	NoBLAS  bool   // ggml's own kernels even where a BLAS is there
	BLAS    string // file of the BLAS to take where it is still there, instead of the fastest; "" = the fastest
}

// NewCPU starts the CPU backend with the fastest BLAS found.
func NewCPU(o CPUOptions) (*Backend, error) {
	lib, err := load()
	if err != nil {
		return nil, err
	}
	if o.Threads <= 0 {
		o.Threads = Threads()
	}
	b := &Backend{lib: lib, c: lib.DevInit(lib.CPU, 0), Threads: o.Threads, products: registerProducts(lib)}
	if b.c == 0 {
		return nil, fmt.Errorf("start the CPU backend: %s", bind.TakeMessages())
	}
	lib.SetThreads(b.c, int32(o.Threads))
	if !o.NoBLAS {
		b.BLAS = blas.Prefer(o.BLAS)
	}
	return b, nil
}

// Close frees the backend; graphs and stores made with it must be closed first. It may be called twice.
func (b *Backend) Close() {
	if b != nil && b.c != 0 {
		b.lib.BackendFree(b.c)
		b.c = 0
	}
}
