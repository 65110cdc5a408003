package ggml

import "syscall"

var currentThreadID = syscall.NewLazyDLL("kernel32.dll").NewProc("GetCurrentThreadId")

// threadID identifies the calling OS thread.
func threadID() uint64 {
	id, _, _ := currentThreadID.Call()
	return uint64(id)
}
