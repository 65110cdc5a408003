package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkpointFolder is the folder of a run's checkpoints. Each is written under another name, synced and renamed, and renamed again
// before it is removed, so that a crash at any instant leaves whole ones only.
type checkpointFolder struct {
	path string
	keep int // newest ones that stay
}

// checkpointsFolder is its name in a run folder.
const checkpointsFolder = "checkpoints"

func checkpointName(step int) string { return fmt.Sprintf("step-%06d", step) }

// list is the steps of the checkpoints, ascending.
func (c checkpointFolder) list() ([]int, error) {
	entries, err := os.ReadDir(c.path) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	name := regexp.MustCompile(`^step-([0-9]{6,})$`)
	var steps []int
	for _, e := range entries {
		if m := name.FindStringSubmatch(e.Name()); m != nil && e.IsDir() {
			if step, err := strconv.Atoi(m[1]); err == nil && checkpointName(step) == e.Name() {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	return steps, nil
}

func (c checkpointFolder) of(step int) string { return filepath.Join(c.path, checkpointName(step)) }

// write makes a checkpoint of what fill writes into a folder, then removes those that are no longer kept.
func (c checkpointFolder) write(step int, fill func(dir string) error) (err error) {
	tmp := filepath.Join(c.path, "."+checkpointName(step)+".tmp")
	defer func() {
		if err != nil {
			os.RemoveAll(tmp) // what is left of it is removed at the next start
			err = fmt.Errorf("save checkpoint %s: %w", c.of(step), err)
		}
	}()
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(c.path)); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := writeSums(tmp); err != nil {
		return err
	}
	if err := syncFolder(tmp); err != nil {
		return err
	}
	if err := c.remove(step); err != nil {
		return err
	}
	if err := os.Rename(tmp, c.of(step)); err != nil {
		return err
	}
	if err := syncFolder(c.path); err != nil {
		return err
	}
	return c.prune()
}

// prune removes all but the newest.
func (c checkpointFolder) prune() error {
	steps, err := c.list()
	if err != nil {
		return err
	}
	for _, step := range steps[:max(0, len(steps)-c.keep)] {
		if err := c.remove(step); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a checkpoint away, if there is one.
func (c checkpointFolder) remove(step int) error {
	gone := filepath.Join(c.path, "."+checkpointName(step)+".old.tmp")
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(c.of(step), gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return os.RemoveAll(gone)
}

// goBackTo removes what a crash left half-written, and the checkpoints after a step, which are damaged.
func (c checkpointFolder) goBackTo(step int) error {
	steps, err := c.list()
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s > step {
			if err := c.remove(s); err != nil {
				return err
			}
		}
	}
	return removeMatching(c.path, ".step-*.tmp")
}

// newest opens the newest checkpoint that is whole, or returns nil where there is none. It says of each newer one what is wrong with it.
func (c checkpointFolder) newest(say func(format string, a ...any)) (*checkpoint, error) {
	steps, err := c.list()
	if err != nil {
		return nil, err
	}
	for _, step := range slices.Backward(steps) {
		found, err := openCheckpoint(c.of(step))
		if err == nil {
			return found, nil
		}
		say("the checkpoint %s is damaged (%v); looking for the one before it", c.of(step), err)
	}
	return nil, nil
}

// interval is how often something happens: every so many optimizer steps or so much time, or never.
type interval struct {
	steps int
	time  time.Duration
}

// parseInterval reads "100", "10m" or "off".
func parseInterval(text string) (interval, error) {
	text = strings.ToLower(strings.ReplaceAll(text, " ", ""))
	if text == "off" || text == "0" {
		return interval{}, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return interval{steps: n}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return interval{time: d}, nil
	}
	return interval{}, errors.New("neither a number of optimizer steps nor a duration")
}

// due tells whether it is time after a step, given how long ago it last was.
func (i interval) due(step int, since time.Duration) bool {
	return i.steps > 0 && step > 0 && step%i.steps == 0 || i.time > 0 && since >= i.time
}
