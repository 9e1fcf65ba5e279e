package local_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/platform/local/oci"
	"github.com/switchyard/switchyard/platform/platformtest"
	"github.com/switchyard/switchyard/release"
)

const daemonVariable = "SWITCHYARD_TEST_DAEMON_DIR"

func TestMain(m *testing.M) {
	platformtest.MaybeServe()
	if dir := os.Getenv(daemonVariable); dir != "" {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := cloud.Run(context.Background(), cloud.Config{Dir: dir, Log: log}); err != nil {
			log.Error("daemon", "error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startCloud runs a daemon in this process until the test ends, and leaves nothing running.
func startCloud(t *testing.T, dir string) *local.Client {
	t.Helper()
	client, stop := runCloud(t, dir)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, client.Shutdown(ctx, true))
		stop()
		if t.Failed() {
			showLogs(t, dir)
		}
	})
	return client
}

// runCloud runs a daemon and returns how to end it and let its processes live.
func runCloud(t *testing.T, dir string) (*local.Client, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	go func() { done <- cloud.Run(ctx, cloud.Config{Dir: dir, Log: log}) }()
	client, err := local.Open(dir)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			require.NoError(t, err)
		default:
		}
		_, err := client.Status(context.Background())
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	return client, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("daemon: %s", b)
	return len(b), nil
}

func showLogs(t *testing.T, dir string) {
	for _, pattern := range []string{"regions/*/caddy.out", "regions/*/caddy.log", "logs/*/*/*.log"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range found {
			if b, err := os.ReadFile(path); err == nil {
				t.Logf("%s:\n%s", path, b[:min(len(b), 4000)])
			}
		}
	}
}

// bake puts an image into the store whose /app is this test binary.
func bake(t *testing.T, dir, version string) string {
	t.Helper()
	store, err := oci.Open(filepath.Join(dir, "images"))
	require.NoError(t, err)
	root := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	binary, err := os.ReadFile(self)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "app"), binary, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "version"), []byte(version), 0o644))
	layer, err := oci.WriteLayer(filepath.Join(t.TempDir(), "layer"), root, nil)
	require.NoError(t, err)
	img, err := oci.Assemble(nil, layer, oci.Meta{Application: "checkout", Version: version, InputDigest: "sha256:" + version})
	require.NoError(t, err)
	ref, err := store.Put(img)
	require.NoError(t, err)
	return ref
}

const (
	waitLong = 20 * time.Second
	waitStep = 20 * time.Millisecond
)

func selfPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return self
}

func kill(t *testing.T, pid int) {
	t.Helper()
	require.Greater(t, pid, 1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

func ensure(t *testing.T, dir, self string) *local.Client {
	t.Helper()
	c, err := local.EnsureRunning(context.Background(), dir, []string{self})
	require.NoError(t, err)
	t.Cleanup(func() { // where the test did not get to it itself
		if _, err := c.Status(context.Background()); err == nil {
			require.NoError(t, c.Shutdown(context.Background(), true))
		}
	})
	return c
}

var target = release.Target{Application: "checkout", Environment: "production"}

func spec(name, version, image string, instances int) platform.FleetSpec {
	return platform.FleetSpec{
		Name: name, Region: "local-a", Target: target, Release: "r-" + name, Version: version, Image: image, Instances: instances,
		Command: []string{"/app", "-listen=${HOST}:$PORT"}, Environment: map[string]string{platformtest.AppVariable: "1"},
		HealthPath: platformtest.HealthPath,
	}
}

func inService(t *testing.T, p platform.Platform, region, name string, n int) release.Fleet {
	t.Helper()
	var f release.Fleet
	require.Eventually(t, func() bool {
		var err error
		f, err = p.Fleets.Describe(context.Background(), region, name)
		require.NoError(t, err)
		return f.InService() == n && len(f.Instances) == n
	}, 30*time.Second, 50*time.Millisecond, "fleet %s never has %d instances in service", name, n)
	return f
}
