package vocab

import (
	"math"

	"github.com/graft-go/graft/binding/llama"
)

// Bits of a token in the table.
const (
	flagControl = 1 << iota
	flagEOG
)

// table holds what libllama says of every token, read once, so that decoding calls no C and allocates nothing.
type table struct {
	pieces         []byte   // all pieces, one after the other
	ends           []uint32 // ends[i] is where the piece of token i ends in pieces
	texts          []string // tokens as the file spells them
	flags          []uint8
	bos, eos, nl   int32 // -1 where there is none
	addBOS, addEOS bool
	spacePrefix    bool
}

// readTable asks libllama for every token; texts are the file's. It must run guarded.
func readTable(api *llama.API, vocab llama.Vocab, texts []string) table {
	n := api.VocabNTokens(vocab)
	t := table{
		ends: make([]uint32, n), texts: texts, flags: make([]uint8, n),
		bos: api.VocabBOS(vocab), eos: api.VocabEOS(vocab), nl: api.VocabNL(vocab),
		addBOS: api.VocabGetAddBOS(vocab), addEOS: api.VocabGetAddEOS(vocab),
	}
	buf := make([]byte, 256)
	for id := range n {
		size := api.TokenToPiece(vocab, id, buf)
		if size < 0 && size != math.MinInt32 {
			buf = make([]byte, -size)
			size = api.TokenToPiece(vocab, id, buf)
		}
		t.pieces = append(t.pieces, buf[:max(size, 0)]...)
		t.ends[id] = uint32(len(t.pieces))
		if api.VocabGetAttr(vocab, id)&llama.TokenAttrControl != 0 {
			t.flags[id] |= flagControl
		}
		if api.VocabIsEOG(vocab, id) {
			t.flags[id] |= flagEOG
		}
	}
	return t
}

// N is the number of tokens.
func (t *table) N() int { return len(t.ends) }

// BOS is the token that begins a text, and whether there is one.
func (t *table) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS is the token that ends a text, and whether there is one.
func (t *table) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// NL is the token of a line break, and whether there is one.
func (t *table) NL() (int32, bool) { return t.nl, t.nl >= 0 }

// AddBOS tells whether Tokenize puts BOS before a text when asked for special tokens.
func (t *table) AddBOS() bool { return t.addBOS }

// AddEOS tells whether Tokenize puts EOS after a text when asked for special tokens.
func (t *table) AddEOS() bool { return t.addEOS }

// IsEOG tells whether a token ends a generation (EOS, end of turn, and what else llama.cpp counts to these).
func (t *table) IsEOG(id int32) bool { return t.has(id, flagEOG) }

// IsControl tells whether a token is a control token, which has no text.
func (t *table) IsControl(id int32) bool { return t.has(id, flagControl) }

func (t *table) has(id int32, flag uint8) bool {
	return id >= 0 && int(id) < len(t.flags) && t.flags[id]&flag != 0
}

// Piece is the bytes that a token stands for (llama_token_to_piece without special tokens): none for a control token and for an id
// out of range, and not necessarily whole UTF-8. The caller must not change them.
func (t *table) Piece(id int32) []byte {
	if id < 0 || int(id) >= len(t.ends) {
		return nil
	}
	start := uint32(0)
	if id > 0 {
		start = t.ends[id-1]
	}
	return t.pieces[start:t.ends[id]:t.ends[id]]
}

// Text is a token as the file spells it ("▁the", "<s>"); empty for an id out of range.
func (t *table) Text(id int32) string {
	if id < 0 || int(id) >= len(t.texts) {
		return ""
	}
	return t.texts[id]
}
