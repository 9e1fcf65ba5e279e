package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// rollBack brings traffic back to the previous fleets, in all regions at once: going
// back is urgent, and a region that is stuck holds up no other. Then it removes or
// keeps the candidates.
func (r *releaseRun) rollBack(ctx workflow.Context) release.Phase {
	r.state.Paused, r.state.Blocked = nil, "" // a pause of the way forward holds nothing that has to end
	var stuck []string
	all := workflow.NewWaitGroup(ctx)
	for i := range r.state.Regions {
		region := &r.state.Regions[i]
		if !region.Switched {
			continue
		}
		all.Add(1)
		workflow.GoNamed(ctx, region.Name, func(ctx workflow.Context) {
			defer all.Done()
			if err := r.rollBackRegion(ctx, region); err != nil {
				region.Back.Stage = release.BackStuck
				stuck = append(stuck, region.Name)
			}
			r.show(ctx)
		})
	}
	all.Wait(ctx)
	clean := len(stuck) == 0
	if clean && r.state.Request.Spec.Retention.Candidate == spec.Keep {
		for _, fleet := range r.state.Ledger.Open(release.KindFleet) {
			r.ledger(ctx, release.KindFleet, fleet.Region, fleet.Name, release.LedgerKept, "kept for inspection, without traffic")
		}
	} else {
		r.removeCandidates(ctx, stuck)
	}
	r.releaseHolds(ctx)
	end := r.state.EndPhase(clean)
	r.report(ctx, string(end))
	return end
}

// rollBackRegion is tried with growing intervals and a call for help; it ends in an
// error only when there is nothing to go back to or nobody came for a day.
func (r *releaseRun) rollBackRegion(ctx workflow.Context, region *release.RegionState) error {
	if region.Previous == "" {
		r.callForHelp(ctx, fmt.Sprintf("%s: there is no previous fleet to go back to; %s keeps the traffic. Release a good version", region.Name, region.Candidate))
		return fmt.Errorf("%s has no previous fleet", region.Name)
	}
	pause := firstRetry
	for try := 1; ; try++ {
		err := r.goBack(ctx, region)
		if err == nil {
			return nil
		}
		before := region.Weights
		if takeShares(region, err) && try < lastTry {
			if !region.Weights.Equal(before) { // somebody moved traffic between our two fleets
				r.state.Warn(fmt.Sprintf("%s: the shares were changed by somebody else: %s. The way back goes on from there", region.Name, region.Weights))
			}
			continue
		}
		region.Back = release.Back{Stage: release.BackWaiting, Tries: try, Next: workflow.Now(ctx).Add(pause), Why: explain(err)}
		if try == 1 || try == lastTry {
			r.callForHelp(ctx, fmt.Sprintf("%s: traffic is not back on %s yet: %s", region.Name, region.Previous, region.Back.Why))
		}
		if try == lastTry {
			return err
		}
		r.waitFor(ctx, fmt.Sprintf("%s: try %d to move traffic back to %s, in %s: %s", region.Name, try+1, region.Previous, pause, region.Back.Why))
		timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "try the rollback again"})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
		pause = min(2*pause, longestRetry)
	}
}

// takeShares takes over the shares that a refused shift found, where that is safe: they
// are between the region's two fleets, or what was there before a shift that was cut off.
func takeShares(region *release.RegionState, err error) bool {
	var app *temporal.ApplicationError
	var seen release.Weights
	found := errors.As(err, &app) && app.Type() == activities.ErrOutOfBand && app.HasDetails() && app.Details(&seen) == nil
	cutOff := found && region.Moving && seen.Equal(region.Weights)
	if found {
		region.Moving = false
	}
	if !found || !cutOff && !region.TakeShares(seen) {
		return false
	}
	region.Share = seen.Of(region.Candidate)
	return true
}

// goBack is one try: the previous fleet into the route and up to today's load, then
// the shares back to it, each read back.
func (r *releaseRun) goBack(ctx workflow.Context, region *release.RegionState) error {
	if err := r.restore(ctx, region); err != nil {
		return err
	}
	for _, step := range r.state.Request.Spec.Rollback.Steps {
		if step.Weight >= r.candidateShare(region) {
			continue
		}
		if err := r.shiftBack(ctx, region, step.Weight); err != nil {
			return err
		}
		region.Back.Stage = release.BackHeld
		r.show(ctx)
		timer := workflow.NewTimerWithOptions(ctx, step.Hold.Std(), workflow.TimerOptions{Summary: "hold the share on the way back"})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
	}
	if err := r.shiftBack(ctx, region, 0); err != nil {
		return err
	}
	region.Switched = false
	region.Back = release.Back{Stage: release.BackDone, Tries: region.Back.Tries}
	r.waitFor(ctx, "")
	return nil
}

