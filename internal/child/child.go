// Package child runs programs that must not outlive the process that started them.
package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Command is what to run. Its output is appended to Log.
type Command struct {
	Argv []string
	Env  []string // the whole environment
	Dir  string
	Log  string              // path
	As   *syscall.Credential // user and group it runs as; nil: those of this process
}

// Process is a program that was started. It leads a process group of its own, so that
// Ctrl-C reaches the parent alone; the kernel kills it when the parent dies.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts the program. ended is called when it has ended, perhaps before Start returns; it may be nil.
func Start(c Command, ended func(how string)) (*Process, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	cmd := exec.CommandContext(context.Background(), c.Argv[0], c.Argv[1:]...) // ended by End, in its own way
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.As}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that forked ends, so that
		// thread is kept for as long as the process lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended stands in ProcessState
		close(p.done)
		if ended != nil {
			ended(cmd.ProcessState.String())
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Argv[0], err)
	}
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended says whether the process is gone, and how it ended.
func (p *Process) Ended() (how string, gone bool) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.String(), true
	default:
		return "", false
	}
}

// Kill ends the process at once.
func (p *Process) Kill() {
	if _, gone := p.Ended(); !gone {
		_ = p.cmd.Process.Kill() // it fails only when the process is gone
	}
}

// End asks the process to end (TERM), kills its group after the grace, and returns once it is gone.
func (p *Process) End(grace time.Duration) {
	if _, gone := p.Ended(); gone {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it fails only when the process is gone
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		p.Kill()
		<-p.done
	}
}
