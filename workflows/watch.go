package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// closeLooks is how many looks the watch after the switch takes at the least.
const closeLooks = 6

// watch is the short, close look at a wave straight after its switch.
func (r *releaseRun) watch(ctx workflow.Context) (release.Phase, error) {
	next := release.PhaseSoak
	if r.state.Wave < r.state.LastWave() {
		next = release.PhaseProvision
	}
	// The barrier between two waves is a good look, however short the watch is.
	if lasts := r.state.Request.Spec.Traffic.Watch.Std(); lasts > 0 || next == release.PhaseProvision {
		until := r.state.Entries[len(r.state.Entries)-1].Start.Add(lasts)
		r.waitFor(ctx, "the end of the watch after the switch, "+until.UTC().Format(time.RFC3339))
		defer r.waitFor(ctx, "")
		err := r.watchRegions(ctx, r.state.RegionsOf(r.state.Wave), "watch", func() time.Time { return until })
		if err != nil || r.state.Leaving() {
			return "", err
		}
	}
	if next == release.PhaseProvision {
		r.state.Wave++
	}
	return next, nil
}

// soak watches all regions until the soak's end, which orders may move. It ends
// well only by a look that was good at or after the end; doubt keeps it going.
func (r *releaseRun) soak(ctx workflow.Context) (release.Phase, error) {
	if r.state.Soak.Start.IsZero() {
		now := workflow.Now(ctx)
		r.state.Soak.Start, r.state.Soak.End = now, now.Add(r.state.Request.Spec.Soak.Duration.Std())
	}
	defer r.waitFor(ctx, "")
	for {
		err := r.watchRegions(ctx, r.allRegions(), "soak", func() time.Time {
			r.waitFor(ctx, "the end of the soak, "+r.state.Soak.End.UTC().Format(time.RFC3339))
			return r.state.Soak.End
		})
		if err != nil || r.state.Paused == nil || r.state.Leaving() {
			return release.PhaseWindow, err
		}
		// The soak may be extended during the pause, and its last look is old after it.
		if err := r.watchWhilePaused(ctx); err != nil {
			return "", err
		}
	}
}

// watchWhilePaused holds a paused release, with its candidates watched where they serve.
func (r *releaseRun) watchWhilePaused(ctx workflow.Context) error {
	for r.state.Paused != nil && !r.state.Leaving() {
		serving := r.state.SwitchedBefore(r.state.Wave + 1)
		if len(serving) == 0 {
			return r.awaitResume(ctx)
		}
		if err := r.watchDuring(ctx, serving, "paused", r.awaitResume); err != nil {
			return err
		}
	}
	return nil
}

// watchDuring watches regions for as long as wait waits. A breach ends the wait and
// is the answer.
func (r *releaseRun) watchDuring(ctx workflow.Context, regions []int, why string, wait func(workflow.Context) error) error {
	ctx, stop := workflow.WithCancel(ctx)
	defer stop()
	var watched error
	done := workflow.NewWaitGroup(ctx)
	done.Add(1)
	workflow.GoNamed(ctx, why, func(ctx workflow.Context) {
		defer done.Done()
		watched = r.watchRegions(ctx, regions, why, func() time.Time { return time.Time{} })
		stop()
	})
	waited := wait(ctx)
	stop()
	done.Wait(ctx)
	if watched != nil && !temporal.IsCanceledError(watched) {
		return watched
	}
	return waited
}

// watchRegions watches regions until the time that until says, anew whenever an
// order changes it. A zero time means until the context is cancelled.
func (r *releaseRun) watchRegions(ctx workflow.Context, regions []int, why string, until func() time.Time) error {
	for {
		epoch := r.epoch
		round, stop := workflow.WithCancel(ctx)
		workflow.GoNamed(round, "changed", func(ctx workflow.Context) {
			_ = workflow.Await(ctx, func() bool { return r.epoch != epoch })
			stop()
		})
		end := until()
		err := r.inRegions(round, regions, func(ctx workflow.Context, region *release.RegionState) error {
			return r.watchRegion(ctx, region, why, end)
		})
		stop()
		switch {
		case err != nil && !temporal.IsCanceledError(err): // first: a breach is one, whatever else happened meanwhile
			return err
		case ctx.Err() != nil || r.state.Leaving():
			return ctx.Err()
		case err == nil && r.epoch == epoch:
			return nil
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return errContinue
		}
	}
}

