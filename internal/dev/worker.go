package dev

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/switchyard/switchyard/starter"
)

const (
	workerUp    = 60 * time.Second
	workerGrace = 15 * time.Second
	// A worker that dies at once is started again after a pause that grows to this.
	maxRestartPause = 5 * time.Second
)

// supervisor keeps one worker process running.
type supervisor struct {
	stack *Stack
	mu    sync.Mutex
	now   *child
	quit  chan struct{}
	done  chan struct{}
	once  sync.Once
}

func (s *Stack) startWorker(ctx context.Context) error {
	w := &supervisor{stack: s, quit: make(chan struct{}), done: make(chan struct{})}
	s.worker = w // before the launch, so that the new process is written down at once
	c, err := w.launch()
	if c == nil {
		return err
	}
	go w.keep(c)
	if err != nil {
		return err
	}
	return s.AwaitWorker(ctx)
}

func (w *supervisor) launch() (*child, error) {
	s := w.stack
	argv := append([]string{s.executable, "worker", "--dir", s.Dir, "--local-cloud", s.CloudDir, "--task-queue", s.TaskQueue, "--stop-timeout", "10s"}, s.o.WorkerArgs...)
	env := append(s.env(), "TEMPORAL_ADDRESS="+s.TemporalAddress, "TEMPORAL_NAMESPACE="+s.Namespace)
	c, err := launch("worker", argv, append(env, s.o.WorkerEnv...), s.log("worker"))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.now = c
	w.mu.Unlock()
	return c, s.save() // a worker that could not be written down is a worker all the same
}

func (w *supervisor) current() *child {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// keep starts the worker again whenever it is gone, until told to quit.
func (w *supervisor) keep(c *child) {
	defer close(w.done)
	pause := time.Duration(0)
	for {
		began := time.Now()
		select {
		case <-w.quit:
			return
		case <-c.done:
		}
		if time.Since(began) > 10*time.Second {
			pause = 0
		}
		if w.asked(pause) {
			return
		}
		pause = min(maxRestartPause, max(100*time.Millisecond, 2*pause))
		w.stack.o.Log.Info("worker is gone, starting another", "pid", c.PID, "how", fmt.Sprint(c.err))
		next, err := w.launch()
		if err != nil {
			w.stack.o.Log.Error("worker could not be started", "error", err)
		}
		if next != nil { // else c is done still, so this tries again after the pause
			c = next
		}
	}
}

// asked waits for the pause and says whether to quit.
func (w *supervisor) asked(pause time.Duration) bool {
	select {
	case <-w.quit:
		return true
	case <-time.After(pause):
		return false
	}
}

// stop ends the worker for good.
func (w *supervisor) stop() error {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return w.current().end(workerGrace)
}

// WorkerPID is the process id of the worker that runs now.
func (s *Stack) WorkerPID() int { return s.worker.current().PID }

// KillWorker kills the worker with SIGKILL, as a crash would. Another one is
// started by itself; AwaitWorker waits for it.
func (s *Stack) KillWorker() error { return s.worker.current().signal(syscall.SIGKILL, false) }

// RestartWorker ends the worker the orderly way and waits until another one works.
func (s *Stack) RestartWorker(ctx context.Context) error {
	old := s.worker.current()
	if err := old.end(workerGrace); err != nil {
		return err
	}
	return s.AwaitWorker(ctx)
}

// AwaitWorker waits, at most a minute, until the worker that runs now asks Temporal
// for work on the main queue.
func (s *Stack) AwaitWorker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerUp)
	defer cancel()
	c, err := s.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		w := s.worker.current()
		resp, err := c.DescribeTaskQueue(ctx, s.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && w.Alive() {
			for _, p := range resp.GetPollers() {
				if strings.Contains(p.GetIdentity(), starter.IdentityOf(w.PID)) {
					return nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start the worker: it does not ask for work on task queue %s; its log %s says:\n%s", s.TaskQueue, s.log("worker"), endsWith(s.log("worker"), 10))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
