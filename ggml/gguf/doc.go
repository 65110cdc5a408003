// Package gguf reads and writes GGUF files, the model format of llama.cpp (versions 2 and 3, little-endian), in Go.
//
// A file is: the magic "GGUF", version (uint32), number of tensors and of keys (int64 each), the keys with their values,
// one line per tensor (name, shape, type, offset), padding up to the alignment, and the data of the tensors, each padded
// to the alignment (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// [Open] maps a file into memory and checks every count, length and offset against the file's size before it allocates
// anything, so that a hostile file costs no more than a multiple of its own size. Arrays and tensors stay in the mapping
// until they are asked for. Files are what other people made: no input may panic here.
//
// [File.ValidateTokenizer] refuses the metadata on which libllama would throw a C++ exception or abort the process.
//
// Shapes are in ggml's order: ne[0] is the row length, in values.
package gguf
