package workflows

import (
	"math"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// beat is the heartbeat time-out of every activity: a worker that died is noticed
// after this long, whatever the activity was doing. The worker beats for all of them.
const beat = 10 * time.Second

// slack is what a step may take beyond the time its spec gives it: one dead worker
// and the retry after it.
const slack = 5 * time.Minute

// forRequest is for calls that answer in seconds. Half an hour of patience outlives
// a throttled API or a worker deployment; after that a person is better than a retry.
func forRequest(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: 30 * time.Minute,
		HeartbeatTimeout:       beat,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
}

// forWaiting is for heartbeating activities that wait for the world, at most within.
// The activity gives up by itself after that; the time-outs here are the net below.
func forWaiting(ctx workflow.Context, summary string, within time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    within + slack,
		ScheduleToCloseTimeout: 2*within + 2*slack,
		HeartbeatTimeout:       beat,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
}

// forBake is for Packer: few at a time, on a queue of their own. A bake that a dead
// worker took along is tried again; a template that fails is not.
func forBake(ctx workflow.Context, summary string, timeout time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              workflow.GetInfo(ctx).TaskQueueName + release.BakeQueueSuffix,
		Summary:                summary,
		StartToCloseTimeout:    timeout + slack,
		ScheduleToCloseTimeout: 3 * (timeout + slack),
		HeartbeatTimeout:       beat,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	})
}

// forWatch is for minute-scale polls: each look is one attempt, and NextRetryDelay
// makes the server keep the schedule, so that days of watching are one activity.
// A look that can't be taken is tried again soon and is no evidence of anything; so
// one in which every question waits for its own time-out, look, has to fit into an
// attempt, or a fleet that hangs would never be found bad. It only reads, so a
// rollback never waits for a look that hangs on a bad candidate.
func forWatch(ctx workflow.Context, summary string, lasts, look time.Duration) workflow.Context {
	attempt := look + slack
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    attempt,
		ScheduleToCloseTimeout: lasts + 2*attempt + 30*24*time.Hour,
		HeartbeatTimeout:       beat,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute,
			MaximumAttempts: math.MaxInt32, // said, because the SDK's test environment takes 0 for 10
		},
	})
}

// forWayBack is for the acts that bring traffic home. Patience with one try is short:
// the workflow tries again for a day, and calls for help after the first.
func forWayBack(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: 3 * time.Minute,
		HeartbeatTimeout:       beat,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 250 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}

// forTheirs is for an activity of the user's own. Its bounds are the check's, and whether
// it heartbeats is its author's business.
func forTheirs(ctx workflow.Context, in release.RunActivityInput) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              in.TaskQueue,
		Summary:                "check " + in.Asked.Check + " of the user's own",
		StartToCloseTimeout:    in.Timeout,
		ScheduleToCloseTimeout: in.Timeout,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
	})
}

// forRegrow is for measuring, and growing, the fleet that traffic goes back to. It is
// not worth more waiting than the spec says: traffic leaves a bad candidate in any case.
func forRegrow(ctx workflow.Context, summary string, within time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    within + beat,
		ScheduleToCloseTimeout: 2 * (within + beat),
		HeartbeatTimeout:       beat,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}
