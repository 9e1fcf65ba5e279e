// Package dev runs all of Switchyard on one machine: the Temporal dev server with
// its UI, the local cloud and a worker in a process of its own. Stack is used by
// the dev and demo commands and by tests. It ends everything it started, and cleans
// up after a predecessor that was killed.
package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

// Options say how to run a stack.
type Options struct {
	Dir          string // everything the stack keeps; empty: .switchyard
	TemporalPort int    // 0: 7233 when free, else any
	UIPort       int    // 0: 8233 when free, else any
	Headless     bool   // without Temporal's UI
	Persist      bool   // keep Temporal's histories in Dir; else they end with the stack
	Fresh        bool   // forget what an earlier stack in Dir made: its fleets, images and logs
	TaskQueue    string // empty: release.TaskQueue
	BinDir       string // where temporal, caddy and packer are looked for first
	Executable   string // the switchyard program; empty: this one
	WorkerArgs   []string
	WorkerEnv    []string
	Log          *slog.Logger // what the stack does; nil: nowhere
}

// Stack is a running stack. Its fields do not change while it runs.
type Stack struct {
	Dir             string // absolute
	TemporalAddress string
	UIURL           string // empty when headless
	Namespace       string
	TaskQueue       string
	CloudDir        string // directory of the local cloud, which finds its endpoint
	CloudEndpoint   string // its URL
	Cloud           *local.Client

	o                                 Options
	executable, temporalBin, caddyBin string
	plugins                           string
	lock                              *os.File
	ports                             []*os.File // reservations
	temporal                          *child
	worker                            *supervisor
	saving                            sync.Mutex
	stopOnce                          sync.Once
	stopErr                           error
}

// Start starts a stack and returns when everything in it works. What an earlier
// stack in the same directory left behind is ended first. When it fails it leaves
// nothing running. ErrRunning when a stack runs there.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := s.cleanUpPredecessor(ctx); err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	if err := s.forget(); err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	if err := s.startAll(ctx); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, s.Stop(end))
	}
	return s, nil
}

func prepare(o Options) (*Stack, error) {
	if o.Dir == "" {
		o.Dir = ".switchyard"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stack{o: o, Namespace: client.DefaultNamespace, TaskQueue: o.TaskQueue, executable: o.Executable}
	if s.TaskQueue == "" {
		s.TaskQueue = release.TaskQueue
	}
	var err error
	if s.executable == "" {
		if s.executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the switchyard program: %w", err)
		}
	}
	if s.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find the directory %s: %w", o.Dir, err)
	}
	if s.temporalBin, err = FindProgram("temporal", o.BinDir); err != nil {
		return nil, err
	}
	if s.caddyBin, err = FindProgram("caddy", o.BinDir); err != nil {
		return nil, err
	}
	s.CloudDir, s.plugins = filepath.Join(s.Dir, "cloud"), filepath.Join(s.Dir, "plugins")
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the stack: %w", err)
	}
	s.lock, err = lock(s.Dir)
	return s, err
}

// cleanUpPredecessor ends what a stack that was killed could not end. A recorded
// process is touched only if it is that very process still.
func (s *Stack) cleanUpPredecessor(ctx context.Context) error {
	old, _, err := ReadState(s.Dir)
	if err != nil {
		s.o.Log.Warn("the last stack's state is not readable; going on without it", "error", err)
	}
	for _, p := range old.Processes {
		if p.Alive() {
			s.o.Log.Info("ending what the last stack left", "process", p.Name, "pid", p.PID)
		}
		if err := p.end(3 * time.Second); err != nil {
			return fmt.Errorf("clean up after the last stack: %w", err)
		}
	}
	if err := s.endCloud(ctx); err != nil {
		return fmt.Errorf("clean up after the last stack: %w", err)
	}
	return nil
}

