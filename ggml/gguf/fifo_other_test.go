//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package gguf_test

import "errors"

// mkfifo says that the system has no named pipes in folders.
func mkfifo(string) error { return errors.New("no named pipes here") }
