package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

const cancelled = "cancelled from Temporal"

// releaseRun is one run of a release. All of its memory is state; the other fields
// are rebuilt by setup.
type releaseRun struct {
	state    release.State
	admitted bool // the environment has handed the target over
	epoch    int  // counts orders that change what the watch has to do
	thaws    int  // counts changes of the target's freezes

	root workflow.Context // of the whole run; cancelled by who cancels the workflow

	forward       workflow.Context // the forward path; cancelled when the release leaves it
	cancelForward workflow.CancelFunc
	notices       workflow.WaitGroup
}

// Release is the workflow of one release, from the request to the end. It closes
// completed for every end it was built for (see Summary.Outcome), failed when a
// person has to act, and cancelled when it was cancelled and cleaned up after that.
func Release(ctx workflow.Context, in release.ReleaseInput) (release.Summary, error) {
	r := &releaseRun{}
	if err := in.Request.Check(); err != nil {
		return release.Summary{}, temporal.NewNonRetryableApplicationError(err.Error(), activities.ErrInvalidRequest, nil)
	}
	if in.State != nil {
		r.state = *in.State
	} else {
		r.state = release.NewState(in.Request, workflow.Now(ctx))
	}
	if err := r.setup(ctx); err != nil {
		return release.Summary{}, err
	}
	return r.run(ctx)
}

func (r *releaseRun) setup(ctx workflow.Context) error {
	r.root = ctx
	r.forward, r.cancelForward = workflow.WithCancel(ctx)
	r.notices = workflow.NewWaitGroup(ctx)
	err := workflow.SetQueryHandlerWithOptions(ctx, release.QueryState,
		func() (release.State, error) { return r.state, nil },
		workflow.QueryHandlerOptions{Description: "Everything the release knows: phases, regions, weights, gates, ledger, evidence."})
	if err != nil {
		return err
	}
	if err := r.handleOrders(ctx); err != nil {
		return err
	}
	r.handleFreezes(ctx)
	workflow.GoNamed(ctx, "cancellation", func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		r.leave(ctx, release.LeaveCancel, "", cancelled)
	})
	workflow.GoNamed(r.forward, "deadline", r.keepDeadline)
	workflow.GoNamed(r.forward, "dead man", r.keepAttended)
	return nil
}

// keepDeadline bounds the whole release: patience that ends by leaving, never by
// a workflow time-out, which would kill without clean-up.
func (r *releaseRun) keepDeadline(ctx workflow.Context) {
	deadline := r.state.Request.Spec.Deadline.Std()
	left := r.state.RequestedAt.Add(deadline).Sub(workflow.Now(ctx))
	timer := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "deadline of the whole release"})
	switch {
	case timer.Get(ctx, nil) != nil:
	case r.state.Phase == release.PhaseWindow || r.state.Phase == release.PhaseStop:
		// It has come well through its soak and only waits; that is no reason to undo it.
		// A person is needed, and the dead man ends it when nobody comes.
		r.state.Overdue = fmt.Sprintf("the deadline of %s has passed and the decommission still waits for %s", r.state.Request.Spec.Deadline, r.state.WaitingFor)
		r.callForHelp(ctx, r.state.Overdue)
	default:
		r.leave(ctx, release.LeaveDeadline, "", fmt.Sprintf("the release took longer than its deadline of %s", r.state.Request.Spec.Deadline))
	}
}

// leave chooses the way out, if none was chosen and there still is one, and stops
// what the forward path is doing.
func (r *releaseRun) leave(ctx workflow.Context, l release.Leave, by, reason string) {
	if r.state.LeaveBy(l, by, reason, workflow.Now(ctx)) {
		r.cancelForward()
		r.show(ctx)
	}
}