// errContinue ends what is at work, so that the run can be continued as new.
var errContinue = errors.New("the run is to be continued as new")

// watchInput is what the watch has to know of a region as it is now.
func (r *releaseRun) watchInput(region *release.RegionState) activities.WatchInput {
	s := r.state.Request.Spec
	in := activities.WatchInput{
		Place: r.place(region.Name), Fleet: region.Candidate, Previous: region.Previous, Least: region.Capacity,
		HealthPath: s.Fleet.HealthPath, Checks: s.Verification.Checks, Soak: s.Soak, Baseline: region.Baseline, Since: region.SwitchedAt,
		Version: s.Version, Stage: release.StageSoak, Renew: s.Soak.Readiness, Schema: r.state.Schema, From: r.state.From(region.Name),
	}
	in.TestListener, in.Before.Unknown = r.testListener(region.Name), region.Doubted
	if r.shrinks() {
		in.Keep = r.keeps(region)
	} else if region.Share == 100 {
		in.Scale = region.Scale()
	}
	if region.Stopped { // the way back starts it again: there is nothing to count
		in.Previous = ""
	}
	if n := lastShifted(region); region.Share < 100 && n >= 0 {
		step := r.steps(region)[n] // the one whose share the candidate has
		in.Stage, in.Least, in.Need = release.StageAnalysis, step.Capacity, region.Need
		if a := s.Traffic.Analysis; a != nil {
			in.Analysis, in.Soak.Interval = a, a.Interval
			if len(a.Checks) > 0 {
				in.Checks = a.Checks
			}
		}
		in.Soak.Interval = closer(in.Soak.Interval, spec.Duration(step.Hold))
		in.Doubtful = r.overridden(region)
		return in
	}
	if len(s.Soak.Checks) > 0 {
		in.Checks = s.Soak.Checks
	}
	if r.state.Phase == release.PhaseWatch {
		in.Soak.Interval = closer(in.Soak.Interval, *s.Traffic.Watch)
	}
	return in
}

// testListener is where checks reach the candidate of a region beside the route.
func (r *releaseRun) testListener(region string) string {
	for _, x := range r.state.Request.Spec.Regions {
		if x.Name == region {
			return x.TestListener
		}
	}
	return ""
}

// lastShifted is the last step whose share the candidate was given, -1 before the first.
func lastShifted(region *release.RegionState) int {
	for n := len(region.Steps) - 1; n >= 0; n-- {
		if !region.Steps[n].Shifted.IsZero() {
			return n
		}
	}
	return -1
}

// closer is the interval, or a shorter one that lets a short watch take several looks.
func closer(interval, lasts spec.Duration) spec.Duration {
	if lasts <= 0 {
		return interval
	}
	return min(interval, max(lasts/closeLooks, spec.Duration(100*time.Millisecond)))
}

// keeps is how many instances of the previous fleet the steps taken so far have left.
func (r *releaseRun) keeps(region *release.RegionState) int {
	if region.Step == 0 {
		return 0
	}
	steps := r.steps(region)
	return max(1, steps[min(region.Step, len(steps))-1].Live)
}

