package llama

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// VocabGetAttr is a token's set of TokenAttr bits.
func (api *API) VocabGetAttr(vocab Vocab, token int32) int32 {
	r, _, _ := purego.SyscallN(api.VocabGetAttrAddr, uintptr(vocab), uintptr(token))
	return int32(r)
}

// VocabIsEOG tells whether a token ends a generation.
func (api *API) VocabIsEOG(vocab Vocab, token int32) bool {
	r, _, _ := purego.SyscallN(api.VocabIsEOGAddr, uintptr(vocab), uintptr(token))
	return byte(r) != 0 // a C bool fills one byte of the register
}

// TokenToPiece writes the bytes that a token stands for into buf, none for a control token, and returns their number, or minus the
// number where they do not fit.
func (api *API) TokenToPiece(vocab Vocab, token int32, buf []byte) int32 {
	r, _, _ := purego.SyscallN(api.TokenToPieceAddr, uintptr(vocab), uintptr(token),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
	return int32(r)
}
