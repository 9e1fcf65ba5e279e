package cloud

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The markers in the environment of every process the cloud starts.
const (
	envCloud    = "SWITCHYARD_CLOUD"
	envInstance = "INSTANCE_ID"
	envRegion   = "SWITCHYARD_REGION"
)

// startTicks reads when a process started, in clock ticks since boot; with the pid it
// names the process for good. ok is false when it is gone, a zombie, or being reaped.
func startTicks(pid int) (ticks uint64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may hold spaces and parentheses itself.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return 0, false
	}
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, err == nil
}

func alive(pid int, ticks uint64) bool {
	if pid <= 1 {
		return false
	}
	have, ok := startTicks(pid)
	return ok && have == ticks
}

// signalGroup signals the process and the group it leads, only if it is still that process.
func signalGroup(pid int, ticks uint64, sig syscall.Signal) error {
	if !alive(pid, ticks) {
		return nil
	}
	err := syscall.Kill(-pid, sig)
	if errors.Is(err, syscall.ESRCH) { // not a group leader
		err = syscall.Kill(pid, sig)
	}
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// endProcess ends the process: TERM, then KILL after the grace. It returns once it is gone.
func endProcess(pid int, ticks uint64, grace time.Duration) error {
	if err := signalGroup(pid, ticks, syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminate process %d: %w", pid, err)
	}
	if waitGone(pid, ticks, grace) {
		return nil
	}
	if err := signalGroup(pid, ticks, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	if !waitGone(pid, ticks, 5*time.Second) {
		return fmt.Errorf("kill process %d: it is still there after 5s", pid)
	}
	return nil
}

func waitGone(pid int, ticks uint64, within time.Duration) bool {
	deadline := time.Now().Add(within)
	for alive(pid, ticks) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// launch starts a program that outlives the daemon: its own session, no inherited
// descriptors, output appended to logPath. ended is called when it ends while this
// daemon lives, with a description for a person.
func launch(argv, env []string, dir, logPath string, ended func(how string)) (pid int, ticks uint64, err error) {
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return 0, 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	defer func() { _ = log.Close() }()
	cmd := &exec.Cmd{Path: argv[0], Args: argv, Env: env, Dir: dir, Stdout: log, Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	pid = cmd.Process.Pid
	// Not reaped before Wait below, so the entry is there, if only as a zombie.
	ticks, _ = startTicks(pid)
	go func() {
		_ = cmd.Wait()
		ended(cmd.ProcessState.String())
	}()
	return pid, ticks, nil
}

type marked struct {
	pid              int
	ticks            uint64
	instance, region string
	command          string
}

// markedProcesses finds every living process that carries the cloud's marker. Processes
// of other users cannot be read and are not ours.
func markedProcesses(cloudID string) []marked {
	entries, _ := os.ReadDir("/proc")
	var out []marked
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !bytes.Contains(env, []byte(envCloud+"="+cloudID)) {
			continue
		}
		vars := map[string]string{}
		for _, kv := range strings.Split(string(env), "\x00") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				vars[k] = v
			}
		}
		ticks, ok := startTicks(pid)
		if !ok || vars[envCloud] != cloudID {
			continue
		}
		cmdline, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		out = append(out, marked{pid: pid, ticks: ticks, instance: vars[envInstance], region: vars[envRegion],
			command: strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))})
	}
	return out
}
