package ggml

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// AbortError is a failed GGML_ASSERT or GGML_ABORT inside a guarded call. The library's state is unknown afterwards
// (locks may be held), so only saving and leaving are safe: see Poisoned.
type AbortError struct {
	Message string // what the library said, with its file and line
}

func (e *AbortError) Error() string {
	return "the native library aborted: " + e.Message + "; save and restart the program"
}

// guards maps the OS threads that run a guarded call to the channel on which an abort is told.
var guards struct {
	sync.Mutex
	threads  map[uint64]chan string
	poisoned bool
}

// Guard runs fn on an OS thread of its own. When the library aborts inside it, the thread is left hanging for good and Guard
// returns an *AbortError; otherwise it returns what fn panicked with, if it did, as that panic, or nil. After an abort every
// later Guard fails at once.
func Guard(fn func()) error {
	if Poisoned() {
		return &AbortError{Message: "an earlier call aborted"}
	}
	abort := make(chan string, 1)
	done := make(chan any, 1)
	go func() {
		runtime.LockOSThread()
		id := threadID()
		guards.Lock()
		if guards.threads == nil {
			guards.threads = map[uint64]chan string{}
		}
		guards.threads[id] = abort
		guards.Unlock()
		defer func() {
			guards.Lock()
			delete(guards.threads, id)
			guards.Unlock()
			runtime.UnlockOSThread()
			done <- recover()
		}()
		fn()
	}()
	select {
	case p := <-done:
		if p != nil {
			panic(p)
		}
		return nil
	case message := <-abort:
		return &AbortError{Message: message}
	}
}

// Poisoned tells whether the library has aborted in this process.
func Poisoned() bool {
	guards.Lock()
	defer guards.Unlock()
	return guards.poisoned
}

// onAbort is what ggml_abort calls. On a guarded thread it hands the message over and never returns; on any other thread
// (a worker inside a graph computation) nothing can be saved, so the process ends with one line.
func onAbort(message *byte) {
	text := oneLine(goString(message))
	guards.Lock()
	guards.poisoned = true
	ch := guards.threads[threadID()]
	guards.Unlock()
	if ch == nil {
		fmt.Fprintf(os.Stderr, "graft: native library: aborted while computing: %s; what was saved before is intact, restart the program\n", text)
		os.Exit(1)
	}
	ch <- text
	select {}
}

// Messages of the library: its warnings and errors are kept so that a failed call can say why.
var messages struct {
	sync.Mutex
	last []string
}

const keptMessages = 20

// onLog keeps the last messages; with GRAFT_VERBOSE set they go to stderr too.
func onLog(_ int32, text *byte, _ uintptr) {
	s := goString(text)
	if verbose() {
		fmt.Fprint(os.Stderr, s)
	}
	messages.Lock()
	defer messages.Unlock()
	messages.last = append(messages.last, s)
	if len(messages.last) > keptMessages {
		messages.last = messages.last[1:]
	}
}

// LogCallback is the C address of the log callback, for llama_log_set.
func LogCallback() uintptr { return callbacks().log }

// TakeMessages returns the library's last messages in one line and forgets them.
func TakeMessages() string {
	messages.Lock()
	defer messages.Unlock()
	s := oneLine(strings.Join(messages.last, " "))
	messages.last = nil
	return s
}

type callbackAddrs struct{ abort, log uintptr }

var callbacks = sync.OnceValue(func() callbackAddrs {
	return callbackAddrs{abort: purego.NewCallback(onAbort), log: purego.NewCallback(onLog)}
})

func (lib *Lib) installCallbacks() {
	lib.SetAbortCallback(callbacks().abort)
	lib.LogSet(callbacks().log, 0)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// goString copies a C string.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
