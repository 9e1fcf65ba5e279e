package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func good() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary: "look", StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour,
		HeartbeatTimeout: 10 * time.Second, RetryPolicy: &temporal.RetryPolicy{},
	}
}

func TestOffences(t *testing.T) {
	assert.Empty(t, offences(good()))
	quick := good()
	quick.StartToCloseTimeout, quick.HeartbeatTimeout = 10*time.Second, 0
	assert.Empty(t, offences(quick), "what takes seconds needs no heartbeat")

	for what, spoil := range map[string]func(*workflow.ActivityOptions){
		"ScheduleToCloseTimeout is not set": func(o *workflow.ActivityOptions) { o.ScheduleToCloseTimeout = 0 },
		"StartToCloseTimeout is not set":    func(o *workflow.ActivityOptions) { o.StartToCloseTimeout = 0 },
		"no room for a second attempt":      func(o *workflow.ActivityOptions) { o.ScheduleToCloseTimeout = o.StartToCloseTimeout },
		"HeartbeatTimeout is not set":       func(o *workflow.ActivityOptions) { o.HeartbeatTimeout = 0 },
		"RetryPolicy is not set":            func(o *workflow.ActivityOptions) { o.RetryPolicy = nil },
		"Summary is not set":                func(o *workflow.ActivityOptions) { o.Summary = "" },
	} {
		o := good()
		spoil(&o)
		bad := offences(o)
		require.Len(t, bad, 1, what)
		assert.Contains(t, bad[0], what)
	}
}

func TestAnActivityWithBadOptionsNeverRuns(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(sdk.Options{Interceptors: []interceptor.WorkerInterceptor{&policy{}}})
	ran := false
	env.RegisterActivityWithOptions(func(context.Context) error { ran = true; return nil }, activity.RegisterOptions{Name: "Act"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		o := good()
		o.ScheduleToCloseTimeout, o.Summary = 0, ""
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), "Act").Get(ctx, nil)
	})
	var app *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &app)
	assert.Equal(t, BadOptions, app.Type())
	assert.Contains(t, app.Error(), "patience has no end")
	assert.Contains(t, app.Error(), "Summary is not set", "all offences at once")
	assert.False(t, ran)

	env = suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(sdk.Options{Interceptors: []interceptor.WorkerInterceptor{&policy{}}})
	env.RegisterActivityWithOptions(func(context.Context) error { ran = true; return nil }, activity.RegisterOptions{Name: "Act"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, good()), "Act").Get(ctx, nil)
	})
	require.NoError(t, env.GetWorkflowError())
	assert.True(t, ran)
}