func (r *releaseRun) run(ctx workflow.Context) (release.Summary, error) {
	// From here on cancellation is a way out like any other, taken by leave; what
	// the workflow itself does must go on after it.
	safe, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	r.entered(safe)
	for !r.state.Phase.Ended() {
		next, err := r.step(safe)
		if err != nil {
			return release.Summary{}, err
		}
		if err := r.state.Enter(next, workflow.Now(ctx)); err != nil {
			return release.Summary{}, temporal.NewNonRetryableApplicationError(err.Error(), "IllegalTransition", nil)
		}
		r.entered(safe)
	}
	r.cancelForward()
	r.notifyEnd(safe)
	r.notices.Wait(safe)
	return r.result(ctx)
}

func (r *releaseRun) result(ctx workflow.Context) (release.Summary, error) {
	sum := r.state.Summarise()
	switch {
	case r.state.Phase == release.PhaseFailed: // first: a cancellation must not hide that a person has to act
		return sum, temporal.NewApplicationErrorWithOptions(
			fmt.Sprintf("release %s of %s %s failed: %s", sum.ID, sum.Target, sum.Version, sum.Reason),
			"ReleaseFailed", temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{sum}})
	case r.state.WayOut != nil && r.state.WayOut.Leave == release.LeaveCancel && ctx.Err() != nil:
		return sum, temporal.NewCanceledError(sum) // with the end it came to, for who waits without a worker
	}
	return sum, nil
}

// step does the work of the present phase and says which phase follows. An error
// ends the run: only continue-as-new is one.
func (r *releaseRun) step(ctx workflow.Context) (release.Phase, error) {
	switch r.state.Phase {
	case release.PhaseCleanUp:
		return r.cleanUp(ctx), nil
	case release.PhaseRollback:
		return r.rollBack(ctx), nil
	case release.PhaseDecommission:
		return r.decommission(ctx), nil
	case release.PhaseContract:
		return r.contract(ctx), nil
	}
	if r.state.Kept && !r.state.Leaving() { // continued as new just when the dead man ended it
		return release.PhaseDecommission, nil
	}
	next, err := r.forwardUnlessLeaving(r.forward)
	if err == nil {
		err = r.watchWhilePaused(r.forward)
	}
	if errors.Is(err, errContinue) { // only now, when all that was at work has stopped, is the state whole
		return "", r.continueAsNew(ctx)
	}
	if r.state.Kept && !r.state.Leaving() && r.root.Err() == nil && (err == nil || temporal.IsCanceledError(err)) {
		return release.PhaseDecommission, nil // the dead man let it go on without what it waited for
	}
	if temporal.IsCanceledError(err) {
		// Only leave, or the cancellation of the whole workflow, cancels the forward path.
		r.state.LeaveBy(release.LeaveCancel, "", cancelled, workflow.Now(ctx))
	} else if err != nil {
		r.state.LeaveBy(release.LeaveFail, "", explain(err), workflow.Now(ctx))
	}
	if !r.state.Leaving() {
		return next, nil
	}
	r.cancelForward()
	r.state.Entries[len(r.state.Entries)-1].Outcome = r.state.WayOut.Reason
	next = r.state.LeavePhase()
	if next.Ended() { // it never held the target, or gives it back now
		r.report(ctx, string(next))
	}
	return next, nil
}

// forwardUnlessLeaving does no step when the way out was chosen before it began: by
// an order that arrived while the run was continued as new.
func (r *releaseRun) forwardUnlessLeaving(ctx workflow.Context) (release.Phase, error) {
	if r.state.Leaving() {
		return "", nil
	}
	earlier := r.state.SwitchedBefore(r.state.Wave)
	if len(earlier) == 0 || r.state.Phase == release.PhaseSoak || r.state.Phase == release.PhaseWindow || r.state.Phase == release.PhaseStop {
		return r.forwardStep(ctx) // nothing serves yet, or the step watches all regions itself
	}
	var next release.Phase
	err := r.watchDuring(ctx, earlier, "watch while a later wave is released", func(ctx workflow.Context) (err error) {
		next, err = r.forwardStep(ctx)
		return err
	})
	return next, err
}

