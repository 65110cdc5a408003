package ggml

import "runtime"

// Threads is the number of threads that compute fastest here: the physical cores that this process may use, hyperthreads counted once
// (two of one core share its multipliers), and no more than GOMAXPROCS, which knows the limits of a container.
func Threads() int {
	n := runtime.NumCPU()
	if cores := physicalCores(); cores > 0 {
		n = min(n, cores)
	}
	return max(1, min(n, runtime.GOMAXPROCS(0)))
}

// countCores counts the cores among processors, where siblings names all the hyperthreads of a processor's core; 0 where it fails.
func countCores(processors []int, siblings func(processor int) (string, error)) int {
	seen := map[string]bool{}
	for _, p := range processors {
		core, err := siblings(p)
		if err != nil || core == "" {
			return 0
		}
		seen[core] = true
	}
	return len(seen)
}
