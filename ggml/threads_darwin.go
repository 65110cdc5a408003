package ggml

import "golang.org/x/sys/unix"

// physicalCores is the number of cores, on Apple silicon of the fast ones alone: a slow one would be waited for at every operation.
func physicalCores() int {
	for _, name := range []string{"hw.perflevel0.physicalcpu", "hw.physicalcpu"} {
		if n, err := unix.SysctlUint32(name); err == nil && n > 0 {
			return int(n)
		}
	}
	return 0
}
