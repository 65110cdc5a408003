//go:build !linux && !darwin

package ggml

// physicalCores is not known here.
func physicalCores() int { return 0 }
