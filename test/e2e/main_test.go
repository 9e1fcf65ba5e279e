// Package e2e tells whole stories against a real Temporal server, real Packer, real
// processes behind a real proxy, and real load. Workers that a story needs to die
// at a certain moment are this test binary, run again as a worker.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/internal/dev"
)

func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		os.Exit(runWorker())
	}
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("6") // the stories wait more than they work
	}
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the stack:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// shared is the one stack of all stories; each has a target and a task queue of its own.
var shared stack

type stack struct {
	once   sync.Once
	dir    string
	dev    *dev.Stack
	client client.Client
	err    error
}

// use returns the stack, starting it for the first story.
func use(t *testing.T) *stack {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start() })
	if shared.err != nil {
		t.Fatalf("start the stack (make build tools makes what it needs): %v", shared.err)
	}
	return &shared
}

func (s *stack) start() (err error) {
	// Not t.TempDir: paths of sockets below it would get too long, and it would end
	// with the first story.
	if s.dir, err = os.MkdirTemp("", "sy-e2e-"); err != nil {
		return err
	}
	bin := binDir()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s.dev, err = dev.Start(context.Background(), dev.Options{
		Dir: filepath.Join(s.dir, "stack"), BinDir: bin, Executable: filepath.Join(bin, "switchyard"), Log: log,
	})
	if err != nil {
		return err
	}
	s.client, err = s.dev.Client(context.Background())
	return err
}

func (s *stack) stop() error {
	if s.dev == nil {
		return nil
	}
	if s.client != nil {
		s.client.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.dev.Stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(s.dir)
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