// endCloud ends the local cloud of the directory with every instance and proxy:
// asked, if it answers, then whatever it did not end.
func (s *Stack) endCloud(ctx context.Context) error {
	if _, err := os.Stat(s.CloudDir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	c, err := local.Open(s.CloudDir)
	if err != nil {
		return err
	}
	if status, err := c.Status(ctx); err == nil {
		daemon := Process{Name: "local cloud", PID: status.PID}
		daemon.Ticks, _ = startTicks(status.PID)
		if err := c.Shutdown(ctx, true); err != nil {
			s.o.Log.Warn("the local cloud did not end by itself", "error", err)
		}
		if !daemon.gone(10 * time.Second) {
			if err := daemon.end(time.Second); err != nil {
				return err
			}
		}
	}
	killed, err := cloud.CleanUp(s.CloudDir)
	if errors.Is(err, cloud.ErrLocked) && endHungDaemon(s.CloudDir) {
		killed, err = cloud.CleanUp(s.CloudDir)
	}
	for _, k := range killed {
		s.o.Log.Info("ended what the local cloud left", "what", k)
	}
	return err
}

// forget removes what an earlier stack kept, all but the lock, which is held.
func (s *Stack) forget() error {
	if !s.o.Fresh {
		return nil
	}
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return fmt.Errorf("make the stack's directory fresh: %w", err)
	}
	for _, e := range entries {
		if path := filepath.Join(s.Dir, e.Name()); path != s.lock.Name() {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("make the stack's directory fresh: %w", err)
			}
		}
	}
	return nil
}

func (s *Stack) startAll(ctx context.Context) error {
	if err := s.save(); err != nil {
		return err
	}
	if err := wiring.InstallPlugins(s.plugins, func(program string) (string, error) { return FindProgram(program, s.o.BinDir) }); err != nil {
		return err
	}
	if err := s.startTemporal(ctx); err != nil {
		return err
	}
	if err := s.startCloud(ctx); err != nil {
		return err
	}
	return s.startWorker(ctx)
}

func (s *Stack) startCloud(ctx context.Context) error {
	c, err := local.EnsureRunning(ctx, s.CloudDir, []string{s.executable, "local-cloud", "--local-cloud", s.CloudDir, "--caddy", s.caddyBin})
	if err != nil {
		return err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	s.Cloud, s.CloudEndpoint = c, status.URL
	return nil
}

// endHungDaemon ends a daemon that holds its directory and does not answer. It says
// whether it found one: the pid in the endpoint's file could be somebody else's, so
// the program has to be the local cloud.
func endHungDaemon(dir string) bool {
	e, err := cloud.ReadEndpoint(dir)
	if err != nil {
		return false
	}
	p := Process{Name: "local cloud", PID: e.PID}
	p.Ticks, _ = startTicks(e.PID)
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", e.PID))
	return err == nil && strings.Contains(string(argv), "\x00local-cloud\x00") && p.end(2*time.Second) == nil
}

// Done is closed when the Temporal server of the stack is gone, which nothing survives.
func (s *Stack) Done() <-chan struct{} { return s.temporal.done }

// Stop ends everything the stack started: the worker, every instance, proxy and the
// local cloud, and Temporal. It goes on when a part of it fails and returns all
// errors. Called again it returns the same.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Stack) stop(ctx context.Context) error {
	var errs []error
	if s.worker != nil && s.worker.current() != nil {
		errs = append(errs, s.worker.stop())
	}
	errs = append(errs, s.endCloud(ctx))
	if s.temporal != nil {
		errs = append(errs, s.temporal.end(10*time.Second))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = os.Remove(filepath.Join(s.Dir, stateFile))
	}
	for _, p := range s.ports {
		_ = p.Close()
	}
	_ = s.lock.Close()
	return err
}

// save writes down what runs. Both the supervisor and the start do so.
func (s *Stack) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	st := State{Owner: self("switchyard"), TemporalAddress: s.TemporalAddress, UIURL: s.UIURL, Namespace: s.Namespace, TaskQueue: s.TaskQueue, CloudDir: s.CloudDir}
	if s.temporal != nil {
		st.Processes = append(st.Processes, s.temporal.Process)
	}
	if s.worker != nil {
		if c := s.worker.current(); c != nil {
			st.Processes = append(st.Processes, c.Process)
		}
	}
	return writeState(s.Dir, st)
}

func (s *Stack) log(name string) string { return filepath.Join(s.Dir, name+".log") }

// env is the environment of the stack's processes: ours without Temporal's client
// settings, which may point at a real cluster, and with our programs first on PATH.
func (s *Stack) env() []string {
	var out []string
	path := os.Getenv("PATH")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TEMPORAL_") && !strings.HasPrefix(v, "PATH=") {
			out = append(out, v)
		}
	}
	dirs := append(binDirs(s.o.BinDir), path)
	return append(out, "PATH="+strings.Join(dirs, string(os.PathListSeparator)), "SWITCHYARD_PLUGIN_DIR="+s.plugins)
}
