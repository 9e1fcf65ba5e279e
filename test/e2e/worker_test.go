package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/starter"
	"github.com/switchyard/switchyard/worker"
)

// The settings of a worker that is this binary.
const (
	envWorker   = "SWITCHYARD_E2E_WORKER"   // its task queue
	envAddress  = "SWITCHYARD_E2E_TEMPORAL" // Temporal's address
	envDir      = "SWITCHYARD_E2E_DIR"      // the stack's directory
	envKill     = "SWITCHYARD_E2E_KILL"     // activity to die in
	envWhen     = "SWITCHYARD_E2E_WHEN"     // start, middle or end
	envWorkflow = "SWITCHYARD_E2E_WORKFLOW" // only in this workflow
	envMark     = "SWITCHYARD_E2E_MARK"     // file that says it has died once
	envHook     = "SWITCHYARD_E2E_HOOK"     // where notifications go
)

func runWorker() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	c, err := starter.Connect(ctx, starter.ConnectOptions{Address: os.Getenv(envAddress), Namespace: "default"})
	if err != nil {
		log.Error("connect", "error", err)
		return 1
	}
	defer c.Close()
	dir := os.Getenv(envDir)
	cloud := filepath.Join(dir, "cloud")
	platforms, err := wiring.Platforms(cloud, aws.New(aws.Options{}))
	if err != nil {
		log.Error("platforms", "error", err)
		return 1
	}
	w, err := worker.Build(c, worker.Options{
		TaskQueue: os.Getenv(envWorker), Platforms: platforms,
		Bakery: &wiring.Bakery{LocalCloud: cloud, StateDir: filepath.Join(dir, "worker"),
			PackerBin: filepath.Join(binDir(), "packer"), PluginDir: filepath.Join(dir, "plugins")},
		Logger: log, StopTimeout: 10 * time.Second, Interceptors: []interceptor.WorkerInterceptor{&killer{}},
	})
	if err == nil {
		err = w.Run(ctx)
	}
	if err != nil {
		log.Error("worker", "error", err)
		return 1
	}
	return 0
}

// killer ends its own process with SIGKILL, once, at a chosen moment of a chosen
// activity. At the end means: the work is done, and nobody knows.
type killer struct {
	interceptor.WorkerInterceptorBase
}

func (k *killer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &killerInbound{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type killerInbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (k *killerInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	if info.ActivityType.Name != os.Getenv(envKill) || info.WorkflowExecution.ID != os.Getenv(envWorkflow) {
		return k.Next.ExecuteActivity(ctx, in)
	}
	switch os.Getenv(envWhen) {
	case "start":
		die()
	case "middle":
		time.AfterFunc(150*time.Millisecond, die)
	}
	out, err := k.Next.ExecuteActivity(ctx, in)
	if os.Getenv(envWhen) == "end" {
		die()
	}
	return out, err
}

// die kills this process unless a process with the same mark has died before.
func die() {
	mark, err := os.OpenFile(os.Getenv(envMark), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_ = mark.Close()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // SIGKILL is on its way; nothing more may happen
}

// workers keeps one worker process running on a queue until the test ends.
type workers struct {
	t     *testing.T
	env   []string
	log   *os.File
	mu    sync.Mutex
	cmd   *exec.Cmd
	ended bool
	done  chan struct{}
	count int
}

func (s *stack) startWorker(t *testing.T, queue string, env ...string) *workers {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "worker-"+queue+".log"))
	require.NoError(t, err)
	w := &workers{t: t, log: log, done: make(chan struct{})}
	w.env = append(append(os.Environ(), env...),
		envWorker+"="+queue, envAddress+"="+s.dev.TemporalAddress, envDir+"="+s.dev.Dir)
	require.NoError(t, w.launch())
	go w.keep()
	t.Cleanup(w.stop)
	return w
}

func (w *workers) launch() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return fmt.Errorf("the test is over")
	}
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env, w.cmd.Stdout, w.cmd.Stderr = w.env, w.log, w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.count++
	return w.cmd.Start()
}

func (w *workers) keep() {
	defer close(w.done)
	for {
		_ = w.cmd.Wait() // how it died is the story's business
		if w.launch() != nil {
			return
		}
	}
}

func (w *workers) stop() {
	w.mu.Lock()
	w.ended = true
	_ = w.cmd.Process.Kill()
	w.mu.Unlock()
	<-w.done
	if w.t.Failed() {
		if out, err := os.ReadFile(w.log.Name()); err == nil {
			w.t.Logf("worker's log:\n%s", out)
		}
	}
	_ = w.log.Close()
}

// away calls during while there is no worker.
func (w *workers) away(during func()) {
	w.mu.Lock() // keeps the next one from being launched
	defer w.mu.Unlock()
	_ = w.cmd.Process.Kill()
	during()
}

// starts says how many processes there were.
func (w *workers) starts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
