package ggml

import "unsafe"

// Limits of ggml.h that shape the structs below.
const (
	maxDims = 4
	maxSrc  = 10
	maxName = 64
)

// Tensor flags (ggml.h, enum ggml_tensor_flag).
const (
	FlagInput  = 1
	FlagOutput = 2
	FlagParam  = 4
)

// Tensor mirrors struct ggml_tensor. Values live in C memory; Go never allocates one.
type Tensor struct {
	Type     int32
	_        int32
	Buffer   uintptr
	Ne       [maxDims]int64
	Nb       [maxDims]uint64
	Op       int32
	OpParams [16]int32
	Flags    int32
	Src      [maxSrc]*Tensor
	ViewSrc  *Tensor
	ViewOffs uint64
	Data     unsafe.Pointer
	Name     [maxName]byte
	Extra    uintptr
	_        [8]byte
}

// InitParams mirrors struct ggml_init_params.
type InitParams struct {
	MemSize uint64
	MemBuf  uintptr
	NoAlloc bool
}

// TypeTraits mirrors struct ggml_type_traits.
type TypeTraits struct {
	Name                uintptr
	BlockSize           int64
	BlockSizeInterleave int64
	TypeSize            uint64
	IsQuantized         bool
	ToFloat, FromFloat  uintptr
}

// Device types (ggml-backend.h, enum ggml_backend_dev_type).
const (
	DeviceCPU   = 0
	DeviceGPU   = 1
	DeviceIGPU  = 2
	DeviceAccel = 3
)

// BufferUsageWeights marks a buffer as holding weights (enum ggml_backend_buffer_usage).
const BufferUsageWeights = 1

// StatusSuccess is what a computed graph returns (enum ggml_status).
const StatusSuccess = 0
