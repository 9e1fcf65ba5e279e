package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// The search attributes a release carries. They are for people to search by and
// never drive a decision.
var (
	attributePhase  = temporal.NewSearchAttributeKeyKeyword(release.AttributePhase)
	attributeRegion = temporal.NewSearchAttributeKeyKeywordList(release.AttributeRegion)
)

// entered makes a phase visible.
func (r *releaseRun) entered(ctx workflow.Context) {
	updates := []temporal.SearchAttributeUpdate{attributePhase.ValueSet(string(r.state.Phase))}
	if r.state.Phase == release.PhaseBake {
		var names []string
		for _, region := range r.state.Regions {
			names = append(names, region.Name)
		}
		updates = append(updates, attributeRegion.ValueSet(names))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes were not updated; is the bootstrap done?", "error", err.Error())
	}
	r.show(ctx)
}

// show keeps the current details true.
func (r *releaseRun) show(ctx workflow.Context) {
	r.state.Attend(workflow.Now(ctx))
	workflow.SetCurrentDetails(ctx, releaseDetails(&r.state, workflow.Now(ctx)))
}

func (e *environmentRun) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, environmentDetails(&e.state))
}

func (r *releaseRun) ledger(ctx workflow.Context, kind, region, name, status, note string) {
	r.state.Ledger.Set(kind, region, name, status, note, workflow.Now(ctx))
}

// report tells the environment what is live; with an outcome it gives the target
// back. A report that can't be delivered is a warning: the environment finds out
// by itself that its holder has ended.
func (r *releaseRun) report(ctx workflow.Context, outcome string) {
	err := r.tell(ctx, outcome)
	if err != nil && !temporal.IsCanceledError(err) { // cancelled: the report of the way back follows
		r.state.Warn("the environment was not told: " + explain(err))
	}
}

func (r *releaseRun) tell(ctx workflow.Context, outcome string) error {
	in := activities.ReportInput{
		Target: r.state.Request.Target(), Release: r.state.Request.ID, Version: r.state.Request.Spec.Version, Outcome: outcome, Regions: r.state.Live(),
		Schema: r.state.SchemaToTell(),
	}
	summary := "tell the environment what is live"
	if outcome != "" {
		summary = "give the target back: " + outcome
	}
	return workflow.ExecuteActivity(forRequest(ctx, summary), activities.Report, in).Get(ctx, nil)
}

// reportBeside reports without an outcome and without keeping the watch waiting: an
// environment that can't be reached must not leave a new fleet unwatched.
func (r *releaseRun) reportBeside(ctx workflow.Context) {
	r.notices.Add(1)
	workflow.GoNamed(ctx, "report", func(ctx workflow.Context) {
		defer r.notices.Done()
		r.report(ctx, "")
	})
}

// notify tells people of an event beside the release, which never waits for it
// until its end. What can't be delivered is a warning.
func (r *releaseRun) notify(ctx workflow.Context, event, what string) {
	s := r.state.Request.Spec
	if len(s.Notifications) == 0 {
		return
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	in := activities.NotifyInput{
		Notifications: s.Notifications, Event: event,
		Title: fmt.Sprintf("%s %s: %s", r.state.Request.Target(), s.Version, event),
		Body:  fmt.Sprintf("release %s %s", r.state.Request.ID, what),
	}
	r.notices.Add(1)
	workflow.GoNamed(ctx, "notify "+event, func(ctx workflow.Context) {
		defer cancel()
		defer r.notices.Done()
		if err := workflow.ExecuteActivity(forNotice(ctx, event), activities.Notify, in).Get(ctx, nil); err != nil {
			r.state.Warn(fmt.Sprintf("nobody was told of %s: %s", event, explain(err)))
		}
	})
}

func forNotice(ctx workflow.Context, event string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "tell people: " + event,
		StartToCloseTimeout:    30 * time.Second,
		ScheduleToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:       beat,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	})
}

func (r *releaseRun) notifyEnd(ctx workflow.Context) {
	what := "ended: " + r.state.Outcome()
	if r.state.WayOut != nil {
		what += ": " + r.state.WayOut.Reason
	}
	r.notify(ctx, r.state.Outcome(), what)
}

// drainSignals takes the orders that have arrived and were not read yet, so that a
// continued run loses none.
func (r *releaseRun) drainSignals(ctx workflow.Context) {
	told := workflow.GetSignalChannel(ctx, release.SignalFreezes)
	for {
		var freezes []release.Freeze
		if !told.ReceiveAsync(&freezes) {
			break
		}
		r.state.Freezes = freezes
	}
	for _, help := range release.OrderKinds() {
		signals := workflow.GetSignalChannel(ctx, string(help.Kind))
		for {
			var body converter.RawValue
			if !signals.ReceiveAsync(&body) {
				break
			}
			r.takeSignal(ctx, help.Kind, body)
		}
	}
}
