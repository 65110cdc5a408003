//go:build unix && !linux

package ggml

import (
	"sync"

	"github.com/ebitengine/purego"
)

var pthreadSelf = sync.OnceValue(func() uintptr {
	addr, err := purego.Dlsym(purego.RTLD_DEFAULT, "pthread_self")
	if err != nil {
		panic("pthread_self is missing: " + err.Error())
	}
	return addr
})

// threadID identifies the calling OS thread.
func threadID() uint64 {
	id, _, _ := purego.SyscallN(pthreadSelf())
	return uint64(id)
}