// candidateShare is the most that the candidate may have: what was read last, or what a
// shift was to set that was cut off. Somebody else may have made it less than the release
// did, and a step on the way back never gives it more.
func (r *releaseRun) candidateShare(region *release.RegionState) int {
	if !region.Moving {
		return region.Weights.Of(region.Candidate)
	}
	return max(region.Share, region.Weights.Of(region.Candidate))
}

// restore makes the previous fleet fit to take the traffic. Capacity that can't be had
// in time is a warning: what there is is better than a candidate that is bad.
func (r *releaseRun) restore(ctx workflow.Context, region *release.RegionState) error {
	region.Back.Stage = release.BackCapacity
	r.show(ctx)
	region.Restarts = region.Restarts || region.Stopped || r.shrinks()
	if region.Stopped {
		in := activities.AttachInput{Place: r.place(region.Name), Fleet: region.Previous}
		summary := fmt.Sprintf("%s: put %s back into the route", region.Name, region.Previous)
		if err := workflow.ExecuteActivity(forWayBack(ctx, summary), activities.Attach, in).Get(ctx, nil); err != nil {
			return err
		}
		region.Stopped = false
	}
	within := r.state.Request.Spec.Rollback.Within
	if region.Restarts { // nothing, or little, runs of it: instances have to start before they can be looked at
		within = max(within, r.state.Request.Spec.Fleet.ReadyWithin)
	}
	r.ledger(ctx, release.KindHold, region.Name, region.Previous, release.LedgerPlanned, "")
	in := activities.CapacityInput{
		Place: r.place(region.Name), Fleet: region.Previous, Carrying: region.Candidate, Least: max(region.Capacity, region.Need), Within: within,
	}
	if scale := region.Scale(); !r.shrinks() && scale < 100 { // it carried the load with fewer instances
		in.Least, in.Share = region.Carried, scale
	}
	if n := lastShifted(region); n >= 0 {
		in.CarryingHas, in.CarryingMade = region.Share, r.steps(region)[min(n, len(r.steps(region))-1)].Capacity
	}
	var parity release.Parity
	summary := fmt.Sprintf("%s: can %s take today's load?", region.Name, region.Previous)
	if err := workflow.ExecuteActivity(forRegrow(ctx, summary, within.Std()), activities.Capacity, in).Get(ctx, &parity); err != nil {
		var seen release.Parity
		known := capacityOf(err, &seen)
		if known && seen.InService == 0 || !known && region.Restarts {
			return err // no fleet is worse than a bad one: it is tried again
		}
		r.state.Warn(fmt.Sprintf("%s: traffic goes back to %s although it is not at today's load: %s", region.Name, region.Previous, explain(err)))
	}
	return nil
}

// capacityOf reads what was measured last of a fleet that did not get big enough.
func capacityOf(err error, parity *release.Parity) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.Type() == activities.ErrCapacity && app.HasDetails() && app.Details(parity) == nil
}

// shiftBack brings the candidate's share down. A person may pause the way back between
// two moves; nobody who forgets it holds it up for longer than the dead man's time.
func (r *releaseRun) shiftBack(ctx workflow.Context, region *release.RegionState, share int) error {
	if r.state.Paused != nil {
		region.Back.Stage = release.BackHeld
		r.waitFor(ctx, fmt.Sprintf("resume: the way back was paused by %s", r.state.Paused.By))
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: r.state.Request.Spec.DeadMan.After.Std(), TimerOptions: workflow.TimerOptions{Summary: "nobody resumes the way back"},
		}, func() bool { return r.state.Paused == nil })
		if err != nil {
			return err
		}
		r.state.Paused = nil
		r.waitFor(ctx, "")
	}
	region.Back.Stage = release.BackShift
	r.show(ctx)
	in := activities.ShiftInput{
		Place: r.place(region.Name), Expected: region.Weights,
		Want: release.Weights{{Fleet: region.Previous, Percent: 100 - share}, {Fleet: region.Candidate, Percent: share}},
	}
	if region.Moving { // it was cut off: the shares are what it was to set, or still what was there before, which the next try finds
		in.Expected = release.Weights{{Fleet: region.Candidate, Percent: region.Share}, {Fleet: region.Previous, Percent: 100 - region.Share}}
	}
	summary := fmt.Sprintf("%s: all traffic back to %s", region.Name, region.Previous)
	if share > 0 {
		summary = fmt.Sprintf("%s: all but %d %% of the traffic back to %s", region.Name, share, region.Previous)
	}
	var shift activities.Shift
	if err := workflow.ExecuteActivity(forWayBack(ctx, summary), activities.ShiftTraffic, in).Get(ctx, &shift); err != nil {
		return err
	}
	region.Weights, region.Share, region.Moving = shift.Weights, share, false
	region.BackMS = since(r.state.WayOut.At, shift.At)
	r.state.Evidence(fmt.Sprintf("%s: %s, %d ms after the decision", region.Name, shift.Weights, region.BackMS))
	return nil
}
