package worker

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/starter/startertest"
)

var server *startertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		s, err := startertest.Start(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = s.Stop() }()
		server = s
		return m.Run()
	}())
}

// site is a task queue with one workflow that runs the activity "Act" once.
type site struct {
	ctx   context.Context
	queue string
	run   client.WorkflowRun
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return &site{ctx: ctx, queue: uuid.NewString()}
}

// hire starts a worker whose activity is act.
func (s *site) hire(t *testing.T, act func(context.Context) (string, error)) sdk.Worker {
	t.Helper()
	w := sdk.New(server.Client, s.queue, sdk.Options{
		DisableRegistrationAliasing: true, WorkerStopTimeout: 20 * time.Second, MaxHeartbeatThrottleInterval: beatEvery,
		Interceptors: []interceptor.WorkerInterceptor{&policy{}, &lifecycle{grace: 10 * time.Millisecond}},
	})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, heartbeat time.Duration) (string, error) {
		o := workflow.ActivityOptions{
			Summary: "act", StartToCloseTimeout: 40 * time.Second, ScheduleToCloseTimeout: 90 * time.Second, HeartbeatTimeout: heartbeat,
			WaitForCancellation: true, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond},
		}
		var out string
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), "Act").Get(ctx, &out)
		return out, err
	}, workflow.RegisterOptions{Name: "Once"})
	w.RegisterActivityWithOptions(act, activity.RegisterOptions{Name: "Act"})
	require.NoError(t, w.Start())
	return w
}

func (s *site) start(t *testing.T, heartbeat time.Duration) {
	t.Helper()
	var err error
	s.run, err = server.Client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{TaskQueue: s.queue, WorkflowExecutionTimeout: 2 * time.Minute}, "Once", heartbeat)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = server.Client.TerminateWorkflow(context.Background(), s.run.GetID(), "", "the test is over")
	})
}

func TestAStoppedWorkerHandsItsWorkOver(t *testing.T) {
	s := newSite(t)
	began := make(chan struct{})
	first := s.hire(t, func(ctx context.Context) (string, error) {
		activity.RecordHeartbeat(ctx, "half way")
		close(began)
		<-ctx.Done()
		return "", ctx.Err()
	})
	s.start(t, 20*time.Second)
	<-began
	first.Stop()

	second := s.hire(t, func(ctx context.Context) (string, error) {
		var where string
		if err := activity.GetHeartbeatDetails(ctx, &where); err != nil {
			return "", err
		}
		return fmt.Sprintf("attempt %d from %s", activity.GetInfo(ctx).Attempt, where), nil
	})
	t.Cleanup(second.Stop)
	var out string
	require.NoError(t, s.run.Get(s.ctx, &out), "a stop is no failure and no cancellation of the work")
	assert.Equal(t, "attempt 2 from half way", out)
}

func TestAQuietActivityIsBeatenForAndRemembers(t *testing.T) {
	s := newSite(t)
	ended := make(chan struct{})
	w := s.hire(t, func(ctx context.Context) (string, error) {
		switch activity.GetInfo(ctx).Attempt {
		case 1:
			activity.RecordHeartbeat(ctx, "the first attempt's")
			return "", fmt.Errorf("again")
		case 2: // says nothing for longer than its heartbeat timeout
			select {
			case <-ended:
			case <-ctx.Done():
				return "", temporal.NewNonRetryableApplicationError("timed out while it worked", "Test", nil)
			}
			return "", fmt.Errorf("again")
		}
		var memory string
		err := activity.GetHeartbeatDetails(ctx, &memory)
		return memory, err
	})
	t.Cleanup(w.Stop)
	s.start(t, 2*time.Second)
	require.Eventually(t, func() bool { // three heartbeats later than the start of the second attempt
		d, err := server.Client.DescribeWorkflowExecution(s.ctx, s.run.GetID(), "")
		if err != nil || len(d.GetPendingActivities()) == 0 {
			return false
		}
		a := d.GetPendingActivities()[0]
		return a.GetAttempt() == 2 && a.GetLastHeartbeatTime() != nil && a.GetLastStartedTime() != nil &&
			a.GetLastHeartbeatTime().AsTime().Sub(a.GetLastStartedTime().AsTime()) > 3*time.Second
	}, 30*time.Second, 50*time.Millisecond)
	close(ended)
	var out string
	require.NoError(t, s.run.Get(s.ctx, &out))
	assert.Equal(t, "the first attempt's", out)
}

func TestACancellationReachesAQuietActivity(t *testing.T) {
	s := newSite(t)
	began := make(chan struct{})
	w := s.hire(t, func(ctx context.Context) (string, error) {
		close(began)
		<-ctx.Done()
		return "", ctx.Err()
	})
	t.Cleanup(w.Stop)
	s.start(t, 30*time.Second)
	<-began
	require.NoError(t, server.Client.CancelWorkflow(s.ctx, s.run.GetID(), ""))
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, s.run.Get(s.ctx, nil), &cancelled)
}

func TestAPanicStopsTheBeating(t *testing.T) {
	s := newSite(t)
	w := s.hire(t, func(ctx context.Context) (string, error) {
		if activity.GetInfo(ctx).Attempt == 1 {
			panic("a bug")
		}
		return "well", nil
	})
	t.Cleanup(w.Stop)
	s.start(t, 20*time.Second)
	var out string
	require.NoError(t, s.run.Get(s.ctx, &out))
	assert.Equal(t, "well", out)
}
