package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process names a process for good: a pid alone is used again after its process is
// gone, with the time it started it is not.
type Process struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Ticks uint64 `json:"ticks"` // when it started, in clock ticks since boot
}

// self is this process.
func self(name string) Process {
	p := Process{Name: name, PID: os.Getpid()}
	p.Ticks, _ = startTicks(p.PID)
	return p
}

// startTicks reads when a process started. ok is false when it is gone or a zombie.
func startTicks(pid int) (ticks uint64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may hold spaces and parentheses itself.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, err == nil
}

// Alive says whether this very process still runs.
func (p Process) Alive() bool {
	if p.PID <= 1 {
		return false
	}
	ticks, ok := startTicks(p.PID)
	return ok && ticks == p.Ticks
}

// signal signals the process, or the group it leads. One that is gone is no error.
func (p Process) signal(sig syscall.Signal, group bool) error {
	if !p.Alive() {
		return nil
	}
	pid := p.PID
	if group {
		pid = -pid
	}
	err := syscall.Kill(pid, sig)
	if group && errors.Is(err, syscall.ESRCH) { // it leads no group
		err = syscall.Kill(p.PID, sig)
	}
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// end ends the process: TERM to it, so that it can end its children its own way,
// then KILL to its group after the grace. It returns once the process is gone.
func (p Process) end(grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM, false); err != nil {
		return fmt.Errorf("terminate %s (process %d): %w", p.Name, p.PID, err)
	}
	if p.gone(grace) {
		return nil
	}
	if err := p.signal(syscall.SIGKILL, true); err != nil {
		return fmt.Errorf("kill %s (process %d): %w", p.Name, p.PID, err)
	}
	if !p.gone(5 * time.Second) {
		return fmt.Errorf("kill %s (process %d): it is still there after 5s", p.Name, p.PID)
	}
	return nil
}

func (p Process) gone(within time.Duration) bool {
	for until := time.Now().Add(within); p.Alive(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}

// child is a process we started.
type child struct {
	Process
	done chan struct{} // closed when it is gone
	err  error         // how it ended; valid after done
}

// ended says how the process ended, once it has.
func (c *child) ended() error {
	if c.err == nil {
		return errors.New("with exit code 0")
	}
	return c.err
}

// launch starts argv with its output appended to the log, in a process group of its
// own so that Ctrl-C reaches us alone. When we are killed the kernel sends it TERM.
func launch(name string, argv, env []string, logPath string) (*child, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...) // ended by end, in its own way
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	c := &child{Process: Process{Name: name}, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that forked ends, so
		// that thread is kept for as long as the process lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := cmd.Start()
		if err == nil {
			c.PID = cmd.Process.Pid
			c.Ticks, _ = startTicks(c.PID)
		}
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s (%s): %w", name, argv[0], err)
	}
	return c, nil
}

// endsWith is the last lines of a log, to say why a program ended.
func endsWith(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
