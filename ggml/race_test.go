//go:build race

package ggml

// raceDetector: under it sync.Pool drops what it is given now and then, so that allocations cannot be counted.
const raceDetector = true
