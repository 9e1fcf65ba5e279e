package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// State is what a running stack writes down: for other commands, where it is
// reached; for the next start, what to end when this one could not end it itself.
type State struct {
	Owner           Process   `json:"owner"` // the process that runs the stack
	TemporalAddress string    `json:"temporalAddress"`
	UIURL           string    `json:"uiUrl,omitempty"`
	Namespace       string    `json:"namespace"`
	TaskQueue       string    `json:"taskQueue"`
	CloudDir        string    `json:"cloudDir"`
	Processes       []Process `json:"processes"`
}

const stateFile = "dev.json"

// ReadState reads the state of the stack in dir. running is false when there is
// none, or its owner is gone.
func ReadState(dir string) (s State, running bool, err error) {
	path := filepath.Join(dir, stateFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read the state of the stack: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, false, fmt.Errorf("read the state of the stack %s: %w", path, err)
	}
	return s, s.Owner.Alive(), nil
}

// writeState replaces the file in one step, so that a reader never sees half of it.
func writeState(dir string, s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state of the stack: %w", err)
	}
	tmp := filepath.Join(dir, "."+stateFile)
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state of the stack: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, stateFile)); err != nil {
		return fmt.Errorf("write the state of the stack: %w", err)
	}
	return nil
}

// ErrRunning means that another stack runs in the directory.
var ErrRunning = errors.New("a stack runs there already")

// lock takes the directory for this process. The kernel frees it when we die.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "dev.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			s, _, _ := ReadState(dir)
			return nil, fmt.Errorf("start the stack in %s: %w (process %d); stop that one, or use another --dir", dir, ErrRunning, s.Owner.PID)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
