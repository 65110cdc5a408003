package vocab

import (
	"fmt"
	"slices"
	"unicode"
)

// libllama cuts a text into words, before it looks for byte pairs, either by code of its own or by std::regex, which calls itself for every
// character of a match: on a stack of 8 MiB some 11,000 to 24,000 characters of one kind end the process. longestRun is far below.
const longestRun = 4096

// byOwnCode are the values of tokenizer.ggml.pre that are safe with runs of any length: measured with 300,000 letters, digits, marks,
// spaces and line breaks in a row on llama.cpp v0.5.0. All the others, and those to come, are taken for unsafe.
var byOwnCode = []string{
	"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "mpt", "starcoder", "gpt-2", "phi-2",
	"jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert", "gigachat",
	"command-r", "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "qwen35", "stablelm2", "olmo", "dbrx", "smaug-bpe", "glm4", "chatglm-bpe",
	"smollm", "codeshell", "exaone", "exaone4", "chameleon", "minerva-7b", "megrez", "trillion", "granite-docling", "kimi-k2", "grok-2", "laguna",
	"solar-open", "mellum2", "jais", "refact",
}

// mixing are the pre-tokenizers whose words are anything but white space and these marks; the others' hold one kind of character.
var mixing = []string{"poro-chat", "viking", "bloom", "gpt3-finnish"}

const mixingEnds = ".,!?…。，、।۔،"

// kinds of characters that the words of a pre-tokenizer are made of.
type kind int

const (
	letter kind = iota
	digit
	space
	mark
	wordEnd // ends every word
)

func kindOf(r rune, mixed bool) kind {
	switch {
	case unicode.IsSpace(r):
		return space
	case mixed && slices.Contains([]rune(mixingEnds), r):
		return wordEnd
	case mixed:
		return letter
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter
	case unicode.IsNumber(r):
		return digit
	}
	return mark
}

// checkRuns refuses a text on which the pre-tokenizer would overflow the stack. It cannot be cut instead: a word's pairs are joined
// across any place in it.
func (v *Vocab) checkRuns(text string) error {
	if !v.limited || len(text) <= longestRun {
		return nil
	}
	run, last := 0, wordEnd
	for at, r := range text {
		k := kindOf(r, v.mixes)
		if k != last || k == wordEnd {
			run, last = 0, k
		}
		if run++; run > longestRun {
			return fmt.Errorf("tokenize with %s: more than %d characters in a row, up to byte %d, are one word for its pre-tokenizer, on which libllama would run out of stack; break the text up",
				v.path, longestRun, at)
		}
	}
	return nil
}
