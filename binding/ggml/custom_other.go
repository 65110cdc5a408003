//go:build !((linux || darwin) && (amd64 || arm64))

package ggml

import (
	"sync"

	"github.com/ebitengine/purego"
)

var customAddr = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(dst *Tensor, ith, nth int32, userData uintptr) uintptr {
		runCustom(&customArgs{dst: dst, ith: int64(ith), nth: int64(nth), userData: userData})
		return 0
	})
})
