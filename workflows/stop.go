package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// stop takes the previous fleets that go out of the route, stops them and holds them
// like that. All of it can be undone: a rollback puts them back and starts them again.
// The candidates are watched all the while.
func (r *releaseRun) stop(ctx workflow.Context) (release.Phase, error) {
	err := r.watchDuring(ctx, r.allRegions(), "stop the previous fleets", func(ctx workflow.Context) error {
		var going []int
		for i, region := range r.state.Regions {
			if release.TakesAway(region.Previous, region.Adopted, r.state.Request.Spec.Decommission) {
				going = append(going, i)
			}
		}
		if err := r.inRegions(ctx, going, r.stopPrevious); err != nil {
			return err
		}
		if r.state.StoppedAt.IsZero() {
			r.state.StoppedAt = workflow.Now(ctx)
		}
		if err := r.awaitStopped(ctx); err != nil {
			return err
		}
		return r.awaitLast(ctx)
	})
	if err != nil || r.state.Leaving() {
		return "", err
	}
	// The last look before the point of no return. What can't be told to be good keeps
	// the way back until it can, or is found bad.
	r.waitFor(ctx, "a last good look before the previous fleets are deleted")
	defer r.waitFor(ctx, "")
	now := workflow.Now(ctx)
	err = r.watchRegions(ctx, r.allRegions(), "the last look before the deletion", func() time.Time { return now })
	if err == nil && r.held(ctx) && !r.state.Leaving() { // meanwhile: all of it again
		return r.stop(ctx)
	}
	return release.PhaseDecommission, err
}

// stopPrevious proves that the fleet gets no request, takes it out of the route and
// stops its instances. One that can't be stopped is left for a person, and not deleted.
func (r *releaseRun) stopPrevious(ctx workflow.Context, region *release.RegionState) error {
	if region.Left {
		return nil
	}
	region.Stopped = true // before it is tried: the way back has to undo it
	s := r.state.Request.Spec
	within := max(*s.Traffic.Drain, region.Sticky) + s.Decommission.Quiet + proof
	in := activities.RetireInput{Place: r.place(region.Name), Fleet: region.Previous, Drain: *s.Traffic.Drain, Quiet: s.Decommission.Quiet, Within: within}
	summary := fmt.Sprintf("%s: drain %s and take it out of the route", region.Name, region.Previous)
	err := workflow.ExecuteActivity(forWaiting(ctx, summary, within.Std()), activities.Detach, in).Get(ctx, nil)
	if err == nil {
		shrink := activities.ShrinkInput{Place: r.place(region.Name), Fleet: region.Previous, Within: s.Fleet.ReadyWithin}
		err = workflow.ExecuteActivity(forWaiting(ctx, fmt.Sprintf("%s: stop %s", region.Name, region.Previous), shrink.Within.Std()), activities.Shrink, shrink).Get(ctx, nil)
	}
	switch {
	case err == nil:
		r.state.Evidence(fmt.Sprintf("%s: %s gets no request, is out of the route and stopped", region.Name, region.Previous))
		return nil
	case temporal.IsCanceledError(err):
		return err
	}
	region.Left = true
	r.callForHelp(ctx, fmt.Sprintf("%s: the previous fleet %s stays: %s. Remove it when it has no traffic", region.Name, region.Previous, explain(err)))
	return nil
}

// awaitLast waits until neither a pause, nor a freeze, nor doubt stands before the deletion.
func (r *releaseRun) awaitLast(ctx workflow.Context) error {
	for (r.held(ctx) || r.inDoubt()) && !r.state.Leaving() {
		if err := r.awaitGo(ctx); err != nil {
			return err
		}
		if err := r.awaitCertainty(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitStopped holds the stopped fleets for as long as the spec says.
func (r *releaseRun) awaitStopped(ctx workflow.Context) error {
	until := r.state.StoppedAt.Add(r.state.Request.Spec.Decommission.Stopped.Std())
	left := until.Sub(workflow.Now(ctx))
	if left <= 0 {
		return nil
	}
	r.waitFor(ctx, "the end of the time in which the stopped fleets can be started again, "+until.UTC().Format(time.RFC3339))
	defer r.waitFor(ctx, "")
	return workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "stopped fleets are held"}).Get(ctx, nil)
}
