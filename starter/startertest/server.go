// Package startertest starts a Temporal dev server for tests.
package startertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/starter"
)

// Program finds a program for tests: in $SWITCHYARD_BIN, in the repository's bin/,
// then on PATH.
func Program(name string) (string, error) {
	for _, dir := range []string{os.Getenv("SWITCHYARD_BIN"), repositoryBin()} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); dir != "" && err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("this test needs the program %s: run `make tools build`, or put it on PATH", name)
	}
	return path, nil
}

func repositoryBin() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return ""
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "bin")
}

// Server is a running dev server, in memory, on a free port of the loopback, that
// has Switchyard's search attributes.
type Server struct {
	Client  client.Client
	Address string
	server  *testsuite.DevServer
}

// Start starts a server; the caller stops it.
func Start(ctx context.Context) (*Server, error) {
	path, err := Program("temporal")
	if err != nil {
		return nil, err
	}
	s, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: path, LogLevel: "error", Stdout: io.Discard, Stderr: io.Discard,
		ClientOptions: &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := starter.RegisterSearchAttributes(ctx, s.Client(), client.DefaultNamespace); err != nil {
		_ = s.Stop()
		return nil, err
	}
	return &Server{Client: s.Client(), Address: s.FrontendHostPort(), server: s}, nil
}

// Stop ends the server.
func (s *Server) Stop() error {
	s.Client.Close()
	return s.server.Stop()
}
