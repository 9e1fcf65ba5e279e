package moto

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is moto's process.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // why it ended, after done
}

// start starts a program that ends with this process.
func start(argv []string, logPath string, extra io.Writer) (*child, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("start moto: open its log: %w", err)
	}
	var out io.Writer = log
	if extra != nil {
		out = io.MultiWriter(log, extra)
	}
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...) // ended by end
	// No compiled files beside the launcher, every line in the log at once.
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that forked ends, so that
		// thread is kept for as long as the process lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start moto (%s): %w", argv[0], err)
	}
	return c, nil
}

// end asks the process to end, and ends it when it does not. It holds nothing worth saving.
func (c *child) end() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(2 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// tail is the last lines of a log, to say why moto ended.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
