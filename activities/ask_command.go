package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// runCommand runs a program in a process group of its own and kills the group at
// the end, so that nothing it started stays. Exit code 0 passes. A program that
// can't be started says nothing about the fleet: the result is inconclusive.
func runCommand(ctx context.Context, check spec.CommandCheck, env []string) release.Result {
	r := release.Result{Bound: "exit code 0", At: time.Now().UTC()}
	timeout := check.Timeout.Std()
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	if len(check.Run) == 0 {
		r.Verdict, r.Value = release.Inconclusive, "no program is given"
		return r
	}
	rctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(rctx, check.Run[0], check.Run[1:]...) //nolint:gosec // the spec's author decides what runs
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	output := &tail{limit: maxValue}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		r.Verdict, r.Value = release.Inconclusive, clip("can't be started: "+err.Error(), maxValue)
		return r
	}
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // no such group is the usual answer
	switch {
	case rctx.Err() != nil:
		r.Verdict, r.Value = release.Fail, clip(fmt.Sprintf("stopped after %s, output %q", timeout, output), maxValue)
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		r.Verdict, r.Value = release.Pass, "exit code 0"
	default:
		r.Verdict, r.Value = release.Fail, clip(fmt.Sprintf("%s, output %q", err, output), maxValue)
	}
	return r
}

// commandEnv is what a command knows: where the fleet is, and nothing of the
// worker's secrets.
func commandEnv(ctx context.Context, p platform.Platform, who subject) []string {
	var addresses []string
	for _, i := range who.instances {
		addresses = append(addresses, i.Address)
	}
	entry, err := p.Router.Entry(ctx, who.place.Region, who.place.Target)
	if err != nil {
		entry = "" // the command sees that it is not known
	}
	env := []string{
		"SWITCHYARD_FLEET=" + who.fleet,
		"SWITCHYARD_REGION=" + who.place.Region,
		"SWITCHYARD_ENTRY=" + entry,
		"SWITCHYARD_ADDRESSES=" + strings.Join(addresses, " "),
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
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
	return strings.ToValidUTF8(strings.TrimSpace(string(t.kept)), "")
}
