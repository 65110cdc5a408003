package gguf

import (
	"fmt"
	"slices"
	"strings"
)

// want is what libllama expects of a key's value; it throws on any other kind (llama-model-loader.cpp, get_key).
type want struct {
	kind  Kind
	list  bool   // an array of kind
	alone bool   // a list is allowed, a single value too (get_key_or_arr)
	also  []Kind // other kinds of elements that are read as well
}

var (
	wantString  = want{kind: KindString}
	wantUint32  = want{kind: KindUint32}
	wantFloat32 = want{kind: KindFloat32}
	wantBool    = want{kind: KindBool}
	wantStrings = want{kind: KindString, list: true}
	wantInt32s  = want{kind: KindInt32, list: true}
	wantPerLay  = want{kind: KindUint32, list: true, alone: true, also: []Kind{KindInt32}}
)

// fixedKeys are the keys with a fixed name (llama-arch.cpp).
var fixedKeys = map[string]want{
	"general.architecture":                    wantString,
	"general.name":                            wantString,
	"general.type":                            wantString,
	"general.file_type":                       wantUint32,
	"general.quantization_version":            wantUint32,
	"general.alignment":                       wantUint32,
	keySplitCount:                             {kind: KindUint16},
	keySplitNo:                                {kind: KindUint16},
	keySplitTensors:                           {kind: KindInt32},
	"tokenizer.ggml.model":                    wantString,
	"tokenizer.ggml.pre":                      wantString,
	"tokenizer.ggml.tokens":                   wantStrings,
	"tokenizer.ggml.token_type":               wantInt32s,
	"tokenizer.ggml.token_type_count":         wantUint32,
	"tokenizer.ggml.scores":                   {kind: KindFloat32, list: true},
	"tokenizer.ggml.merges":                   wantStrings,
	"tokenizer.ggml.add_bos_token":            wantBool,
	"tokenizer.ggml.add_eos_token":            wantBool,
	"tokenizer.ggml.add_sep_token":            wantBool,
	"tokenizer.ggml.add_space_prefix":         wantBool,
	"tokenizer.ggml.remove_extra_whitespaces": wantBool,
	"tokenizer.ggml.normalizer.lowercase":     wantBool,
	"tokenizer.ggml.normalizer.strip_accents": wantBool,
	"tokenizer.ggml.suppress_tokens":          wantInt32s,
	"tokenizer.chat_template":                 wantString,
}

// specialIDs are the keys of special tokens, uint32 each (llama-vocab.cpp; "seperator" is their spelling).
var specialIDs = []string{
	"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
	"tokenizer.ggml.eom_token_id", "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.seperator_token_id",
	"tokenizer.ggml.padding_token_id", "tokenizer.ggml.mask_token_id", "tokenizer.ggml.fim_pre_token_id",
	"tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.fim_pad_token_id",
	"tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id", "tokenizer.ggml.prefix_token_id",
	"tokenizer.ggml.suffix_token_id", "tokenizer.ggml.middle_token_id",
}

// archKeys are the keys that begin with the architecture's name.
var archKeys = map[string]want{
	"vocab_size":                           wantUint32,
	"context_length":                       wantUint32,
	"embedding_length":                     wantUint32,
	"embedding_length_out":                 wantUint32,
	"block_count":                          wantUint32,
	"nextn_predict_layers":                 wantUint32,
	"pooling_type":                         wantUint32,
	"feed_forward_length":                  wantPerLay,
	"expert_count":                         wantUint32,
	"expert_used_count":                    wantPerLay,
	"expert_feed_forward_length":           wantUint32,
	"expert_shared_count":                  wantUint32,
	"expert_group_count":                   wantUint32,
	"expert_group_used_count":              wantUint32,
	"expert_weights_scale":                 wantFloat32,
	"expert_weights_norm":                  wantBool,
	"logit_scale":                          wantFloat32,
	"residual_scale":                       wantFloat32,
	"embedding_scale":                      wantFloat32,
	"attention.head_count":                 wantPerLay,
	"attention.head_count_kv":              wantPerLay,
	"attention.key_length":                 wantUint32,
	"attention.value_length":               wantUint32,
	"attention.causal":                     wantBool,
	"attention.scale":                      wantFloat32,
	"attention.clamp_kqv":                  wantFloat32,
	"attention.layer_norm_epsilon":         wantFloat32,
	"attention.layer_norm_rms_epsilon":     wantFloat32,
	"rope.dimension_count":                 wantUint32,
	"rope.freq_base":                       wantFloat32,
	"rope.scale_linear":                    wantFloat32,
	"rope.scaling.type":                    wantString,
	"rope.scaling.factor":                  wantFloat32,
	"rope.scaling.attn_factor":             wantFloat32,
	"rope.scaling.original_context_length": wantUint32,
	"rope.scaling.finetuned":               wantBool,
	"classifier.output_labels":             wantStrings,
}

