package packer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// exit is how the packer process ended. code is -1 when a signal ended it.
type exit struct {
	code     int
	err      error
	startErr error
}

// tailEvery is how often the output file is looked at for new lines.
const tailEvery = 50 * time.Millisecond

// execute runs Packer to its end, feeding its lines to out while they come.
func (a *attempt) execute(ctx context.Context, out *output) exit {
	stdout, err := os.OpenFile(filepath.Join(a.dir, stdoutFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return exit{startErr: err}
	}
	defer stdout.Close()
	stderr, err := os.OpenFile(filepath.Join(a.dir, stderrFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return exit{startErr: err}
	}
	defer stderr.Close()
	log, err := os.OpenFile(a.logPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return exit{startErr: err}
	}
	defer log.Close()

	cmd := a.command(ctx)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	ended := make(chan exit, 1)
	go func() { ended <- a.startAndWait(cmd) }()

	result := follow(filepath.Join(a.dir, stdoutFile), log, out, ended)
	appendStderr(filepath.Join(a.dir, stderrFile), log, out)
	return result
}

func (a *attempt) command(ctx context.Context) *exec.Cmd {
	args := []string{"build", "-machine-readable", "-color=false", "-var-file=" + a.variablesPath()}
	if len(a.bake.Only) > 0 {
		args = append(args, "-only="+strings.Join(a.bake.Only, ","))
	}
	template, err := filepath.Abs(a.bake.Template)
	if err != nil {
		template = a.bake.Template
	}
	cmd := exec.CommandContext(ctx, a.bake.PackerBin, append(args, template)...)
	cmd.Dir = a.bake.templateDir()
	cmd.Env = a.environment()
	cmd.SysProcAttr = childAttributes()
	// TERM: the outer packer process forwards only this one, INT it ignores.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = a.bake.Grace
	if cmd.WaitDelay <= 0 {
		cmd.WaitDelay = defaultGrace
	}
	return cmd
}

// startAndWait owns its thread: the kernel's signal at the parent's death goes by the
// thread that started the child, and Go ends idle threads.
func (a *attempt) startAndWait(cmd *exec.Cmd) exit {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return exit{startErr: err}
	}
	pid := cmd.Process.Pid
	// Without this note a retry could not find Packer, but the bake itself is fine.
	_ = a.note(process{PID: pid, Started: startOf(pid), Temp: a.temp})
	err := cmd.Wait()
	// Packer ends, its shells' children may not; the group is the only handle on them.
	killErr := killGroup(pid)
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	var exited *exec.ExitError
	if errors.As(err, &exited) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return exit{code: code, err: err}
	}
	return exit{code: code, err: errors.Join(err, killErr)}
}

// follow reads a growing file line by line until the process has ended and
// everything is read. Incomplete lines wait for their end: half a secret would not
// be recognised.
func follow(file string, log io.Writer, out *output, ended <-chan exit) exit {
	f, err := os.Open(file)
	if err != nil {
		return <-ended
	}
	defer f.Close()
	var rest []byte
	drain := func() {
		chunk, _ := io.ReadAll(f)
		rest = append(rest, chunk...)
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				return
			}
			emit(string(rest[:i]), log, out)
			rest = rest[i+1:]
		}
	}
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			drain()
		case e := <-ended:
			drain()
			if len(rest) > 0 {
				emit(string(rest), log, out)
			}
			return e
		}
	}
}

func emit(line string, log io.Writer, out *output) {
	// A log that can't be written must not fail a bake.
	_, _ = io.WriteString(log, out.line(strings.TrimRight(line, "\r"))+"\n")
}

func appendStderr(file string, log io.Writer, out *output) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = io.WriteString(log, "stderr: "+out.scrub(lines.Text())+"\n")
	}
}
