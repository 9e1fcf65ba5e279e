package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform/secretref"
)

// stopGrace is how long a command may clean up after it was told to stop.
const stopGrace = 5 * time.Second

// runMigration runs the command in a process group of its own, of which nothing is left
// afterwards. It is told to stop (TERM), and killed after a grace, when its time is over
// or the activity is cancelled; it does not outlive the worker.
func runMigration(ctx context.Context, in MigrateInput) (Migrated, error) {
	how := in.Migration.Command
	if len(how.Run) == 0 {
		return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: no program is given", in.words())
	}
	secrets, err := secretref.ResolveAll(how.Secrets)
	if err != nil {
		// A worker's environment and files do not change by waiting.
		return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: %w; give it to the workers, then try again", in.words(), err)
	}
	bounded, cancel := context.WithTimeout(ctx, in.timeout())
	defer cancel()
	output := newEnding(slices.Collect(maps.Values(secrets))...)
	cmd := exec.CommandContext(bounded, how.Run[0], how.Run[1:]...) //nolint:gosec // the spec's author decides what runs
	cmd.Env = migrationEnv(in, secrets)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace // also for a grandchild that holds the output open
	err = runLocked(cmd)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Migrated{}, ctx.Err()
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return Migrated{Output: output.String()}, nil
	case bounded.Err() != nil:
		return Migrated{}, in.failed(fmt.Sprintf("the command was stopped after %s", in.timeout()), output.String())
	case errors.As(err, &exit):
		return Migrated{}, in.failed("the command ended with "+exit.Error(), output.String())
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, exec.ErrNotFound):
		return Migrated{}, acterr.Final(ErrInvalidRequest, "%s: the command can't be started: %w; give it to the workers, then try again", in.words(), err)
	}
	return Migrated{}, fmt.Errorf("%s: the command can't be run: %w", in.words(), err)
}

// runLocked runs the command on a thread that stays for as long as it runs: the kernel
// sends the death signal when the thread that forked ends.
func runLocked(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Run()
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // no such group is the usual answer
		}
		done <- err
	}()
	return <-done
}

// migrationEnv is what a command knows: what the spec gives it, and nothing of the
// worker's own secrets.
func migrationEnv(in MigrateInput, secrets map[string]string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for _, given := range []map[string]string{in.Migration.Command.Environment, secrets} {
		for _, name := range slices.Sorted(maps.Keys(given)) {
			env = append(env, name+"="+given[name])
		}
	}
	return append(env,
		"SWITCHYARD_IDEMPOTENCY_KEY="+in.Key,
		"SWITCHYARD_HALF="+in.Half,
		"SWITCHYARD_SCHEMA="+strconv.Itoa(in.Schema),
		"SWITCHYARD_VERSION="+in.Version,
	)
}
