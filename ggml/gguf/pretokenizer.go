package gguf

import "slices"

// preTokenizers are the values of tokenizer.ggml.pre that libllama knows for byte-pair tokenizers (llama-vocab.cpp). Left out
// are those that work on raw UTF-8 instead of GPT-2's byte alphabet (gemma4, sarvam-moe,
// granite-embed-multi-311m, whitespace): text with two line breaks or spaces can abort there; and exaone-moe, whose regular
// expression runs out of stack on long texts of any words. No Llama model has them.
var preTokenizers = []string{
	"", "default", "minicpm5",
	"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
	"deepseek-llm", "deepseek-coder", "deepseek-v3", "spark2_5", "youtu", "falcon", "mpt", "starcoder",
	"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert",
	"jais-2", "jina-v1-en", "jina-v2-code", "roberta-bpe", "refact", "command-r",
	"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "qwen35", "stablelm2", "olmo", "dbrx", "smaug-bpe", "poro-chat",
	"glm4", "chatglm-bpe", "viking", "jais", "tekken", "smollm", "codeshell", "bloom", "gpt3-finnish",
	"exaone", "exaone4", "chameleon", "minerva-7b", "megrez", "gpt-4o", "llama4", "kanana2", "talkie",
	"granite-embed-multi-97m", "tiny_aya", "cohere2moe", "superbpe", "trillion", "granite-docling",
	"bailingmoe", "bailingmoe2", "llada-moe", "seed-coder", "hunyuan", "hunyuan-dense", "hy_v4", "joyai-llm", "kimi-k2",
	"ufakzeka", "grok-2", "afmoe", "laguna", "minimax-m2", "solar-open", "mellum2",
}

// addsBOS are the pre-tokenizers that put a BOS token first unless tokenizer.ggml.add_bos_token says otherwise.
var addsBOS = []string{
	"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "tekken", "chameleon",
}

// addsSEP are the pre-tokenizers that end with a separator token likewise.
var addsSEP = []string{"jina-v1-en", "jina-v2-code", "roberta-bpe"}

// knownPre tells whether libllama knows a pre-tokenizer and cannot abort in it.
func knownPre(pre string) bool { return slices.Contains(preTokenizers, pre) }
