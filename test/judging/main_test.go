//go:build judging

// Package judging tells stories of releases that are judged: good and bad versions by
// every strategy, on the local platform and on AWS as the lab plays it, under load,
// with a real Temporal server, a real worker, a real Prometheus and a real PostgreSQL.
package judging

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("6") // the stories wait more than they work
	}
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the stack:", err)
		code = max(code, 1)
	}
	fmt.Printf("judging: %d stories, %d passed\n", told.Load(), passed.Load())
	os.Exit(code)
}

// told and passed count the stories.
var told, passed atomic.Int64

// shared is the one stack of all stories; each has a target of its own.
var shared stack

type stack struct {
	once   sync.Once
	err    error
	dir    string
	dev    *dev.Stack
	client client.Client
	lab    *awslab.Lab
	aws    platform.Opener
}

// use returns the stack, starting it for the first story.
func use(t *testing.T) *stack {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start(context.Background()) })
	if shared.err != nil {
		t.Fatalf("start the stack (make build run-tools moto makes what it needs): %v", shared.err)
	}
	return &shared
}

func (s *stack) start(ctx context.Context) (err error) {
	// Not t.TempDir: paths of sockets below it would get too long, and it would end
	// with the first story.
	if s.dir, err = os.MkdirTemp("", "sy-judging-"); err != nil {
		return err
	}
	if err = s.startLab(ctx); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.dev, err = dev.Start(ctx, dev.Options{
		Dir: filepath.Join(s.dir, "stack"), BinDir: binDir(), Executable: filepath.Join(binDir(), "switchyard"), Headless: true, Log: log,
		WorkerEnv:  s.lab.Env(),
		WorkerArgs: []string{"--aws-poll", "250ms", "--aws-spacing", "100ms", "--aws-count-period", "1s", "--aws-count-delay", "1s"},
	})
	if err != nil {
		return err
	}
	s.client, err = s.dev.Client(ctx)
	return err
}

// startLab starts the AWS account of all stories that play there.
func (s *stack) startLab(ctx context.Context) (err error) {
	caddy, err := dev.FindProgram("caddy", binDir())
	if err != nil {
		return err
	}
	s.lab, err = awslab.Start(ctx, awslab.Options{
		Dir: filepath.Join(s.dir, "lab"), CaddyBin: caddy, Regions: []string{awsRegion},
		App: []string{filepath.Join(repoRoot(), "examples", "checkout", "packer", "app", "bin", "checkout")},
	})
	if err != nil {
		return err
	}
	for _, v := range s.lab.Env() { // for the test's own look at the account
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	s.aws = aws.New(aws.Options{Poll: 100 * time.Millisecond, Spacing: 50 * time.Millisecond, CountPeriod: time.Second, CountDelay: time.Second}).Open
	return nil
}

func (s *stack) stop() error {
	var errs []error
	if s.client != nil {
		s.client.Close()
	}
	if s.dev != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs = append(errs, s.dev.Stop(ctx))
	}
	if s.lab != nil {
		errs = append(errs, s.lab.Stop())
	}
	err := errors.Join(errs...)
	if err == nil && s.dir != "" && os.Getenv("SWITCHYARD_KEEP") == "" {
		err = os.RemoveAll(s.dir)
	}
	return err
}

func binDir() string {
	if dir := os.Getenv("SWITCHYARD_BIN"); dir != "" {
		return dir
	}
	return filepath.Join(repoRoot(), "bin")
}

func repoRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