// ok tells whether a value is what libllama reads.
func (w want) ok(kv *KeyValue) bool {
	if kv.IsArray() != w.list && !(w.alone && !kv.IsArray()) {
		return false
	}
	return kv.Elem == w.kind || kv.IsArray() && slices.Contains(w.also, kv.Elem)
}

func (w want) String() string {
	switch {
	case w.alone:
		return w.kind.String() + " or an array of it"
	case w.list:
		return "array of " + w.kind.String()
	}
	return w.kind.String()
}

// ValidateKeyKinds checks that the keys of general.*, tokenizer.* and of the architecture that libllama reads hold the
// kind it expects, and the few values on which it aborts. All faults are in one error. Missing keys are no fault here.
func (f *File) ValidateKeyKinds() error {
	arch, _ := f.String("general.architecture")
	var faults []string
	for i := range f.Keys {
		kv := &f.Keys[i]
		w, known := fixedKeys[kv.Key]
		if !known && slices.Contains(specialIDs, kv.Key) {
			w, known = wantUint32, true
		}
		if name, cut := strings.CutPrefix(kv.Key, arch+"."); !known && cut && arch != "" {
			w, known = archKeys[name]
		}
		if known && !w.ok(kv) {
			faults = append(faults, fmt.Sprintf("%s is %s, not %s", printable(kv.Key, 80), kv.TypeName(), w))
		}
	}
	if strings.Contains(arch, "\x00") {
		faults = append(faults, "general.architecture holds a zero byte")
	}
	if arch != "" {
		faults = append(faults, f.abortingValues(arch)...)
	}
	return f.invalid("metadata that llama.cpp does not read", faults)
}

// abortingValues are the numbers and names on which llama_model_base::load_hparams asserts.
func (f *File) abortingValues(arch string) []string {
	const maxLayers, maxExperts = 512, 512 // LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS (llama-hparams.h)
	var faults []string
	layers, ok := f.Uint(arch + ".block_count")
	if ok && (layers == 0 || layers > maxLayers) {
		faults = append(faults, fmt.Sprintf("%s.block_count is %d, not 1 to %d", printable(arch, 80), layers, maxLayers))
	}
	if next, ok := f.Uint(arch + ".nextn_predict_layers"); ok && next > layers {
		faults = append(faults, fmt.Sprintf("%s.nextn_predict_layers is %d, more than the %d blocks", printable(arch, 80), next, layers))
	}
	experts, _ := f.Uint(arch + ".expert_count")
	used, ok := f.Uint(arch + ".expert_used_count")
	if experts > maxExperts || ok && (used > experts || used == 0 && experts > 0) {
		faults = append(faults, fmt.Sprintf("%s uses %d of %d experts", printable(arch, 80), used, experts))
	}
	scaling, ok := f.String(arch + ".rope.scaling.type")
	if ok && !slices.Contains([]string{"none", "linear", "yarn", "longrope"}, scaling) {
		faults = append(faults, fmt.Sprintf("%s.rope.scaling.type is %s, which is not known", printable(arch, 80), quoted(scaling)))
	}
	return faults
}

// invalid makes one error of the faults, nil if there are none; a long list is cut.
func (f *File) invalid(what string, faults []string) error {
	const most = 12
	if len(faults) == 0 {
		return nil
	}
	rest := ""
	if len(faults) > most {
		rest = fmt.Sprintf(", and %d more", len(faults)-most)
		faults = faults[:most]
	}
	return &Error{Path: f.Path, Reason: what + ": " + strings.Join(faults, ", ") + rest, Advice: adviceConvert}
}
