package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/graft-go/graft/peft"
)

// lockFile stands in a run folder while a run writes there, and holds the number of its process.
const lockFile = "run.lock"

// folderLock keeps other runs out of a folder. The system drops the lock with the process, however that ends, so that a file that
// a killed run left behind blocks nobody.
type folderLock struct {
	path string
	file *flock.Flock // nil where the file system knows no locks
}

// lockFolder takes the lock of a folder, or says which process has it.
func lockFolder(dir string) (*folderLock, error) {
	fault := func(why, do string) error {
		return &peft.InputError{What: "train", Where: "--out " + dir, Why: why, Do: do}
	}
	l := &folderLock{path: filepath.Join(dir, lockFile)}
	const tries = 10 // another run may remove the file between opening and locking it
	for range tries {
		l.file = flock.New(l.path, flock.SetPermissions(0o644))
		ok, err := l.file.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
			l.file = nil
			if pid := readPID(l.path); pid != os.Getpid() && alive(pid) {
				return nil, fault(inUse(pid), "wait until it has ended, or stop it")
			}
		case err != nil:
			return nil, fault(reason(err), "give a folder that can be written")
		case !ok:
			return nil, fault(inUse(readPID(l.path)), "wait until it has ended, or stop it")
		case !l.current():
			l.Close()
			continue
		}
		if err := os.WriteFile(l.path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
			l.Close()
			return nil, fault(reason(err), "give a folder that can be written")
		}
		return l, nil
	}
	return nil, fault("its "+lockFile+" comes and goes", "try again")
}

// current tells whether the locked file is still the one at the path.
func (l *folderLock) current() bool {
	mine, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.path)
	return err == nil && os.SameFile(mine, there)
}

func inUse(pid int) string {
	if pid == 0 {
		return "another run is using it"
	}
	return fmt.Sprintf("another run is using it, process %d", pid)
}

// readPID is the process that a lock file names, or 0.
func readPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// alive tells whether a process exists.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }() // frees a handle; nothing depends on it
	if runtime.GOOS == "windows" {
		return true // where FindProcess opens the process
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// Close removes the file, while it is still locked, and drops the lock. It may be called twice.
func (l *folderLock) Close() {
	if l == nil || l.path == "" {
		return
	}
	if l.file == nil || l.current() {
		os.Remove(l.path) // fails on Windows, where the file stays, empty of meaning
	}
	if l.file != nil {
		_ = l.file.Unlock() // else the end of the process does it
	}
	l.path = ""
}
