package vocab

import "unicode/utf8"

// Stream turns tokens into text as they are generated. A character whose bytes are spread over several tokens is held back until it is
// whole. The zero Stream is not usable; see NewStream.
type Stream struct {
	vocab   *Vocab
	pending []byte // held back from the last call: at most 3 bytes
	out     []byte
}

// NewStream starts a stream that continues a text, so that a space before the first piece is kept.
func (v *Vocab) NewStream() *Stream { return &Stream{vocab: v} }

// Next takes one token and returns the bytes that are ready to be written: whole UTF-8 characters, and bytes that can never become
// one, unchanged. The slice is valid until the next call.
func (s *Stream) Next(id int32) []byte {
	s.out = append(append(s.out[:0], s.pending...), s.vocab.Piece(id)...)
	ready := len(s.out) - incomplete(s.out)
	s.pending = append(s.pending[:0], s.out[ready:]...)
	return s.out[:ready]
}

// Flush returns what is still held back, at the end of the text.
func (s *Stream) Flush() []byte {
	s.out = append(s.out[:0], s.pending...)
	s.pending = s.pending[:0]
	return s.out
}

// incomplete is the number of bytes at the end of b that begin a character without finishing it.
func incomplete(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
