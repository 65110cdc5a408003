package train

import (
	"os"
)

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