func (r *releaseRun) forwardStep(ctx workflow.Context) (release.Phase, error) {
	switch r.state.Phase {
	case release.PhaseRequested:
		return r.request(ctx)
	case release.PhaseAdmitted:
		return r.plan(ctx)
	case release.PhaseBake:
		return r.bake(ctx)
	case release.PhaseExpand:
		return r.expand(ctx)
	case release.PhaseProvision:
		return r.provision(ctx)
	case release.PhaseVerify:
		return r.verify(ctx)
	case release.PhaseGate:
		return release.PhaseSwitch, r.awaitGates(ctx, release.BeforeSwitch)
	case release.PhaseSwitch:
		return r.switchOver(ctx)
	case release.PhaseWatch:
		return r.watch(ctx)
	case release.PhaseSoak:
		return r.soak(ctx)
	case release.PhaseWindow:
		return r.window(ctx)
	case release.PhaseStop:
		return r.stop(ctx)
	}
	return "", temporal.NewNonRetryableApplicationError(fmt.Sprintf("phase %q has no step", r.state.Phase), "UnknownPhase", nil)
}

// awaitResume holds a paused release between two phases. The deadline bounds it.
func (r *releaseRun) awaitResume(ctx workflow.Context) error {
	if r.state.Paused == nil || r.state.Leaving() { // a pause holds nothing that has to end
		return nil
	}
	r.waitFor(ctx, fmt.Sprintf("resume: paused by %s before the next phase", r.state.Paused.By))
	defer r.waitFor(ctx, "")
	return workflow.Await(ctx, func() bool { return r.state.Paused == nil || r.state.Leaving() })
}

func (r *releaseRun) waitFor(ctx workflow.Context, what string) {
	r.state.WaitingFor = what
	r.show(ctx)
}

// inRegions works on regions at once. The first failure stops the others and is
// the answer; a sibling's cancellation never hides it.
func (r *releaseRun) inRegions(ctx workflow.Context, regions []int, work func(workflow.Context, *release.RegionState) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	group := workflow.NewWaitGroup(ctx)
	var failure, stopped error
	for _, i := range regions {
		region := &r.state.Regions[i]
		group.Add(1)
		workflow.GoNamed(ctx, region.Name, func(ctx workflow.Context) {
			defer group.Done()
			switch err := work(ctx, region); {
			case err == nil:
			case temporal.IsCanceledError(err):
				stopped = err
			case failure == nil:
				failure = err
				cancel()
			}
			r.show(ctx)
		})
	}
	group.Wait(ctx)
	if failure != nil {
		return failure
	}
	return stopped
}

func (r *releaseRun) allRegions() []int {
	out := make([]int, len(r.state.Regions))
	for i := range out {
		out[i] = i
	}
	return out
}

func (r *releaseRun) place(region string) activities.Place {
	return activities.Place{
		Platform: r.state.Request.Spec.Platform, Region: region,
		Target: r.state.Request.Target(), Release: r.state.Request.ID,
		Settings: r.state.Request.Spec.Settings(),
	}
}

// explain is an error as a person reads it in the state: the cause, not the wrapping.
func explain(err error) string {
	var app *temporal.ApplicationError
	var late *temporal.TimeoutError
	var act *temporal.ActivityError
	what := ""
	if errors.As(err, &act) {
		what = act.ActivityType().GetName() + ": "
	}
	switch {
	case errors.As(err, &app):
		return what + app.Message()
	case errors.As(err, &late):
		return fmt.Sprintf("%sno worker finished it in time (%s); are workers running, and do they reach the platform?", what, late.TimeoutType())
	}
	return err.Error()
}

// errorType is the application error type of a failed activity, "" when it has none.
func errorType(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type()
	}
	return ""
}

func since(start, end time.Time) int64 { return end.Sub(start).Milliseconds() }
