package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// holderCheck is how often an environment with a queue makes sure that its holder
// still runs: one that was terminated by hand never reports.
const holderCheck = time.Minute

// environmentRun is the actor of one target: the durable lock, the queue, and what
// is live and previous. It never ends; it continues as new.
type environmentRun struct {
	state   release.Environment
	mutex   workflow.Mutex
	changes int            // counts what may let the target be handed over
	turn    workflow.Mutex // of telling the holder
	telling int            // signals to the holder that are on their way
	orders  []freezeOrder
}

// Environment is the workflow of one target, started by the first request for it. It
// does not end when it is cancelled: that would give a held target away and forget
// what is live. One that nobody needs any more can be terminated.
func Environment(ctx workflow.Context, in release.EnvironmentInput) error {
	e := &environmentRun{state: in.State, mutex: workflow.NewMutex(ctx), turn: workflow.NewMutex(ctx)}
	if err := e.setup(ctx); err != nil {
		return err
	}
	safe, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	return e.run(safe)
}

func (e *environmentRun) setup(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, release.QueryEnvironment,
		func() (release.Environment, error) { return e.state, nil },
		workflow.QueryHandlerOptions{Description: "Who holds the target, who waits, what is live and previous in each region."})
	if err != nil {
		return err
	}
	if err := e.handleFreezes(ctx); err != nil {
		return err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, release.UpdateAdmit, e.admit,
		workflow.UpdateHandlerOptions{Description: "Asks for the target. Sent by releases, not by people."})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, release.UpdateReport, e.report,
		workflow.UpdateHandlerOptions{Description: "Says what is live now, and gives the target back. Sent by releases, not by people."})
}

func (e *environmentRun) admit(ctx workflow.Context, req release.AdmitRequest) (release.Admission, error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if err := e.mutex.Lock(ctx); err != nil {
		return release.Admission{}, err
	}
	defer e.mutex.Unlock()
	if h := e.state.Holder; h != nil && h.ID != req.Holder.ID {
		e.forgetVanished(ctx)
	}
	answer := e.state.Admit(req.Holder, req.Policy, workflow.Now(ctx))
	e.changed(ctx)
	return answer, nil
}

func (e *environmentRun) report(ctx workflow.Context, req release.ReportRequest) error {
	e.state.Report(req, workflow.Now(ctx))
	e.changed(ctx)
	return nil
}

// changed shows the new state and wakes the run.
func (e *environmentRun) changed(ctx workflow.Context) {
	e.changes++
	e.show(ctx)
}

// run hands the target over whenever somebody may have it, and continues as new when
// the server asks for it and no handler is at work.
func (e *environmentRun) run(ctx workflow.Context) error {
	for {
		e.handOver(ctx)
		e.show(ctx)
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return e.continueAsNew(ctx)
		}
		known := e.changes
		woken := func() bool {
			return e.changes != known || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
		}
		if len(e.state.Queue) == 0 {
			if err := workflow.Await(ctx, woken); err != nil {
				return err
			}
			continue
		}
		wait, why := holderCheck, "make sure the holder still runs"
		if thaws := e.state.Thaws(workflow.Now(ctx)); !thaws.IsZero() {
			wait, why = max(time.Second, thaws.Sub(workflow.Now(ctx))), "end of the freeze that releases wait for"
		}
		changed, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: wait, TimerOptions: workflow.TimerOptions{Summary: why},
		}, woken)
		if err != nil {
			return err
		}
		if !changed {
			e.check(ctx)
		}
	}
}

func (e *environmentRun) check(ctx workflow.Context) {
	if err := e.mutex.Lock(ctx); err != nil {
		return
	}
	defer e.mutex.Unlock()
	e.forgetVanished(ctx)
}

// forgetVanished takes the target back from a holder that certainly runs no more.
// A read that fails proves nothing, so the holder keeps it.
func (e *environmentRun) forgetVanished(ctx workflow.Context) {
	h := e.state.Holder
	if h == nil {
		return
	}
	id := h.ID
	var runs bool
	in := activities.HolderInput{WorkflowID: h.WorkflowID, RunID: h.RunID}
	err := workflow.ExecuteActivity(forHolderCheck(ctx, id), activities.HolderRuns, in).Get(ctx, &runs)
	if err == nil && !runs {
		workflow.GetLogger(ctx).Warn("the holder of the target is gone without a report; the target is free", "release", id)
		e.state.Forget(id, workflow.Now(ctx))
	}
}

func forHolderCheck(ctx workflow.Context, id string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "does release " + id + " still run?",
		StartToCloseTimeout:    20 * time.Second,
		ScheduleToCloseTimeout: time.Minute,
		HeartbeatTimeout:       beat,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}

// handOver gives the free target to the next in the queue. One that can't be told
// is gone; the next one gets it.
func (e *environmentRun) handOver(ctx workflow.Context) {
	for {
		h := e.state.Next(workflow.Now(ctx))
		if h == nil {
			return
		}
		id, workflowID := h.ID, h.WorkflowID
		if err := workflow.SignalExternalWorkflow(ctx, workflowID, "", release.SignalAdmitted, id).Get(ctx, nil); err == nil {
			return
		}
		e.state.Forget(id, workflow.Now(ctx))
	}
}

func (e *environmentRun) continueAsNew(ctx workflow.Context) error {
	for {
		e.drainFreezes(ctx)
		if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && e.telling == 0 }); err != nil {
			return err
		}
		if !e.drainFreezes(ctx) {
			break
		}
	}
	e.state.Runs++
	next := release.EnvironmentInput{State: e.state}
	options := workflow.ContinueAsNewErrorOptions{}
	if workflow.GetInfo(ctx).GetTargetWorkerDeploymentVersionChanged() {
		options.InitialVersioningBehavior = workflow.ContinueAsNewVersioningBehaviorAutoUpgrade
	}
	return workflow.NewContinueAsNewErrorWithOptions(ctx, options, release.WorkflowEnvironment, next)
}
