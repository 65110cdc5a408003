// Package llama holds what graft calls of libllama: one declaration per C function, the by-value parameter structs, and the gate
// that proves their layouts against the library at load. graft uses libllama for the tokenizer and to verify its own results;
// nothing of a training step runs here.
package llama

// Handles of libllama are opaque addresses; none of them leaves ggml/vocab and ggml/stock.
type (
	Model   uintptr // struct llama_model *
	Vocab   uintptr // const struct llama_vocab *
	Context uintptr // struct llama_context *
	Memory  uintptr // llama_memory_t
	Adapter uintptr // struct llama_adapter_lora *
)

// API is one field per C function of libllama, named as in llama.h without the prefix. Text goes in as address and length, so
// that NUL bytes are text like any other.
type API struct {
	LogSet               func(callback, userData uintptr) `c:"llama_log_set"`
	BackendInit          func()                           `c:"llama_backend_init"`
	ModelDefaultParams   func() ModelParams               `c:"llama_model_default_params"`
	ContextDefaultParams func() ContextParams             `c:"llama_context_default_params"`

	// models
	ModelLoadFromFile func(path string, params ModelParams) Model `c:"llama_model_load_from_file"`
	ModelFree         func(model Model)                           `c:"llama_model_free"`
	ModelGetVocab     func(model Model) Vocab                     `c:"llama_model_get_vocab"`
	ModelNCtxTrain    func(model Model) int32                     `c:"llama_model_n_ctx_train"`

	// vocabulary
	VocabNTokens   func(vocab Vocab) int32 `c:"llama_vocab_n_tokens"`
	VocabType      func(vocab Vocab) int32 `c:"llama_vocab_type"`
	VocabBOS       func(vocab Vocab) int32 `c:"llama_vocab_bos"`
	VocabEOS       func(vocab Vocab) int32 `c:"llama_vocab_eos"`
	VocabNL        func(vocab Vocab) int32 `c:"llama_vocab_nl"`
	VocabGetAddBOS func(vocab Vocab) bool  `c:"llama_vocab_get_add_bos"`
	VocabGetAddEOS func(vocab Vocab) bool  `c:"llama_vocab_get_add_eos"`

	// Called by address for every token of a vocabulary (see token.go), since a call through reflection costs five times as much.
	VocabGetAttrAddr uintptr `c:"llama_vocab_get_attr" sig:"func(uintptr, int32) int32"`
	VocabIsEOGAddr   uintptr `c:"llama_vocab_is_eog" sig:"func(uintptr, int32) bool"`
	TokenToPieceAddr uintptr `c:"llama_token_to_piece" sig:"func(uintptr, int32, *byte, int32, int32, bool) int32"`

	// tokenizing; a negative return is minus the room that is needed
	Tokenize   func(vocab Vocab, text *byte, textLen int32, tokens *int32, nTokensMax int32, addSpecial, parseSpecial bool) int32      `c:"llama_tokenize"`
	Detokenize func(vocab Vocab, tokens *int32, nTokens int32, text *byte, textLenMax int32, removeSpecial, unparseSpecial bool) int32 `c:"llama_detokenize"`

	// inference
	InitFromModel   func(model Model, params ContextParams) Context                               `c:"llama_init_from_model"`
	Free            func(ctx Context)                                                             `c:"llama_free"`
	NCtx            func(ctx Context) uint32                                                      `c:"llama_n_ctx"`
	GetMemory       func(ctx Context) Memory                                                      `c:"llama_get_memory"`
	MemoryClear     func(mem Memory, data bool)                                                   `c:"llama_memory_clear"`
	Decode          func(ctx Context, batch Batch) int32                                          `c:"llama_decode"`
	GetLogitsIth    func(ctx Context, i int32) *float32                                           `c:"llama_get_logits_ith"`
	AdapterLoraInit func(model Model, path string) Adapter                                        `c:"llama_adapter_lora_init"`
	SetAdaptersLora func(ctx Context, adapters *Adapter, nAdapters uint64, scales *float32) int32 `c:"llama_set_adapters_lora"`
}
