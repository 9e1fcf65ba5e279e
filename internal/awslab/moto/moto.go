// Package moto runs the AWS emulator of the tests and of the AWS lab: moto in server
// mode, a child process on the loopback, with what it lacks of AWS added by the launcher
// that is embedded here. docs/aws-testing.md lists every addition.
package moto

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed launcher/*.py
var launcher embed.FS

// Options say how to start moto. The zero value works inside the repository after `make moto`.
type Options struct {
	Python string    // the interpreter that has moto; "" finds it as FindPython does
	Dir    string    // where launcher and log are written; "" is a temporary directory, removed by Stop
	Log    io.Writer // gets what moto prints; nil keeps it in the log in Dir
}

// Server is a running moto.
type Server struct {
	URL string // http://127.0.0.1:PORT, the endpoint of every AWS service

	child *child
	log   string
	temp  string
	once  sync.Once
}

// readyWithin is how long a start may take: it imports much Python, slowly on a busy machine.
const readyWithin = 2 * time.Minute

// Start starts moto and returns when it answers. It ends with Stop, with the process that
// started it, or, before it answers, with the context.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	python := o.Python
	if python == "" {
		if python, err = FindPython(); err != nil {
			return nil, err
		}
	}
	s := &Server{}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "switchyard-moto-"); err != nil {
			return nil, fmt.Errorf("start moto: make its directory: %w", err)
		}
		s.temp = o.Dir
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	script, err := write(o.Dir)
	if err != nil {
		return nil, err
	}
	s.log = filepath.Join(o.Dir, "moto.log")
	// The port is free when it is looked up and may be taken when moto binds it: then another one.
	for range 3 {
		if err = s.run(ctx, python, script, o); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) run(ctx context.Context, python, script string, o Options) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	if s.child, err = start([]string{python, script, strconv.Itoa(port)}, s.log, o.Log); err != nil {
		return err
	}
	s.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	return s.ready(ctx)
}

// ready waits until moto answers.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-s.child.done:
			return fmt.Errorf("start moto: it ended before it answered: %w; the end of %s:\n%s", s.child.err, s.log, tail(s.log, 15))
		case <-ctx.Done():
			s.child.end()
			return fmt.Errorf("start moto: no answer from %s: %w; the end of %s:\n%s", s.URL, ctx.Err(), s.log, tail(s.log, 15))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/moto-api/data.json", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// Stop ends moto and forgets all it held. Stopping twice is fine.
func (s *Server) Stop() {
	s.once.Do(func() {
		if s.child != nil {
			s.child.end()
		}
		if s.temp != "" {
			_ = os.RemoveAll(s.temp)
		}
	})
}

// FindPython is the Python that has moto: SWITCHYARD_MOTO_PYTHON, or .venv/bin/python in the
// working directory, the program's directory, or one above either of them.
func FindPython() (string, error) {
	if p := os.Getenv("SWITCHYARD_MOTO_PYTHON"); p != "" {
		return p, nil
	}
	var from []string
	if dir, err := os.Getwd(); err == nil {
		from = append(from, dir)
	}
	if exe, err := os.Executable(); err == nil {
		from = append(from, filepath.Dir(exe))
	}
	for _, dir := range from {
		for {
			p := filepath.Join(dir, ".venv", "bin", "python")
			if _, err := os.Stat(filepath.Join(dir, ".venv", ".moto.stamp")); err == nil {
				return p, nil
			}
			up := filepath.Dir(dir)
			if up == dir {
				break
			}
			dir = up
		}
	}
	return "", fmt.Errorf("find moto, the AWS emulator: no finished .venv in or above %s: run `make moto` in the repository, or name a Python that has moto in SWITCHYARD_MOTO_PYTHON",
		strings.Join(from, " and "))
}

// write writes the launcher and returns the path of its main file.
func write(dir string) (string, error) {
	files, err := launcher.ReadDir("launcher")
	if err != nil {
		return "", fmt.Errorf("read the embedded launcher: %w", err)
	}
	to := filepath.Join(dir, "launcher")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", fmt.Errorf("start moto: make the launcher's directory: %w", err)
	}
	for _, f := range files {
		b, err := launcher.ReadFile("launcher/" + f.Name())
		if err != nil {
			return "", fmt.Errorf("read the embedded launcher: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o644); err != nil {
			return "", fmt.Errorf("start moto: write the launcher: %w", err)
		}
	}
	return filepath.Join(to, "launcher.py"), nil
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("start moto: find a free port on 127.0.0.1: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil || !ok {
		return 0, fmt.Errorf("start moto: free the port %s again: %w", l.Addr(), errors.Join(err, syscall.EADDRNOTAVAIL))
	}
	return addr.Port, nil
}
