package llama

import "unsafe"

// ModelParams mirrors struct llama_model_params of llama.cpp v0.5.0 (80 bytes). Pointers that graft leaves NULL are uintptr.
type ModelParams struct {
	Devices                  unsafe.Pointer // ggml_backend_dev_t *, NULL-terminated; NULL = all devices
	TensorBuftOverrides      uintptr
	NGPULayers               int32
	SplitMode                int32 // enum llama_split_mode
	LoadMode                 int32 // enum llama_load_mode
	LazyMode                 int32 // enum llama_lazy_mode
	MainGPU                  int32
	_                        int32
	TensorSplit              uintptr
	ProgressCallback         uintptr
	ProgressCallbackUserData uintptr
	KVOverrides              uintptr
	VocabOnly                bool
	CheckTensors             bool
	UseExtraBufts            bool
	NoHost                   bool
	NoAlloc                  bool
	LoadMTP                  bool
	_                        [2]bool
}

// ContextParams mirrors struct llama_context_params of llama.cpp v0.5.0 (160 bytes).
type ContextParams struct {
	NCtx              uint32
	NBatch            uint32
	NUBatch           uint32
	NSeqMax           uint32
	NRSSeq            uint32
	NOutputsMax       uint32
	NOutputsMaxPerSeq uint32
	NThreads          int32
	NThreadsBatch     int32
	CtxType           int32 // enum llama_context_type
	RopeScalingType   int32 // enum llama_rope_scaling_type
	PoolingType       int32 // enum llama_pooling_type
	AttentionType     int32 // enum llama_attention_type
	FlashAttnType     int32 // enum llama_flash_attn_type
	RopeFreqBase      float32
	RopeFreqScale     float32
	YarnExtFactor     float32
	YarnAttnFactor    float32
	YarnBetaFast      float32
	YarnBetaSlow      float32
	YarnOrigCtx       uint32
	DefragThold       float32
	CBEval            uintptr
	CBEvalUserData    uintptr
	TypeK             int32 // enum ggml_type
	TypeV             int32 // enum ggml_type
	AbortCallback     uintptr
	AbortCallbackData uintptr
	Embeddings        bool
	OffloadKQV        bool
	NoPerf            bool
	OpOffload         bool
	SWAFull           bool
	KVUnified         bool
	_                 [2]bool
	Samplers          uintptr
	NSamplers         uint64
	CtxOther          Context
}

// Batch mirrors struct llama_batch (56 bytes). Pos and SeqID stay nil: positions then go on from those in memory, in sequence 0.
type Batch struct {
	NTokens int32
	_       int32
	Token   *int32
	Embd    *float32
	Pos     *int32
	NSeqID  *int32
	SeqID   **int32
	Logits  *int8 // per token: 1 = its logits are wanted
}

// Numbers of llama.h's enums.
const (
	LoadModeMMap = 1 // LLAMA_LOAD_MODE_MMAP
	LazyModeOff  = 0 // LLAMA_LAZY_MODE_OFF

	FlashAttnAuto     = -1 // LLAMA_FLASH_ATTN_TYPE_AUTO
	FlashAttnDisabled = 0  // LLAMA_FLASH_ATTN_TYPE_DISABLED

	VocabTypeNone = 0 // LLAMA_VOCAB_TYPE_NONE
	VocabTypeSPM  = 1 // LLAMA_VOCAB_TYPE_SPM
	VocabTypeBPE  = 2 // LLAMA_VOCAB_TYPE_BPE

	TokenAttrControl = 1 << 3 // LLAMA_TOKEN_ATTR_CONTROL

	TokenNull = -1 // LLAMA_TOKEN_NULL
)
