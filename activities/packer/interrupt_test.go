package packer_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer"
)

// workerVariable makes the test binary a process that bakes and is then killed.
const workerVariable = "SWITCHYARD_TEST_WORKER"

func worker() int {
	var b packer.Bake
	if err := json.Unmarshal([]byte(os.Getenv(workerVariable)), &b); err != nil {
		return 2
	}
	if _, err := b.Run(context.Background(), nil); err != nil {
		return 1
	}
	return 0
}

// hanging is a build that says in a file that it has begun, with a child of its own,
// and then waits for ever.
const hanging = `
  provisioner "shell" {
    inline = ["sleep 1000 & echo $! > ${var.marker}.part", "mv ${var.marker}.part ${var.marker}", "wait"]
  }
` + receiptBlock

func awaitFile(t *testing.T, file string) string {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, time.Minute, 10*time.Millisecond, "the bake did not begin")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.TrimSpace(string(raw))
}

func gone(pid string) func() bool {
	return func() bool {
		raw, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(raw), ") Z ")
	}
}

func TestCancelledInTheMiddle(t *testing.T) {
	b := newBench(t)
	marker := filepath.Join(t.TempDir(), "begun")
	bake := b.bake(b.template(hanging))
	bake.Variables = map[string]string{"marker": marker}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := bake.Run(ctx, nil)
		ended <- err
	}()
	child := awaitFile(t, marker)
	cancel()
	select {
	case err := <-ended:
		assert.Equal(t, packer.Cancelled, packer.KindOf(err), "%v", err)
	case <-time.After(time.Minute):
		t.Fatal("the cancelled bake does not end")
	}
	assert.True(t, gone(child)(), "the command's child lives on")
	assert.Empty(t, b.leftOvers())
	assert.Empty(t, b.blobs())
}

func TestTimeOut(t *testing.T) {
	b := newBench(t)
	bake := b.bake(b.template(hanging))
	bake.Variables = map[string]string{"marker": filepath.Join(t.TempDir(), "begun")}
	bake.Timeout = 2 * time.Second
	_, err := bake.Run(t.Context(), nil)
	assert.Equal(t, packer.Build, packer.KindOf(err))
	assert.ErrorContains(t, err, "took longer than 2s")
	assert.Empty(t, b.leftOvers())
}

// A service manager may stop Packer and the worker at the same time; that says
// nothing about the template.
func TestPackerStoppedBySomebodyElse(t *testing.T) {
	b := newBench(t)
	marker := filepath.Join(t.TempDir(), "begun")
	bake := b.bake(b.template(hanging))
	bake.Variables = map[string]string{"marker": marker}
	ended := make(chan error, 1)
	go func() {
		_, err := bake.Run(t.Context(), nil)
		ended <- err
	}()
	child := awaitFile(t, marker)
	require.NoError(t, syscall.Kill(b.note().PID, syscall.SIGTERM))
	select {
	case err := <-ended:
		var e *packer.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, packer.Crash, e.Kind, e.Message)
		assert.True(t, e.Retryable())
	case <-time.After(time.Minute):
		t.Fatal("the bake does not end")
	}
	assert.True(t, gone(child)())
	assert.Empty(t, b.leftOvers())
}

// A second try in the same folder, as after a lost heartbeat, supersedes the first.
func TestRetryWhileTheFirstTryStillRuns(t *testing.T) {
	b := newBench(t)
	marker := filepath.Join(t.TempDir(), "begun")
	first := b.bake(b.template(hanging))
	first.Variables = map[string]string{"marker": marker}
	ended := make(chan error, 1)
	go func() {
		_, err := first.Run(t.Context(), nil)
		ended <- err
	}()
	awaitFile(t, marker)
	_, err := b.bake(b.template(`provisioner "shell" { inline = ["touch f"] }`+receiptBlock)).Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Error(t, <-ended)
	assert.Empty(t, b.leftOvers())
	images, err := b.store.List()
	require.NoError(t, err)
	assert.Len(t, images, 1)
}

// processNote is what a bake writes down about its Packer.
type processNote struct {
	PID  int
	Temp string
}

// note reads the note of the one bake that runs.
func (b *bench) note() processNote {
	b.t.Helper()
	var n processNote
	files, err := filepath.Glob(filepath.Join(b.work, "attempt-*", "process.json"))
	require.NoError(b.t, err)
	require.Len(b.t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(b.t, err)
	require.NoError(b.t, json.Unmarshal(raw, &n))
	return n
}

// start runs the bake in a process of its own and returns it with the pid of a
// command of the bake.
func start(t *testing.T, bake packer.Bake, marker string) (*exec.Cmd, string) {
	t.Helper()
	bake.Variables = map[string]string{"marker": marker}
	raw, err := json.Marshal(bake)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+string(raw))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, awaitFile(t, marker)
}

func TestWorkerKilledInTheMiddle(t *testing.T) {
	b := newBench(t)
	marker := filepath.Join(t.TempDir(), "begun")
	bake := b.bake(b.template(hanging))
	cmd, child := start(t, bake, marker)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	removed, err := b.store.Sweep(bake.Release.Release)
	require.NoError(t, err)
	t.Log(removed)
	assert.Eventually(t, gone(child), 10*time.Second, 10*time.Millisecond)
	staging, _ := filepath.Glob(filepath.Join(b.store.Dir(), ".staging", "*"))
	assert.Empty(t, staging)
	assert.Empty(t, b.blobs())

	// The retry of the same bake removes what the first try noted and succeeds.
	again := b.bake(b.template(`provisioner "shell" { inline = ["touch f"] }` + receiptBlock))
	_, err = again.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, b.leftOvers())
}

func TestEverythingOfABakeKilledAtOnce(t *testing.T) {
	b := newBench(t)
	marker := filepath.Join(t.TempDir(), "begun")
	bake := b.bake(b.template(hanging))
	cmd, child := start(t, bake, marker)
	note := b.note()
	// Packer's whole group goes first, so that nobody is left to clean up.
	require.NoError(t, syscall.Kill(-note.PID, syscall.SIGKILL))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	again := b.bake(b.template(`provisioner "shell" { inline = ["touch f"] }` + receiptBlock))
	_, err := again.Run(t.Context(), nil)
	require.NoError(t, err)
	assert.Eventually(t, gone(child), 10*time.Second, 10*time.Millisecond)
	assert.Empty(t, b.leftOvers())
	assert.NoDirExists(t, note.Temp)
}
