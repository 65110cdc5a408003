//go:build !linux

package train

import "runtime"

// AvailableMemory is not known on this system: 0.
func AvailableMemory() int64 { return 0 }

// memoryMeter reads the memory of the process.
type memoryMeter struct{ stats runtime.MemStats }

// Resident is what Go has taken from the system, in bytes; the library's own memory is not seen on this system.
func (m *memoryMeter) Resident() int64 {
	runtime.ReadMemStats(&m.stats)
	return int64(m.stats.Sys)
}

// Close does nothing.
func (m *memoryMeter) Close() {}
