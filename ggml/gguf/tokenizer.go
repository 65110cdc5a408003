package gguf

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	keyTokenizer = "tokenizer.ggml.model"
	keyPre       = "tokenizer.ggml.pre"
	keyTokens    = "tokenizer.ggml.tokens"
	keyScores    = "tokenizer.ggml.scores"
	keyTypes     = "tokenizer.ggml.token_type"
	keyMerges    = "tokenizer.ggml.merges"
	tokenizerSPM = "llama" // SentencePiece
	tokenizerBPE = "gpt2"  // byte pairs
	noToken      = math.MaxUint32

	tokenTypeByte = 6 // LLAMA_TOKEN_TYPE_BYTE (llama.h), the highest of the types
)

// HasTokenizer tells whether the file carries a tokenizer: tokenizer.ggml.model is there and neither "none" nor "no_vocab".
func (f *File) HasTokenizer() bool {
	model, ok := f.String(keyTokenizer)
	return ok && model != "none" && model != "no_vocab"
}

// ValidateTokenizer requires of the tokenizer everything on which libllama asserts (which ends the process) or throws a
// C++ exception (which cannot be caught) while it loads a vocabulary or tokenizes a text: kinds and lengths of the lists,
// unique tokens, the 256 byte tokens of SentencePiece (the newline is one of them), merges, special tokens in range, a
// known pre-tokenizer (llama-vocab.cpp of llama.cpp v0.5.0). It must pass before libllama opens the file. A file that says
// it has no tokenizer passes; see HasTokenizer. All faults are in one error.
func (f *File) ValidateTokenizer() error {
	if err := f.ValidateKeyKinds(); err != nil {
		return err
	}
	model, hasModel := f.String(keyTokenizer)
	if hasModel && !f.HasTokenizer() {
		return nil
	}
	if faults := f.missingKeys(model); len(faults) > 0 {
		return f.invalid("an incomplete tokenizer: missing", faults)
	}
	if model != tokenizerSPM && model != tokenizerBPE {
		return &Error{Path: f.Path, Reason: "the tokenizer " + quoted(model) + " is not supported",
			Advice: `use a model with a SentencePiece ("llama") or byte-pair ("gpt2") tokenizer, as Llama models have`}
	}
	tokens, _ := f.Strings(keyTokens)
	byText, faults := uniqueTokens(tokens)
	faults = append(faults, f.tokenLists(tokens)...)
	if model == tokenizerSPM {
		faults = append(faults, missingBytes(byText)...)
	} else {
		faults = append(faults, f.bytePairs()...)
	}
	faults = append(faults, f.specialTokens(model, len(tokens))...)
	faults = append(faults, f.namedTokens(byText)...)
	if emb, ok := f.Tensor("token_embd.weight"); ok && (len(emb.Ne) < 2 || emb.Ne[1] != int64(len(tokens))) {
		faults = append(faults, fmt.Sprintf("%d tokens, but token_embd.weight has the shape %v", len(tokens), emb.Ne))
	}
	return f.invalid("a faulty tokenizer", faults)
}

// missingKeys lists the keys a tokenizer needs and the file has not.
func (f *File) missingKeys(model string) []string {
	need := []string{"general.architecture", keyTokenizer, keyTokens}
	switch model {
	case tokenizerSPM:
		need = append(need, keyScores, keyTypes)
	case tokenizerBPE:
		need = append(need, keyMerges)
	}
	return slices.DeleteFunc(need, func(key string) bool { _, ok := f.Key(key); return ok })
}

// uniqueTokens maps the tokens' texts, as libllama sees them (up to the first zero byte), to their ids.
func uniqueTokens(tokens []string) (byText map[string]int, faults []string) {
	if len(tokens) == 0 {
		return nil, []string{keyTokens + " is empty"}
	}
	if len(tokens) > math.MaxInt32 {
		return nil, []string{fmt.Sprintf("%d tokens are too many", len(tokens))}
	}
	byText = make(map[string]int, len(tokens))
	empty, double := 0, 0
	for id, text := range tokens {
		text, _, _ = strings.Cut(text, "\x00")
		if text == "" {
			if empty++; empty == 1 {
				faults = append(faults, fmt.Sprintf("token %d is empty", id))
			}
			continue
		}
		if first, there := byText[text]; there {
			if double++; double == 1 {
				faults = append(faults, fmt.Sprintf("tokens %d and %d are both %s", first, id, quoted(text)))
			}
			continue
		}
		byText[text] = id
	}
	if empty > 1 {
		faults = append(faults, fmt.Sprintf("%d more tokens are empty", empty-1))
	}
	if double > 1 {
		faults = append(faults, fmt.Sprintf("%d more tokens are there twice", double-1))
	}
	return byText, faults
}

