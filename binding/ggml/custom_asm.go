//go:build (linux || darwin) && (amd64 || arm64)

package ggml

// runCustomCall lets the entry point find runCustom's ABIInternal address through a closure value.
//
//lint:ignore U1000 read by custom_*.s
var runCustomCall = runCustom

// customEntry is the C function void(struct ggml_tensor *dst, int ith, int nth, void *userdata) that enters Go through the
// runtime's crosscall2. purego.NewCallback would do the same, but it goes through reflection and allocates on every call; this
// one allocates nothing, and a training step makes thousands of such calls. It is not callable from Go.
//
//lint:ignore U1000 its address is taken by customEntryAddr
func customEntry()

// customEntryAddr returns the address of customEntry.
func customEntryAddr() uintptr

func customAddr() uintptr { return customEntryAddr() }
