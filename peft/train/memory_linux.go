package train

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// AvailableMemory is what this process can still take, in bytes: the system's MemAvailable, or less where a cgroup allows less; 0
// where it cannot be told.
func AvailableMemory() int64 {
	free := int64(0)
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			free = kb << 10
		}
	}
	limit, used := cgroupNumber("memory.max"), cgroupNumber("memory.current")
	if limit > 0 && (free == 0 || limit-used < free) {
		free = max(limit-used, 1)
	}
	return free
}

// cgroupNumber reads a number of the process's own cgroup (version 2), 0 where there is none.
func cgroupNumber(name string) int64 {
	text, err := os.ReadFile("/sys/fs/cgroup/" + name)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// memoryMeter reads the resident memory of the process without allocating.
type memoryMeter struct {
	file *os.File
	buf  [128]byte
}

// Resident is the resident memory in bytes, from the second field of /proc/self/statm, or 0 where it cannot be read.
func (m *memoryMeter) Resident() int64 {
	if m.file == nil {
		f, err := os.Open("/proc/self/statm")
		if err != nil {
			return 0
		}
		m.file = f
	}
	n, _ := m.file.ReadAt(m.buf[:], 0)
	var field, pages int64
	for _, c := range m.buf[:n] {
		switch {
		case c == ' ':
			field++
		case field == 1 && c >= '0' && c <= '9':
			pages = pages*10 + int64(c-'0')
		}
	}
	return pages * int64(os.Getpagesize())
}

// Close closes the file.
func (m *memoryMeter) Close() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}
