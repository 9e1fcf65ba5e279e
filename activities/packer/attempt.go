package packer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// attempt is the folder of one run of Packer.
type attempt struct {
	bake    Bake
	dir     string
	temp    string // TMPDIR; short, since Packer's plugins put their sockets there
	started time.Time
}

const (
	processFile = "process.json"
	stdoutFile  = "stdout.raw" // may hold secrets: readable by us alone, gone after the run
	stderrFile  = "stderr.raw"
)

func newAttempt(b Bake) (*attempt, error) {
	if err := os.MkdirAll(b.WorkDir, 0o755); err != nil {
		return nil, err
	}
	work, err := filepath.Abs(b.WorkDir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(work, "attempt-")
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("/tmp", "sy-")
	if err != nil {
		return nil, err
	}
	a := &attempt{bake: b, dir: dir, temp: temp, started: time.Now()}
	vars, err := json.Marshal(b.Variables)
	if err == nil && b.Variables == nil {
		vars = []byte("{}")
	}
	if err = errors.Join(err, os.WriteFile(a.variablesPath(), vars, 0o600), a.note(process{Temp: temp})); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *attempt) logPath() string       { return filepath.Join(a.dir, "packer.log") }
func (a *attempt) receiptPath() string   { return filepath.Join(a.dir, "receipt.json") }
func (a *attempt) variablesPath() string { return filepath.Join(a.dir, "variables.pkrvars.json") }

// note writes down what has to be removed when this process dies.
func (a *attempt) note(p process) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, processFile), raw, 0o600)
}

// close removes everything but the log, the receipt and the attestation.
func (a *attempt) close() {
	a.moveCrashLog()
	cleanAttempt(a.dir, a.temp)
}

func cleanAttempt(dir, temp string) {
	for _, name := range []string{stdoutFile, stderrFile, "variables.pkrvars.json", "config", "cache"} {
		_ = os.RemoveAll(filepath.Join(dir, name))
	}
	if ours(temp) {
		_ = os.RemoveAll(temp)
	}
	_ = os.Remove(filepath.Join(dir, processFile))
}

// ours guards the removal of a directory whose name was read from a file.
func ours(temp string) bool {
	return filepath.Dir(temp) == "/tmp" && strings.HasPrefix(filepath.Base(temp), "sy-")
}

// moveCrashLog takes Packer's crash.log out of the template's folder, where it would
// count as an input of the next bake.
func (a *attempt) moveCrashLog() {
	file := filepath.Join(a.bake.templateDir(), "crash.log")
	info, err := os.Stat(file)
	if err != nil || info.ModTime().Before(a.started) {
		return
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return
	}
	scrub := scrubber(a.bake.Secrets)
	if os.WriteFile(filepath.Join(a.dir, "crash.log"), []byte(scrub(string(raw))), 0o600) == nil {
		_ = os.Remove(file)
	}
}

// turnPoll is how often a bake looks whether the one before it has ended.
const turnPoll = 50 * time.Millisecond

// takeTurn waits until no other Run works in the folder: the newest try supersedes
// an older one, whose Packer it ends, and begins when that one has cleaned up. The
// caller closes the file to let the next one in; so does the end of the process.
func (b Bake) takeTurn(ctx context.Context) (*os.File, error) {
	if err := os.MkdirAll(b.WorkDir, 0o755); err != nil {
		return nil, failure(Configuration, "", "make work directory of the bake: %v", err)
	}
	lock, err := os.OpenFile(filepath.Join(b.WorkDir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, failure(Configuration, "", "lock work directory of the bake: %v", err)
	}
	for {
		if err := reap(b.WorkDir, b.Secrets); err != nil {
			lock.Close()
			return nil, failure(Crash, "", "remove what an earlier bake left: %v", err)
		}
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			lock.Close()
			return nil, failure(Crash, "", "lock work directory of the bake %s: %v", b.WorkDir, err)
		}
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, failure(Cancelled, "", "cancelled while another bake of the release was ending")
		case <-time.After(turnPoll):
		}
	}
}

// process is what an attempt leaves behind when the worker is killed.
type process struct {
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"processStart,omitempty"` // clock ticks since boot; tells a reused process id apart
	Temp    string `json:"temp"`
}

// reap ends the Packer processes of earlier attempts in the folder and removes what
// they left, keeping their logs. It waits while Packer cleans up by itself.
func reap(work string, secrets map[string]string) error {
	files, err := filepath.Glob(filepath.Join(work, "attempt-*", processFile))
	if err != nil {
		return err
	}
	sort.Strings(files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var p process
		if err := json.Unmarshal(raw, &p); err != nil {
			p = process{} // killed while writing: Packer had not been started
		}
		if err := p.end(); err != nil {
			return fmt.Errorf("end packer process %d of %s: %w", p.PID, filepath.Dir(f), err)
		}
		keepLog(filepath.Dir(f), secrets)
		cleanAttempt(filepath.Dir(f), p.Temp)
	}
	return nil
}

// keepLog turns the raw output of a dead attempt into its log, if it has none.
func keepLog(dir string, secrets map[string]string) {
	raw, err := os.ReadFile(filepath.Join(dir, stdoutFile))
	if err != nil {
		return
	}
	out := newOutput(secrets, nil)
	var b strings.Builder
	for _, line := range strings.Split(string(raw), "\n") {
		b.WriteString(out.line(line) + "\n")
	}
	_ = os.WriteFile(filepath.Join(dir, "packer.log"), []byte(b.String()), 0o600)
}
