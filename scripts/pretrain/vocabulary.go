package main

import (
	"fmt"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/demo"
)

// Types of tokens in a GGUF file (llama.h, enum llama_token_type).
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeByte    = 6
)

// vocabulary is a SentencePiece vocabulary as GGUF keeps it: special tokens, the 256 bytes, pieces.
type vocabulary struct {
	tokens []string
	types  []int32
	scores []float32
}

// Ids of special tokens.
const (
	idUnknown = iota
	idBegin
	idEnd
	idUser
	idAssistant
	idTurnEnd
	specials
)

// newVocabulary makes a vocabulary of size tokens; the pieces are learned from texts. libllama joins the pair with the greatest score
// first, so that the scores fall in the order in which the pieces were learned.
func newVocabulary(texts []string, size int) (*vocabulary, error) {
	v := &vocabulary{}
	for i, text := range []string{"<unk>", "<s>", "</s>", demo.MarkUser, demo.MarkAssistant, demo.MarkEnd} {
		typ := int32(typeControl)
		if i == idUnknown {
			typ = typeUnknown
		}
		v.add(text, typ, 0)
	}
	for b := range 256 {
		v.add(fmt.Sprintf("<0x%02X>", b), typeByte, 0)
	}
	const least = 20 // a rarer character is spelled by its bytes
	for i, piece := range learnPieces(texts, size-len(v.tokens), least) {
		v.add(piece, typeNormal, -float32(i+1))
	}
	if len(v.tokens) != size {
		return nil, fmt.Errorf("the text holds pieces for a vocabulary of %d, not of %d", len(v.tokens), size)
	}
	return v, nil
}

func (v *vocabulary) add(text string, typ int32, score float32) {
	v.tokens, v.types, v.scores = append(v.tokens, text), append(v.types, typ), append(v.scores, score)
}

// write sets the keys of the tokenizer.
func (v *vocabulary) write(w *gguf.Writer) {
	w.SetString("tokenizer.ggml.model", "llama")
	w.SetString("tokenizer.ggml.pre", "default")
	w.SetStrings("tokenizer.ggml.tokens", v.tokens)
	w.SetFloat32s("tokenizer.ggml.scores", v.scores)
	w.SetInt32s("tokenizer.ggml.token_type", v.types)
	w.SetUint32("tokenizer.ggml.unknown_token_id", idUnknown)
	w.SetUint32("tokenizer.ggml.bos_token_id", idBegin)
	w.SetUint32("tokenizer.ggml.eos_token_id", idEnd)
	w.SetUint32("tokenizer.ggml.eot_token_id", idTurnEnd)
	w.SetBool("tokenizer.ggml.add_bos_token", true)
	w.SetBool("tokenizer.ggml.add_eos_token", false)
	w.SetBool("tokenizer.ggml.add_space_prefix", false)
	w.SetString("tokenizer.chat_template", demo.ChatTemplate)
}
