package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/starter/startertest"
)

// options are those of a stack of this test's: testscript has put this very test
// binary on PATH as switchyard, and the other programs are the built ones.
func options(t *testing.T, dir string) dev.Options {
	t.Helper()
	exe, err := exec.LookPath("switchyard")
	require.NoError(t, err)
	return dev.Options{Dir: dir, Headless: true, BinDir: programs(t), Executable: exe}
}

// programs is a folder with the programs a stack runs.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"temporal", "caddy", "packer-plugin-switchyard"} {
		path, err := startertest.Program(name)
		require.NoError(t, err)
		path, err = filepath.Abs(path)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, name)))
	}
	return dir
}

func start(t *testing.T, o dev.Options) *dev.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := dev.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *dev.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, s.Stop(ctx))
}

// processesOf lists the processes, this one aside, that belong to the directory: it
// stands in their arguments or their environment.
func processesOf(t *testing.T, dir string) map[int]string {
	t.Helper()
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		argv, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if strings.Contains(string(argv)+string(env), dir) {
			found[pid] = strings.ReplaceAll(string(argv), "\x00", " ")
		}
	}
	return found
}

// alive says whether the process runs; one that ended and whose parent has not asked
// how is none.
func alive(pid int) bool {
	after := strings.TrimSpace(stat(pid))
	return after != "" && !strings.HasPrefix(after, "Z")
}

func TestAStackWorksAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	o := options(t, dir)
	o.Headless = false
	s := start(t, o)
	require.Len(t, processesOf(t, dir), 3, "Temporal, the local cloud and the worker")

	answer, err := http.Get(s.UIURL)
	require.NoError(t, err, "the UI")
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	status, err := s.Cloud.Status(context.Background())
	require.NoError(t, err, "the local cloud")
	assert.Equal(t, s.CloudEndpoint, status.URL)
	c, err := s.Client(context.Background())
	require.NoError(t, err, "Temporal")
	c.Close()
	state, running, err := dev.ReadState(dir)
	require.NoError(t, err)
	assert.True(t, running)
	assert.Equal(t, s.TemporalAddress, state.TemporalAddress)
	require.Len(t, state.Processes, 2)

	_, err = dev.Start(context.Background(), options(t, dir))
	require.ErrorIs(t, err, dev.ErrRunning)
	assert.True(t, alive(s.WorkerPID()), "the second start harmed nothing")

	stop(t, s)
	assert.Empty(t, processesOf(t, dir))
	for _, p := range state.Processes {
		assert.False(t, p.Alive(), p.Name)
	}
	_, running, err = dev.ReadState(dir)
	require.NoError(t, err)
	assert.False(t, running)
}

func TestAWorkerThatDiesIsReplaced(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s := start(t, options(t, t.TempDir()))
	first := s.WorkerPID()
	require.NoError(t, s.KillWorker())
	require.Eventually(t, func() bool { return s.WorkerPID() != first }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, s.AwaitWorker(ctx))
	assert.False(t, alive(first))

	second := s.WorkerPID()
	require.NoError(t, s.RestartWorker(ctx))
	assert.NotEqual(t, second, s.WorkerPID())
	assert.True(t, alive(s.WorkerPID()))
}

func TestAKilledStackIsCleanedUpByTheNext(t *testing.T) {
	dir := t.TempDir()
	killed := runDev(t, dir)
	state, _, err := dev.ReadState(dir)
	require.NoError(t, err)
	require.Len(t, state.Processes, 2, "Temporal and the worker")
	left := processesOf(t, dir)
	require.NoError(t, killed.Process.Kill())
	_ = killed.Wait()
	delete(left, killed.Process.Pid)
	for _, p := range state.Processes { // the kernel tells them, and they may or may not be gone already
		delete(left, p.PID)
	}
	require.Len(t, left, 1, "the local cloud: %v", left)
	for pid := range left {
		require.True(t, alive(pid), "it outlives the kill")
	}

	s := start(t, options(t, dir))
	for pid := range left {
		assert.False(t, alive(pid))
	}
	for _, p := range state.Processes {
		assert.False(t, p.Alive(), p.Name)
	}
	stop(t, s)
	assert.Empty(t, processesOf(t, dir))
}

// TestOnlyTheRecordedProcessIsEnded: a pid is used again by somebody else's process
// sooner or later, and that one must not be touched.
func TestOnlyTheRecordedProcessIsEnded(t *testing.T) {
	dir := t.TempDir()
	sleeper := func() *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	ours, others := sleeper(), sleeper()
	state := dev.State{Processes: []dev.Process{
		{Name: "temporal", PID: ours.Process.Pid, Ticks: ticks(t, ours.Process.Pid)},
		{Name: "worker", PID: others.Process.Pid, Ticks: ticks(t, others.Process.Pid) - 1},
	}}
	b, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dev.json"), b, 0o600))

	start(t, options(t, dir))
	assert.False(t, alive(ours.Process.Pid))
	assert.True(t, alive(others.Process.Pid))
}

// ticks is when the process started.
func ticks(t *testing.T, pid int) uint64 {
	t.Helper()
	fields := strings.Fields(stat(pid))
	require.Greater(t, len(fields), 19)
	n, err := strconv.ParseUint(fields[19], 10, 64)
	require.NoError(t, err)
	return n
}

// stat is what the kernel says about the process after its name, "" when it is gone.
func stat(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	return string(b[bytes.LastIndexByte(b, ')')+1:])
}

func TestDevEndsWithCtrlC(t *testing.T) {
	dir := t.TempDir()
	cmd := runDev(t, dir)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "it ends well")
	assert.Empty(t, processesOf(t, dir))
}

// runDev runs `switchyard dev` as a process and waits until it says that it works.
func runDev(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	o := options(t, dir)
	cmd := exec.Command(o.Executable, "dev", "--dir", dir, "--headless", "-o", "json")
	cmd.Env = append(os.Environ(), "SWITCHYARD_BIN="+o.BinDir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { // whatever a test that failed has left
		_ = cmd.Process.Kill()
		for pid := range processesOf(t, dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	var doc map[string]any
	require.NoError(t, json.NewDecoder(out).Decode(&doc), "one document once it works")
	assert.NotEmpty(t, doc["temporalAddress"])
	return cmd
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("SWITCHYARD_BIN", "")
	_, err := dev.FindProgram("temporal", t.TempDir())
	require.ErrorContains(t, err, "temporal")
	assert.Contains(t, err.Error(), "make tools")
}