// watchRegion keeps one region watched until end, taking in what each watch ends with.
func (r *releaseRun) watchRegion(ctx workflow.Context, region *release.RegionState, why string, end time.Time) error {
	in := r.watchInput(region)
	if region.Doubt != "" { // told by a watch before this one: that it is over is news
		in.Before.Unknown = workflow.Now(ctx)
	}
	for {
		in.Known, in.Noticed, in.Weights, in.Until = region.Readiness, region.Noticed, region.Weights, end
		if !region.AsSet() { // under somebody else's shares no end is a good one
			in.Until = time.Time{}
		}
		lasts := max(0, in.Until.Sub(workflow.Now(ctx)))
		if in.Until.IsZero() {
			lasts = r.state.Request.Spec.Deadline.Std()
		}
		var seen activities.Watch
		summary := fmt.Sprintf("%s: %s, looking every %s", region.Name, why, in.Soak.Interval)
		look := activities.LongestLook(in.Checks, in.Least) + activities.LongestAnalysis(in.Analysis)
		if err := workflow.ExecuteActivity(forWatch(ctx, summary, lasts, look), activities.WatchFleet, in).Get(ctx, &seen); err != nil {
			return err
		}
		region.Checks, region.Compared, region.Counts, region.Readiness = seen.Results, seen.Compared, seen.Counts, seen.Readiness
		in.Before = seen.Watched
		r.show(ctx)
		if done, err := r.heed(ctx, region, seen); done || err != nil {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			r.epoch++ // ends the round; watchRegions continues as new between two rounds
		}
	}
}

// heed acts on what a watch ended with, and says whether it was its good end.
func (r *releaseRun) heed(ctx workflow.Context, region *release.RegionState, seen activities.Watch) (done bool, err error) {
	switch seen.Why {
	case activities.WatchDone:
		region.Doubt, region.Doubted = "", time.Time{}
		r.state.Evidence(fmt.Sprintf("%s: %d looks, %d of them bad; %s", region.Name, seen.Watched.Looks, seen.Watched.Bad, seen.Reason))
		return true, nil
	case activities.WatchBreach:
		r.notify(ctx, "breach", region.Name+": "+seen.Reason)
		return false, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s: %s", region.Name, seen.Reason), activities.WatchBreach, nil)
	case activities.WatchOutOfBand:
		region.Weights = seen.Weights
		if region.AsSet() {
			r.state.Evidence(region.Name + ": the shares are again as the release set them")
			break
		}
		r.callForHelp(ctx, fmt.Sprintf("%s: the shares were changed by somebody else: %s. The release leaves them and does not go on; move them back, or send rollback", region.Name, seen.Weights))
	case activities.WatchNoticed:
		region.Noticed = seen.Noticed
		if len(seen.Noticed) == 0 {
			r.state.Evidence(region.Name + ": both fleets are again as the release left them")
			break
		}
		r.callForHelp(ctx, fmt.Sprintf("%s: %s. The release goes on and changes nothing of it", region.Name, seen.Reason))
	case activities.WatchReadiness:
		if !seen.Readiness.Ready {
			r.callForHelp(ctx, fmt.Sprintf("%s: a rollback would not work as it should now: %s", region.Name, seen.Readiness.Why))
		} else {
			r.state.Evidence(region.Name + ": a rollback would work again")
		}
	case activities.WatchCertain:
		region.Doubt, region.Doubted = "", time.Time{}
		r.state.Evidence(region.Name + ": it can be told again how the candidate does")
	default:
		region.Doubt, region.Doubted = seen.Reason, seen.Watched.Unknown
		r.callForHelp(ctx, fmt.Sprintf("%s: the watch sees nothing certain: %s", region.Name, seen.Reason))
	}
	r.show(ctx)
	return false, nil
}

// callForHelp keeps a matter in the state and tells people.
func (r *releaseRun) callForHelp(ctx workflow.Context, what string) {
	r.state.Warn(what)
	r.notify(ctx, "help-needed", what)
	r.show(ctx)
}

// continueAsNew keeps the history of a release bounded, however many orders and
// flaps it sees. The state is all that the next run needs.
func (r *releaseRun) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	r.notices.Wait(ctx)
	r.drainSignals(ctx)
	r.state.Runs++
	state := r.state
	return workflow.NewContinueAsNewError(ctx, release.WorkflowRelease, release.ReleaseInput{Request: r.state.Request, State: &state})
}
