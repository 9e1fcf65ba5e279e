package ask

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// runCommand runs a program in a process group of its own and kills the group at
// the end, so that nothing it started stays. Exit code 0 passes. A program that
// can't be started says nothing about the fleet: the result is inconclusive.
func (q *questions) runCommand(ctx context.Context, check spec.CommandCheck) release.Result {
	const bound = "exit code 0"
	if len(check.Run) == 0 {
		return unknown(bound, "no program is given")
	}
	argv := make([]string, len(check.Run))
	for i, text := range check.Run {
		argv[i] = q.fill(text)
	}
	env := q.commandEnv(ctx)
	timeout := orTen(check.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the spec's author decides what runs
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	output := &tail{limit: maxValue}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return unknown(bound, "can't be started: %v", err)
	}
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // no such group is the usual answer
	return judgeCommand(err, ctx.Err() != nil, timeout, output.String())
}

// judgeCommand is the verdict on how a program ended.
func judgeCommand(err error, stopped bool, timeout time.Duration, output string) release.Result {
	const bound = "exit code 0"
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay): // the program ended well, something it started holds the output
		return passed(bound, "exit code 0")
	case stopped:
		return failed(bound, "stopped after %s, output %q", timeout, output)
	default:
		return failed(bound, "%s, output %q", err, output)
	}
}

// commandEnv is what a command knows: where the fleet is and what it is asked for, and
// nothing of the worker's secrets.
func (q *questions) commandEnv(ctx context.Context) []string {
	env := []string{
		"SWITCHYARD_APPLICATION=" + q.Target.Application,
		"SWITCHYARD_ENVIRONMENT=" + q.Target.Environment,
		"SWITCHYARD_VERSION=" + q.Version,
		"SWITCHYARD_RELEASE=" + q.Release,
		"SWITCHYARD_REGION=" + q.Region,
		"SWITCHYARD_FLEET=" + q.Fleet,
		"SWITCHYARD_LIVE=" + q.Live,
		"SWITCHYARD_STAGE=" + q.Stage,
		"SWITCHYARD_ENTRY=" + q.entry(ctx),
		"SWITCHYARD_ADDRESSES=" + strings.Join(q.addresses(len(q.Instances)), " "),
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// entry is where users reach the target, "" when that is not known.
func (q *questions) entry(ctx context.Context) string {
	if q.Platform.Router == nil {
		return ""
	}
	entry, err := q.Platform.Router.Entry(ctx, q.Region, q.Target)
	if err != nil {
		return "" // who is asked sees that it is not known
	}
	return entry
}

// addresses are those of the instances in service, at most so many.
func (q *questions) addresses(most int) []string {
	var out []string
	for _, i := range q.Instances[:min(most, len(q.Instances))] {
		out = append(out, i.Address)
	}
	return out
}

// tail keeps the last bytes that were written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.TrimSpace(valid(string(t.kept)))
}
