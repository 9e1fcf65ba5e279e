// Package aws_test proves releases on AWS end to end: a real Temporal server, a real
// worker process, real Packer with its amazon plugin, and moto in the place of AWS,
// behind a proxy that records every call and makes AWS's trouble. There is no data
// plane: instances are records in moto, their health checks are answered by this test.
package aws_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/starter"
	"github.com/switchyard/switchyard/starter/startertest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("6") // the releases wait more than they work
	}
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// shared is what all runs use; each has an AWS account, a proxy, a target, a task queue
// and a worker of its own.
var shared bench

const motos = 2 // each acts on one request at a time

type bench struct {
	once      sync.Once
	err       error
	dir       string
	plugins   string // of Packer
	address   string // of Temporal
	client    client.Client
	temporal  *testsuite.DevServer
	moto      []*moto.Server
	instances net.Listener // answers for every instance
	port      int          // at which instances are asked
	runs      atomic.Int64
}

// use returns the bench, starting it for the first test.
func use(t *testing.T) *bench {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start(context.Background()) })
	if shared.err != nil {
		t.Fatalf("start what the tests need (make build run-tools aws-tools moto makes it): %v", shared.err)
	}
	return &shared
}

func (b *bench) start(ctx context.Context) (err error) {
	// Not t.TempDir: paths of sockets below it would get too long for Packer.
	if b.dir, err = os.MkdirTemp("", "sy-aws-"); err != nil {
		return err
	}
	b.plugins = filepath.Join(b.dir, "plugins")
	if err = wiring.InstallPlugins(b.plugins, startertest.Program); err != nil {
		return err
	}
	if err = b.startTemporal(ctx); err != nil {
		return err
	}
	if err = fewImages(b.dir); err != nil {
		return err
	}
	for range motos {
		m, err := moto.Start(ctx, moto.Options{})
		if err != nil {
			return err
		}
		b.moto = append(b.moto, m)
	}
	return b.answerForInstances(ctx)
}

// fewImages has moto begin every account with the one image that is baked from: each of
// its own hundreds takes time, in every account of every run.
func fewImages(dir string) error {
	path := filepath.Join(dir, "amis.json")
	image := `[{"ami_id": "ami-0a1b2c3d", "name": "amzn2-ami-hvm-2.0.20180810-x86_64-gp2", "description": "Amazon Linux 2", "owner_id": "137112412989",
		"public": true, "virtualization_type": "hvm", "architecture": "x86_64", "state": "available", "platform": null, "image_type": "machine",
		"hypervisor": "xen", "root_device_name": "/dev/xvda", "root_device_type": "ebs", "sriov": "simple"}]`
	if err := os.WriteFile(path, []byte(image), 0o600); err != nil {
		return err
	}
	return os.Setenv("MOTO_AMIS_PATH", path)
}

func (b *bench) startTemporal(ctx context.Context) error {
	path, err := startertest.Program("temporal")
	if err != nil {
		return err
	}
	b.temporal, err = testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: path, LogLevel: "error", Stdout: io.Discard, Stderr: io.Discard,
		ClientOptions: &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))},
		// The dev server lets timers and retries be up to a second late.
		ExtraArgs: []string{"--dynamic-config-value", `history.timerProcessorMaxTimeShift="1ms"`},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	b.address, b.client = b.temporal.FrontendHostPort(), b.temporal.Client()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err = starter.RegisterSearchAttributes(ctx, b.client, client.DefaultNamespace)
	return err
}

// answerForInstances listens on every address of the loopback: instances have
// addresses in 127.0.0.0/8.
func (b *bench) answerForInstances(ctx context.Context) (err error) {
	if b.instances, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", "0.0.0.0:0"); err != nil {
		return err
	}
	b.port = b.instances.Addr().(*net.TCPAddr).Port
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})}
	go func() { _ = server.Serve(b.instances) }()
	return nil
}

func (b *bench) stop() {
	if b.instances != nil {
		_ = b.instances.Close()
	}
	for _, m := range b.moto {
		m.Stop()
	}
	if b.temporal != nil {
		b.client.Close()
		_ = b.temporal.Stop()
	}
	if b.dir != "" && os.Getenv("SWITCHYARD_KEEP") == "" {
		_ = os.RemoveAll(b.dir)
	}
}

func repoRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
