//go:build !race

package ggml

const raceDetector = false
