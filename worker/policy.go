package worker

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// policy refuses activities whose options would let them wait for ever, be tried
// once, or die unnoticed. That is a bug in a workflow, found the first time it runs.
type policy struct {
	interceptor.WorkerInterceptorBase
}

// maxLocal is the longest a local activity may take: it holds a workflow task.
const maxLocal = 10 * time.Second

// silent is how long an activity may run without a heartbeat: a dead worker is
// noticed no later than that.
const silent = 30 * time.Second

// BadOptions is the type of the error an activity with such options fails with.
const BadOptions = "BadActivityOptions"

func (p *policy) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	if workflow.GetInfo(ctx).WorkflowType.Name == release.WorkflowRunActivity {
		return next // runs what a user wrote; its bounds are the check's
	}
	return &policyInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}}
}

type policyInbound struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (p *policyInbound) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return p.Next.Init(&policyOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: out}})
}

type policyOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (p *policyOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if bad := offences(workflow.GetActivityOptions(ctx)); len(bad) > 0 {
		return refuse(ctx, "activity "+name, bad)
	}
	return p.Next.ExecuteActivity(ctx, name, args...)
}

func (p *policyOutbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o := workflow.GetLocalActivityOptions(ctx)
	if o.ScheduleToCloseTimeout <= 0 || o.ScheduleToCloseTimeout > maxLocal {
		return refuse(ctx, "local activity "+name, []string{fmt.Sprintf("ScheduleToCloseTimeout is %s, it has to be above 0 and at most %s", o.ScheduleToCloseTimeout, maxLocal)})
	}
	return p.Next.ExecuteLocalActivity(ctx, name, args...)
}

// offences lists what is wrong with the options, in a fixed order.
func offences(o workflow.ActivityOptions) []string {
	var bad []string
	add := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if o.StartToCloseTimeout <= 0 {
		add("StartToCloseTimeout is not set: one attempt could take for ever")
	}
	if o.ScheduleToCloseTimeout <= 0 {
		add("ScheduleToCloseTimeout is not set: patience has no end")
	}
	if o.ScheduleToCloseTimeout > 0 && o.ScheduleToCloseTimeout < 2*o.StartToCloseTimeout {
		add("ScheduleToCloseTimeout %s leaves no room for a second attempt of %s", o.ScheduleToCloseTimeout, o.StartToCloseTimeout)
	}
	if o.StartToCloseTimeout > silent && o.HeartbeatTimeout <= 0 {
		add("HeartbeatTimeout is not set: a dead worker is noticed only after %s", o.StartToCloseTimeout)
	}
	if o.RetryPolicy == nil {
		add("RetryPolicy is not set: the server's default is nobody's decision")
	}
	if o.Summary == "" {
		add("Summary is not set: the timeline says nothing about it")
	}
	return bad
}

func refuse(ctx workflow.Context, what string, bad []string) workflow.Future {
	f, set := workflow.NewFuture(ctx)
	set.SetError(temporal.NewNonRetryableApplicationError("start "+what+": "+strings.Join(bad, "; "), BadOptions, nil))
	return f
}
