package ggml

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// physicalCores counts the cores of the processors in this process's affinity mask, by what Linux tells in
// /sys/devices/system/cpu/cpuN/topology; 0 where that is not known.
func physicalCores() int {
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mask); err != nil {
		return 0
	}
	var processors []int
	for p := range len(mask) * 64 {
		if mask.IsSet(p) {
			processors = append(processors, p)
		}
	}
	return countCores(processors, func(p int) (string, error) {
		text, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", p))
		return strings.TrimSpace(string(text)), err
	})
}