// tokenLists checks the lists that run beside the tokens.
func (f *File) tokenLists(tokens []string) (faults []string) {
	if scores, ok := f.Floats(keyScores); ok {
		if len(scores) != len(tokens) {
			faults = append(faults, fmt.Sprintf("%d scores for %d tokens", len(scores), len(tokens)))
		}
		if i := slices.IndexFunc(scores, math.IsNaN); i >= 0 {
			faults = append(faults, fmt.Sprintf("the score of token %d is no number", i))
		}
	}
	types, ok := f.Ints(keyTypes)
	if !ok {
		return faults
	}
	if len(types) != len(tokens) {
		faults = append(faults, fmt.Sprintf("%d token types for %d tokens", len(types), len(tokens)))
	}
	for i, typ := range types {
		if typ < 0 || typ > tokenTypeByte {
			return append(faults, fmt.Sprintf("token %d has the unknown type %d", i, typ))
		}
		if typ == tokenTypeByte && i < len(tokens) && !isByteToken(tokens[i]) {
			return append(faults, fmt.Sprintf("token %d is a byte token, but %s is not of the form <0x0A>", i, quoted(tokens[i])))
		}
	}
	return faults
}

// byteToken is the text of the token for one byte.
func byteToken(b byte) string { return fmt.Sprintf("<0x%02X>", b) }

// isByteToken tells whether a text is <0xHH>.
func isByteToken(s string) bool {
	return len(s) == 6 && s[:3] == "<0x" && s[5] == '>' && isHex(s[3]) && isHex(s[4])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// missingBytes lists the bytes that SentencePiece could not fall back to. As in libllama, the byte itself may stand for
// the token, but for byte 0.
func missingBytes(byText map[string]int) []string {
	var missing []string
	for b := range 256 {
		_, ok := byText[byteToken(byte(b))]
		if !ok && b > 0 {
			_, ok = byText[string([]byte{byte(b)})]
		}
		if !ok {
			missing = append(missing, byteToken(byte(b)))
		}
	}
	switch n := len(missing); {
	case n == 0:
		return nil
	case n <= 4:
		return []string{"byte tokens are missing: " + strings.Join(missing, " ")}
	default:
		return []string{fmt.Sprintf("%d of the 256 byte tokens are missing: %s …", n, strings.Join(missing[:3], " "))}
	}
}

// bytePairs checks pre-tokenizer and merges.
func (f *File) bytePairs() (faults []string) {
	if pre, _ := f.String(keyPre); !knownPre(pre) {
		faults = append(faults, "the pre-tokenizer "+quoted(pre)+" is not known")
	}
	merges, _ := f.Strings(keyMerges)
	for i, m := range merges {
		m, _, _ = strings.Cut(m, "\x00")
		if len(m) < 2 || !strings.Contains(m[1:], " ") {
			return append(faults, fmt.Sprintf("merge %d, %s, is no pair", i, quoted(m)))
		}
	}
	return faults
}

// specialTokens checks the ids of special tokens and that the ones to be added exist. 2³²−1 stands for "none".
func (f *File) specialTokens(model string, n int) (faults []string) {
	for _, key := range specialIDs {
		if id, ok := f.Uint(key); ok && id >= uint64(n) && id != noToken {
			faults = append(faults, fmt.Sprintf("%s is %d, but there are only %d tokens", key, id, n))
		}
	}
	pre, _ := f.String(keyPre)
	spm := model == tokenizerSPM
	// The defaults of llama_vocab::impl::load.
	bos, eos := uint64(11), uint64(11)
	if spm {
		bos, eos = 1, 2
	} else if pre == "glm4" || pre == "chatglm-bpe" {
		bos = noToken
	}
	for _, c := range []struct {
		add, id string
		adds    bool
		def     uint64
	}{
		{"tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", spm || slices.Contains(addsBOS, pre), bos},
		{"tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false, eos},
		{"tokenizer.ggml.add_sep_token", "tokenizer.ggml.seperator_token_id", !spm && slices.Contains(addsSEP, pre), noToken},
	} {
		adds, id := c.adds, c.def
		if v, ok := f.Bool(c.add); ok {
			adds = v
		}
		if v, ok := f.Uint(c.id); ok && v < uint64(n) {
			id = v
		}
		if adds && id >= uint64(n) {
			faults = append(faults, c.id+" is not set, but the tokenizer adds that token")
		}
	}
	return faults
}

// namedTokens checks the tokens that libllama looks up by name in models whose general.name speaks of Phi-3.
func (f *File) namedTokens(byText map[string]int) (faults []string) {
	name, _ := f.String("general.name")
	name, _, _ = strings.Cut(strings.ToLower(name), "\x00")
	if !strings.Contains(name, "phi-3") && !strings.Contains(name, "phi3") {
		return nil
	}
	for _, text := range []string{"</s>", "<unk>", "<s>", "<|endoftext|>"} {
		if _, ok := byText[text]; !ok {
			faults = append(faults, "a model named "+quoted(name)+" needs the token "+text)
		}
	}
	return faults
}
