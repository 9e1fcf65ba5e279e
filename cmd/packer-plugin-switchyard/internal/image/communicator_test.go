package image

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newRoot(ctx context.Context, t *testing.T) *rootCommunicator {
	t.Helper()
	c := &rootCommunicator{bake: ctx, root: filepath.Join(t.TempDir(), "root"), temp: t.TempDir()}
	require.NoError(t, os.Mkdir(c.root, 0o755))
	return c
}

// run executes a command to its end, and not longer than a minute.
func run(t *testing.T, c *rootCommunicator, command string) (status int, output string) {
	t.Helper()
	var out bytes.Buffer
	cmd := &packersdk.RemoteCmd{Command: command, Stdout: &out, Stderr: &out}
	require.NoError(t, c.Start(t.Context(), cmd))
	ended := make(chan int, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case status = <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the command does not end")
	}
	return status, out.String()
}

func TestScriptsOfPackerStayOutOfTheImage(t *testing.T) {
	c := newRoot(t.Context(), t)
	require.NoError(t, c.Upload("/tmp/script_1234.sh", strings.NewReader("#!/bin/sh\npwd; echo hello > here\n"), nil))
	status, out := run(t, c, "chmod 0755 /tmp/script_1234.sh; /tmp/script_1234.sh")
	assert.Zero(t, status, out)
	assert.Equal(t, c.root+"\n", out)
	entries, err := os.ReadDir(c.root)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "here", entries[0].Name())
}

func TestCommandsSeeASmallEnvironment(t *testing.T) {
	t.Setenv("PKR_VAR_password", "hidden")
	c := newRoot(t.Context(), t)
	c.env = []string{"SOURCE_DATE_EPOCH=5"}
	_, out := run(t, c, "env")
	assert.NotContains(t, out, "hidden")
	assert.Contains(t, out, "SWITCHYARD_ROOT="+c.root+"\n")
	assert.Contains(t, out, "SOURCE_DATE_EPOCH=5\n")
	status, _ := run(t, c, "exit 7")
	assert.Equal(t, 7, status)
}

func TestCancellingTheBakeKillsItsCommands(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := newRoot(ctx, t)
	go func() {
		defer cancel()
		for range 6000 {
			if _, err := os.Stat(filepath.Join(c.root, "begun")); err == nil {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	}()
	status, _ := run(t, c, "touch begun; sleep 1000 & sleep 1000")
	assert.NotZero(t, status)
}

func TestABackgroundProcessDoesNotHoldTheBake(t *testing.T) {
	c := newRoot(t.Context(), t)
	_, out := run(t, c, "echo first; sleep 1000 &")
	assert.Equal(t, "first\n", out)
}

func TestFilesGoWhereTheyBelong(t *testing.T) {
	c := newRoot(t.Context(), t)
	src := filepath.Join(t.TempDir(), "src")
	require.NoError(t, os.MkdirAll(filepath.Join(src, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(src, "run"), []byte("r"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(src, "sub", "data"), []byte("d"), 0o600))
	require.NoError(t, os.Symlink("run", filepath.Join(src, "link")))

	require.NoError(t, c.UploadDir("/opt", src, nil))
	require.NoError(t, c.UploadDir("/srv", src+"/", []string{"sub"}))
	for name, want := range map[string]os.FileMode{"opt/src/run": 0o755, "opt/src/sub/data": 0o644, "srv/run": 0o755} {
		info, err := os.Stat(filepath.Join(c.root, name))
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
	assert.NoDirExists(t, filepath.Join(c.root, "srv", "sub"))
	target, err := os.Readlink(filepath.Join(c.root, "opt", "src", "link"))
	require.NoError(t, err)
	assert.Equal(t, "run", target)

	var out bytes.Buffer
	require.NoError(t, c.Download("/opt/src/sub/data", &out))
	assert.Equal(t, "d", out.String())
}

func TestNoPathLeadsOutOfTheRoot(t *testing.T) {
	c := newRoot(t.Context(), t)
	outside := t.TempDir()
	info, err := os.Stat(outside)
	require.NoError(t, err)
	require.NoError(t, c.Upload("../../up", strings.NewReader("x"), &info))
	assert.FileExists(t, filepath.Join(c.root, "up"))
	require.NoError(t, os.Symlink(outside, filepath.Join(c.root, "out")))
	assert.Error(t, c.Upload("/out/escaped", strings.NewReader("x"), &info))
	assert.NoFileExists(t, filepath.Join(outside, "escaped"))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o644))
	assert.Error(t, c.Download("/out/secret", &bytes.Buffer{}))
	assert.Error(t, c.UploadDir("/out", outside+"/", nil))
}
