package ggml

import "unsafe"

// API is one field per C function of libggml-base and libggml, named as in the headers (ggml.h, ggml-backend.h, ggml-alloc.h)
// without the prefix. Handles (contexts, graphs, buffers, devices) are uintptr; tensors are *Tensor in C memory.
type API struct {
	// ggml.h: versions, names, types
	Version                 func() string                                                                                           `c:"ggml_version"`
	Commit                  func() string                                                                                           `c:"ggml_commit"`
	OpName                  func(op int32) string                                                                                   `c:"ggml_op_name"`
	TypeName                func(typ int32) string                                                                                  `c:"ggml_type_name"`
	BlckSize                func(typ int32) int64                                                                                   `c:"ggml_blck_size"`
	TypeSize                func(typ int32) uint64                                                                                  `c:"ggml_type_size"`
	GetTypeTraits           func(typ int32) *TypeTraits                                                                             `c:"ggml_get_type_traits"`
	QuantizeRequiresImatrix func(typ int32) bool                                                                                    `c:"ggml_quantize_requires_imatrix"`
	LogSet                  func(callback, userData uintptr)                                                                        `c:"ggml_log_set"`
	SetAbortCallback        func(callback uintptr) uintptr                                                                          `c:"ggml_set_abort_callback"`
	QuantizeChunk           func(typ int32, src *float32, dst unsafe.Pointer, start, nrows, nPerRow int64, imatrix *float32) uint64 `c:"ggml_quantize_chunk"`

	// ggml.h: contexts and tensors
	Init           func(InitParams) uintptr                                                                     `c:"ggml_init"`
	Free           func(ctx uintptr)                                                                            `c:"ggml_free"`
	UsedMem        func(ctx uintptr) uint64                                                                     `c:"ggml_used_mem"`
	TensorOverhead func() uint64                                                                                `c:"ggml_tensor_overhead"`
	GraphOverhead  func(size uint64, grads bool) uint64                                                         `c:"ggml_graph_overhead_custom"`
	NewTensor      func(ctx uintptr, typ int32, nDims int32, ne *int64) *Tensor                                 `c:"ggml_new_tensor"`
	View4D         func(ctx uintptr, a *Tensor, ne0, ne1, ne2, ne3 int64, nb1, nb2, nb3, offset uint64) *Tensor `c:"ggml_view_4d"`
	Reshape4D      func(ctx uintptr, a *Tensor, ne0, ne1, ne2, ne3 int64) *Tensor                               `c:"ggml_reshape_4d"`
	Permute        func(ctx uintptr, a *Tensor, axis0, axis1, axis2, axis3 int32) *Tensor                       `c:"ggml_permute"`
	SetName        func(t *Tensor, name string) *Tensor                                                         `c:"ggml_set_name"`
	SetParam       func(t *Tensor)                                                                              `c:"ggml_set_param"`

	// ggml.h: operations
	Add            func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_add"`
	AddInplace     func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_add_inplace"`
	MulInplace     func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_mul_inplace"`
	Sub            func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_sub"`
	Mul            func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_mul"`
	Div            func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_div"`
	Scale          func(ctx uintptr, a *Tensor, s float32) *Tensor                                                                                                 `c:"ggml_scale"`
	Sqr            func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_sqr"`
	Sqrt           func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_sqrt"`
	Log            func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_log"`
	Sum            func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_sum"`
	SumRows        func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_sum_rows"`
	ArgMax         func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_argmax"`
	Repeat         func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_repeat"`
	RepeatBack     func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_repeat_back"`
	Silu           func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_silu"`
	SiluBack       func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_silu_back"`
	SwiGLUSplit    func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_swiglu_split"`
	RMSNorm        func(ctx uintptr, a *Tensor, eps float32) *Tensor                                                                                               `c:"ggml_rms_norm"`
	RMSNormBack    func(ctx uintptr, a, b *Tensor, eps float32) *Tensor                                                                                            `c:"ggml_rms_norm_back"`
	MulMat         func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_mul_mat"`
	Cont           func(ctx uintptr, a *Tensor) *Tensor                                                                                                            `c:"ggml_cont"`
	Cast           func(ctx uintptr, a *Tensor, typ int32) *Tensor                                                                                                 `c:"ggml_cast"`
	Cpy            func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_cpy"`
	Concat         func(ctx uintptr, a, b *Tensor, dim int32) *Tensor                                                                                              `c:"ggml_concat"`
	GetRows        func(ctx uintptr, a, b *Tensor) *Tensor                                                                                                         `c:"ggml_get_rows"`
	GetRowsBack    func(ctx uintptr, a, b, c *Tensor) *Tensor                                                                                                      `c:"ggml_get_rows_back"`
	SetRows        func(ctx uintptr, a, b, c *Tensor) *Tensor                                                                                                      `c:"ggml_set_rows"`
	SoftMaxExt     func(ctx uintptr, a, mask *Tensor, scale, maxBias float32) *Tensor                                                                              `c:"ggml_soft_max_ext"`
	SoftMaxExtBack func(ctx uintptr, a, b *Tensor, scale, maxBias float32) *Tensor                                                                                 `c:"ggml_soft_max_ext_back"`
	RopeExt        func(ctx uintptr, a, b, c *Tensor, nDims, mode, nCtxOrig int32, freqBase, freqScale, extFactor, attnFactor, betaFast, betaSlow float32) *Tensor `c:"ggml_rope_ext"`
	RopeExtBack    func(ctx uintptr, a, b, c *Tensor, nDims, mode, nCtxOrig int32, freqBase, freqScale, extFactor, attnFactor, betaFast, betaSlow float32) *Tensor `c:"ggml_rope_ext_back"`
	Custom4D       func(ctx uintptr, typ int32, ne0, ne1, ne2, ne3 int64, args **Tensor, nArgs int32, fn uintptr, nTasks int32, userData uintptr) *Tensor          `c:"ggml_custom_4d"`
	CustomInplace  func(ctx uintptr, a *Tensor, args **Tensor, nArgs int32, fn uintptr, nTasks int32, userData uintptr) *Tensor                                    `c:"ggml_custom_inplace"`
	OptStepAdamW   func(ctx uintptr, a, grad, m, v, params *Tensor) *Tensor                                                                                        `c:"ggml_opt_step_adamw"`

	// ggml.h: graphs
	NewGraph           func(ctx uintptr, size uint64, grads bool) uintptr `c:"ggml_new_graph_custom"`
	BuildForwardExpand func(graph uintptr, t *Tensor)                     `c:"ggml_build_forward_expand"`
	GraphNNodes        func(graph uintptr) int32                          `c:"ggml_graph_n_nodes"`

	// ggml-backend.h: devices and backends
	LoadAllFromPath   func(dir string)                          `c:"ggml_backend_load_all_from_path"`
	DevCount          func() uint64                             `c:"ggml_backend_dev_count"`
	DevGet            func(i uint64) uintptr                    `c:"ggml_backend_dev_get"`
	DevByType         func(typ int32) uintptr                   `c:"ggml_backend_dev_by_type"`
	DevName           func(dev uintptr) string                  `c:"ggml_backend_dev_name"`
	DevDescription    func(dev uintptr) string                  `c:"ggml_backend_dev_description"`
	DevMemory         func(dev uintptr, free, total *uint64)    `c:"ggml_backend_dev_memory"`
	DevType           func(dev uintptr) int32                   `c:"ggml_backend_dev_type"`
	DevInit           func(dev uintptr, params uintptr) uintptr `c:"ggml_backend_dev_init"`
	DevBackendReg     func(dev uintptr) uintptr                 `c:"ggml_backend_dev_backend_reg"`
	RegGetProcAddress func(reg uintptr, name string) uintptr    `c:"ggml_backend_reg_get_proc_address"`
	BackendFree       func(backend uintptr)                     `c:"ggml_backend_free"`
	BackendBufferType func(backend uintptr) uintptr             `c:"ggml_backend_get_default_buffer_type"`

	// GraphComputeAddr is ggml_backend_graph_compute(backend, graph) → enum ggml_status; called by address (Compute), without reflection.
	GraphComputeAddr uintptr `c:"ggml_backend_graph_compute" sig:"func(uintptr, uintptr) int32"`

	// ggml-backend.h: buffers
	AllocCtxTensors    func(ctx, backend uintptr) uintptr                         `c:"ggml_backend_alloc_ctx_tensors"`
	CPUBufferFromPtr   func(ptr unsafe.Pointer, size uint64) uintptr              `c:"ggml_backend_cpu_buffer_from_ptr"`
	BufferFree         func(buffer uintptr)                                       `c:"ggml_backend_buffer_free"`
	BufferGetSize      func(buffer uintptr) uint64                                `c:"ggml_backend_buffer_get_size"`
	BufferSetUsage     func(buffer uintptr, usage int32)                          `c:"ggml_backend_buffer_set_usage"`
	BufferClear        func(buffer uintptr, value uint8)                          `c:"ggml_backend_buffer_clear"`
	BackendTensorAlloc func(buffer uintptr, t *Tensor, addr unsafe.Pointer) int32 `c:"ggml_backend_tensor_alloc"`

	// TensorSetAddr and TensorGetAddr are ggml_backend_tensor_set/get(tensor, data, offset, size); called by address.
	TensorSetAddr uintptr `c:"ggml_backend_tensor_set" sig:"func(*Tensor, unsafe.Pointer, uint64, uint64)"`
	TensorGetAddr uintptr `c:"ggml_backend_tensor_get" sig:"func(*Tensor, unsafe.Pointer, uint64, uint64)"`

	// ggml-alloc.h
	GallocrNew           func(bufferType uintptr) uintptr                                                `c:"ggml_gallocr_new"`
	GallocrFree          func(galloc uintptr)                                                            `c:"ggml_gallocr_free"`
	GallocrAllocGraph    func(galloc, graph uintptr) bool                                                `c:"ggml_gallocr_alloc_graph"`
	GallocrReserve       func(galloc, graph uintptr) bool                                                `c:"ggml_gallocr_reserve"`
	GallocrGetBufferSize func(galloc uintptr, bufferID int32) uint64                                     `c:"ggml_gallocr_get_buffer_size"`
	GallocrReserveNSize  func(galloc, graph uintptr, nodeBufferIDs, leafBufferIDs *int32, sizes *uint64) `c:"ggml_gallocr_reserve_n_size"`
}
