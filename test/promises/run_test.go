package promises

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/workflows"
)

const (
	// longest is how long the model lets a release run: longer than any deadline, dead man
	// and last try together.
	longest = 100 * 24 * time.Hour
	// drained is how long activities of a run that is over get to notice it.
	drained = 3 * time.Hour
	// secret is the value of the one secret of all specs. It must not be seen anywhere.
	secret     = "hunter2-never-in-a-history"
	secretName = "SWITCHYARD_PROMISES_SECRET"
)

// play runs the release of a schedule to its end, over all of its runs, and judges it.
func play(s schedule) *cloud {
	c := newCloud(s)
	in := release.ReleaseInput{Request: c.request}
	start := begin
	for {
		again, err := c.run(in, start)
		if err != nil {
			c.breaks(0, "%v", err)
			return c
		}
		if again == nil {
			break
		}
		in, start = *again, c.ending.at
	}
	c.over()
	return c
}

// run runs the workflow until it ends or is continued as new, in an environment of its own.
func (c *cloud) run(in release.ReleaseInput, start time.Time) (again *release.ReleaseInput, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("the run broke off: %v", broken)
		}
	}()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(start)
	env.SetWorkflowRunTimeout(longest)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute, Interceptors: []interceptor.WorkerInterceptor{&watcher{c: c}}})
	env.SetDataConverter(&seeing{DataConverter: converter.GetDefaultDataConverter(), c: c})
	env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, err error) { c.delivered(info.ActivityID, err) })
	env.RegisterWorkflowWithOptions(c.release, workflow.RegisterOptions{Name: release.WorkflowRelease})
	c.mu.Lock()
	c.env, c.now, c.calls, c.ending = env, env.Now, map[string]*call{}, ending{}
	for e, due := range c.armed {
		env.RegisterDelayedCallback(func() { c.do(e) }, max(due.Sub(start), time.Millisecond))
	}
	c.mu.Unlock()
	c.register(env)
	env.ExecuteWorkflow(release.WorkflowRelease, in)
	if !c.ending.over {
		return nil, fmt.Errorf("the release did not end: %w", env.GetWorkflowError())
	}
	var continued *workflow.ContinueAsNewError
	if !errors.As(c.ending.err, &continued) {
		return nil, nil
	}
	again = &release.ReleaseInput{}
	return again, converter.GetDefaultDataConverter().FromPayloads(continued.Input, again)
}

// release is the workflow with a rest after it, in which activities that nobody waits for
// any more end, too.
func (c *cloud) release(ctx workflow.Context, in release.ReleaseInput) (release.Summary, error) {
	sum, err := workflows.Release(ctx, in)
	c.mu.Lock()
	c.ending = ending{over: true, at: workflow.Now(ctx), err: err, state: c.state()}
	c.mu.Unlock()
	safe, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if err := workflow.Sleep(safe, drained); err != nil {
		return sum, err
	}
	return sum, err
}

// over judges the end.
func (c *cloud) over() {
	s := &c.ending.state
	now := c.ending.at
	c.now = func() time.Time { return now }
	for _, p := range promises {
		if p.over != nil {
			c.judge(p, p.over(c, s))
		}
		for _, r := range c.sorted() {
			if p.ended != nil {
				c.judge(p, p.ended(c, s, r))
			}
		}
	}
	failed, cancelled := s.Phase == release.PhaseFailed, s.WayOut != nil && s.WayOut.Leave == release.LeaveCancel
	switch err := c.ending.err; {
	case failed && (err == nil || temporal.IsCanceledError(err)):
		c.breaks(0, "a failed release closes with %v", err)
	case !failed && !cancelled && err != nil:
		c.breaks(0, "a release that ended %s closes with %v", s.Phase, err)
	}
}

// The hooks below are called by the workflow and by the model.

func (c *cloud) moves(r *region, want release.Weights) {
	for _, p := range promises {
		if p.moved != nil {
			c.judge(p, p.moved(c, r, want))
		}
	}
}

func (c *cloud) taken(r *region, f *fleet, how string) {
	for _, p := range promises {
		if p.taken != nil {
			c.judge(p, p.taken(c, r, f, how))
		}
	}
}

func (c *cloud) shrunk(r *region, f *fleet) {
	if f.desired == 0 {
		c.taken(r, f, "Shrink")
	}
	for _, p := range promises {
		if p.shrunk != nil {
			c.judge(p, p.shrunk(c, r, f))
		}
	}
}

func (c *cloud) looked(r *region) {
	for _, p := range promises {
		if p.looked != nil {
			c.judge(p, p.looked(c, &c.seen, r))
		}
	}
}

// asks is called when the workflow asks for an activity, with the state it has then.
func (c *cloud) asks(name string, in any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.over {
		return
	}
	c.glance()
	for _, p := range promises {
		if p.asked != nil {
			c.judge(p, p.asked(c, &c.seen, asked{name, in}))
		}
	}
}

// glance keeps what the acts are judged by of the workflow's state.
func (c *cloud) glance() {
	c.seen = c.state()
	if w := c.seen.WayOut; w != nil {
		c.wayOut = w.At
	}
}

func (c *cloud) enters() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.over {
		return
	}
	c.glance()
	s := &c.seen
	c.note("--- %s", s.Phase)
	if n := len(s.Entries); !c.entered.Equal(s.Entries[n-1].Start) || c.entry[s.Phase] == 0 { // else the run was continued as new
		c.entry[s.Phase]++
		c.entered = s.Entries[n-1].Start
		c.happen(moment{Phase: s.Phase, Call: c.entry[s.Phase]}, 0)
		for _, p := range promises {
			if p.entered != nil {
				c.judge(p, p.entered(c, s))
			}
		}
	}
}

// watcher sees what the workflow asks for.
type watcher struct {
	interceptor.WorkerInterceptorBase
	c *cloud
}

func (w *watcher) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &inbound{c: w.c}
	in.Next = next
	return in
}

type inbound struct {
	interceptor.WorkflowInboundInterceptorBase
	c *cloud
}

func (i *inbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &outbound{c: i.c}
	out.Next = next
	return i.Next.Init(out)
}

type outbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	c *cloud
}

func (o *outbound) SetQueryHandlerWithOptions(ctx workflow.Context, name string, handler any, options workflow.QueryHandlerOptions) error {
	if state, ok := handler.(func() (release.State, error)); ok {
		o.c.mu.Lock()
		o.c.state = func() release.State {
			s, err := state()
			if err != nil {
				panic(err)
			}
			return s
		}
		o.c.mu.Unlock()
	}
	return o.Next.SetQueryHandlerWithOptions(ctx, name, handler, options)
}

func (o *outbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.c.asks(name, args[0])
	return o.Next.ExecuteActivity(ctx, name, args...)
}

func (o *outbound) UpsertTypedSearchAttributes(ctx workflow.Context, attributes ...temporal.SearchAttributeUpdate) error {
	o.c.enters()
	return o.Next.UpsertTypedSearchAttributes(ctx, attributes...)
}

// seeing looks for the secret in everything that would go into a history.
type seeing struct {
	converter.DataConverter
	c *cloud
}

func (d *seeing) ToPayload(value any) (*commonpb.Payload, error) {
	p, err := d.DataConverter.ToPayload(value)
	d.see(p)
	return p, err
}

func (d *seeing) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	all, err := d.DataConverter.ToPayloads(values...)
	for _, p := range all.GetPayloads() {
		d.see(p)
	}
	return all, err
}

func (d *seeing) see(p *commonpb.Payload) {
	if bytes.Contains(p.GetData(), []byte(secret)) {
		d.c.leaked.Store(true)
	}
}
