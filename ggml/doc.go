// Package ggml gives Go safe tensors, graphs, buffers and devices on the prebuilt ggml library.
//
// Shapes are written ne0 first, as ggml stores them: a matrix of T token vectors of width d is [d, T], ne0 = d is the contiguous
// dimension. Every operation is one method of Graph; it checks shapes, types and contiguity in Go, because a failed check in C ends
// the process, and it records itself, so that package grad can differentiate the graph. A fault while a graph is built is a
// *ShapeError panic that Build turns into an error.
//
// Matrix products go through one seam (product.go): on the CPU a custom operation that dequantizes a tile of the weights and calls
// BLAS on it, where there is no BLAS ggml's own kernels.
package ggml
