package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// steps are the region's steps to all of the traffic, made for the need that the plan
// measured; before each a share moves the load is measured anew.
func (r *releaseRun) steps(region *release.RegionState) []release.Step {
	return release.Steps(r.state.Request.Spec.Traffic, region.Capacity, region.Previous == "")
}

// switchOver moves the traffic of the wave's regions, step by step: each from the
// shares that were last read back, and only after the candidate was measured against
// the load that it is to take.
func (r *releaseRun) switchOver(ctx workflow.Context) (release.Phase, error) {
	for _, wait := range []func(workflow.Context) error{r.awaitGo, r.awaitEarlier, r.awaitGo} {
		if err := wait(ctx); err != nil || r.state.Leaving() {
			return "", err
		}
	}
	letGo := r.letGo()
	err := r.inRegions(ctx, r.state.RegionsOf(r.state.Wave), func(ctx workflow.Context, region *release.RegionState) error {
		return r.switchRegion(ctx, region, letGo)
	})
	if err == nil && !r.state.Leaving() {
		r.reportBeside(ctx)
	}
	return release.PhaseWatch, err
}

// switchRegion goes through the region's steps. A run that was continued as new goes
// on in the step it was in.
func (r *releaseRun) switchRegion(ctx workflow.Context, region *release.RegionState, letGo time.Time) error {
	steps := r.steps(region)
	for region.Step < len(steps) {
		if region.Step > 0 {
			if err := r.awaitNextStep(ctx, region); err != nil || r.state.Leaving() {
				return err
			}
		}
		if len(region.Steps) <= region.Step {
			region.Steps = append(region.Steps, release.StepState{Weight: steps[region.Step].Weight})
		}
		planned := region.Capacity
		if err := r.takeStep(ctx, region, steps, letGo); err != nil || r.state.Leaving() {
			return err
		}
		if region.Capacity > planned { // more load than the steps were made for
			steps = r.steps(region)
			region.Steps[region.Step].Weight = steps[region.Step].Weight
			continue
		}
		if steps[region.Step].Weight > 0 && region.Steps[region.Step].Shifted.IsZero() { // shares were changed while it was measured
			continue
		}
		region.Steps[region.Step].Done = workflow.Now(ctx)
		region.Step++
	}
	return nil
}

// takeStep brings the candidate to the step's capacity, moves its share, holds, and
// lets the live fleet shrink.
func (r *releaseRun) takeStep(ctx workflow.Context, region *release.RegionState, steps []release.Step, letGo time.Time) error {
	n := region.Step
	step := steps[n]
	made, live := steps[0].Capacity, region.Capacity
	switch {
	case n > 0:
		made, live = steps[n-1].Capacity, steps[n-1].Live
	case region.Need > 0: // measured for other steps, and grown by them
		made = 0
	}
	if region.Steps[n].Shifted.IsZero() && step.Weight > 0 { // a step without a share only makes room
		planned := region.Capacity
		err := r.whileServing(ctx, region, "the candidate is measured", func(ctx workflow.Context) error {
			return r.ensureCapacity(ctx, region, step, made)
		})
		if err != nil || r.state.Leaving() || region.Capacity > planned || region.Switched && !region.AsSet() {
			return err
		}
		if err := r.shiftTo(ctx, region, step.Weight); err != nil {
			return err
		}
		region.Steps[n].Shifted, region.Steps[n].Before = region.SwitchedAt, len(r.state.Overrides)
		told := fmt.Sprintf("step %d of %d", n+1, len(steps))
		if step.Weight == 100 {
			region.SwitchMS = since(letGo, region.SwitchedAt)
			told = fmt.Sprintf("%d ms after the order", region.SwitchMS)
			if len(steps) > 1 {
				told = fmt.Sprintf("the last of %d steps", len(steps))
			}
		}
		r.state.Evidence(fmt.Sprintf("%s: %s, %s", region.Name, region.Weights, told))
		r.show(ctx)
	}
	if n < len(steps)-1 && step.Weight > 0 {
		if err := r.holdStep(ctx, region, step); err != nil || r.state.Leaving() {
			return err
		}
	}
	return r.makeRoom(ctx, region, step, live)
}

// whileServing does something while a candidate that has a share already is watched.
func (r *releaseRun) whileServing(ctx workflow.Context, region *release.RegionState, why string, do func(workflow.Context) error) error {
	if lastShifted(region) < 0 {
		return do(ctx)
	}
	return r.watchDuring(ctx, []int{r.indexOf(region)}, why, do)
}

// makeRoom brings the live fleet down after a step. With all of the traffic moved it
// waits for a good look first: what is stopped then would be missed on the way back.
func (r *releaseRun) makeRoom(ctx workflow.Context, region *release.RegionState, step release.Step, live int) error {
	if step.Live >= live {
		return nil
	}
	if step.Weight == 100 {
		now := workflow.Now(ctx)
		err := r.watchRegions(ctx, []int{r.indexOf(region)}, "first look with all of the traffic", func() time.Time { return now })
		if err != nil || r.state.Leaving() {
			return err
		}
	}
	switch {
	case len(region.Noticed) > 0: // the candidate may be smaller than the step made it
		r.state.Warn(fmt.Sprintf("%s: %s keeps its instances in step %d, because not all is as the release left it: %s",
			region.Name, region.Previous, region.Step+1, strings.Join(region.Noticed, "; ")))
	default:
		return r.whileServing(ctx, region, "the live fleet shrinks", func(ctx workflow.Context) error {
			r.shrinkLive(ctx, region, live, step.Live)
			return ctx.Err()
		})
	}
	return nil
}

// ensureCapacity proves that the candidate can take the step's share of today's load,
// and grows it where it can't. Once the live fleet is smaller than the load needs, it
// is no measure of the load: what the steps were made for is. Before that they are made
// anew for a load that has grown since the plan; no share moves in a step that was.
func (r *releaseRun) ensureCapacity(ctx workflow.Context, region *release.RegionState, step release.Step, made int) error {
	s := r.state.Request.Spec
	for _, fleet := range []string{region.Candidate, region.Previous} {
		if fleet != "" {
			r.ledger(ctx, release.KindHold, region.Name, fleet, release.LedgerPlanned, "")
		}
	}
	in := activities.CapacityInput{
		Place: r.place(region.Name), Fleet: region.Candidate, Carrying: region.Previous, Share: step.Weight,
		Least: step.Capacity, Within: s.Fleet.ReadyWithin, Image: region.Image, Made: made, Known: region.Instances,
	}
	if region.Step > 0 && r.shrinks() {
		in.Carrying, in.Share = "", step.Weight
	} else { // somebody may have made the live fleet smaller since
		in.Least = max(in.Least, release.ShareNeed(region.Need, step.Weight))
	}
	if region.Switched { // as the last look saw it: scaling may have found that its share needs more
		grown := release.GrownLoad(region.Counts.Candidate, made, region.Share)
		region.Need = max(region.Need, grown)
		in.Least = max(in.Least, release.ShareNeed(grown, step.Weight))
	}
	var parity release.Parity
	summary := fmt.Sprintf("%s: can %s take today's load?", region.Name, region.Candidate)
	if step.Weight < 100 {
		summary = fmt.Sprintf("%s: can %s take %d %% of today's load?", region.Name, region.Candidate, step.Weight)
	}
	if err := workflow.ExecuteActivity(forWaiting(ctx, summary, s.Fleet.ReadyWithin.Std()), activities.Capacity, in).Get(ctx, &parity); err != nil {
		return err
	}
	if r.shrinks() && region.Step == 0 {
		region.Capacity = max(region.Capacity, parity.Load)
	}
	region.Need = max(region.Need, region.Capacity, parity.Load)
	if !region.Switched || !r.shrinks() { // one that grew while it carried most of the load is a measure of it, too
		region.Carried = max(region.Carried, parity.Carrying)
	}
	region.Counts.Candidate, region.Counts.At = parity.InService, workflow.Now(ctx)
	for _, notice := range parity.Notices {
		r.callForHelp(ctx, fmt.Sprintf("%s: %s", region.Name, notice))
	}
	r.state.Evidence(fmt.Sprintf("%s: %d instances in service, %d needed", region.Name, parity.InService, parity.Need))
	return nil
}

// shrinks says whether the strategy makes the live fleet smaller on the way.
func (r *releaseRun) shrinks() bool { return r.state.Request.Spec.Traffic.Rolling != nil }

// shiftTo gives the candidate its share and the live fleet the rest, from the shares
// that were last read back. That traffic may have moved is known before it is tried.
func (r *releaseRun) shiftTo(ctx workflow.Context, region *release.RegionState, share int) error {
	first := !region.Switched
	want := release.Weights{{Fleet: region.Candidate, Percent: share}}
	if region.Previous != "" {
		want = append(want, release.Weight{Fleet: region.Previous, Percent: 100 - share})
	}
	if first {
		region.Weights = release.Weights{}
		if region.Previous != "" {
			region.Weights = release.Weights{{Fleet: region.Previous, Percent: 100}}
		}
	}
	region.Switched, region.Share, region.Moving = true, share, true
	in := activities.ShiftInput{Place: r.place(region.Name), Expected: region.Weights, Want: want}
	var shift activities.Shift
	summary := fmt.Sprintf("%s: all traffic to %s", region.Name, region.Candidate)
	if share < 100 {
		summary = fmt.Sprintf("%s: %d %% of the traffic to %s", region.Name, share, region.Candidate)
	}
	if err := workflow.ExecuteActivity(forRequest(ctx, summary), activities.ShiftTraffic, in).Get(ctx, &shift); err != nil {
		if first && errorType(err) == activities.ErrOutOfBand { // read back: not this release's shares, so there is nothing of its own to take back
			region.Switched, region.Weights, region.Share, region.Moving = false, nil, 0, false
		}
		return err
	}
	region.Moving = false
	region.Weights, region.Instances, region.SwitchedAt = shift.Weights, nil, shift.At
	region.SlowStart, region.Sticky = shift.SlowStart, shift.Sticky
	region.Baseline = countersOf(shift.Requests, region.Candidate)
	return nil
}

// holdStep judges the candidate with its share, for the step's hold at the least. Only
// a look that was good at or after its end is a reason to go on: doubt keeps the share
// as it is until it is resolved, the candidate is found bad, or a person overrides it.
// After an override the looks go on; it lets doubt pass, and no failure.
func (r *releaseRun) holdStep(ctx workflow.Context, region *release.RegionState, step release.Step) error {
	n := region.Step
	until := region.Steps[n].Shifted.Add(step.Hold + region.SlowStart.Std())
	r.waitFor(ctx, fmt.Sprintf("%s: the analysis of step %d with %d %% of the traffic, until %s at the least",
		region.Name, n+1, step.Weight, until.UTC().Format(time.RFC3339)))
	defer r.waitFor(ctx, "")
	why := fmt.Sprintf("analysis with %d %% of the traffic", step.Weight)
	err := r.watchRegions(ctx, []int{r.indexOf(region)}, why, func() time.Time { return until })
	if err != nil || ctx.Err() != nil || r.state.Leaving() {
		return err
	}
	region.Steps[n].Verdict = string(release.Pass)
	if r.overridden(region) {
		region.Steps[n].Verdict = "overridden"
	}
	region.Doubt, region.Doubted = "", time.Time{}
	return nil
}

// overridden says whether a person lets the step that the region holds end without a verdict.
func (r *releaseRun) overridden(region *release.RegionState) bool {
	n := lastShifted(region)
	return n >= 0 && r.state.OverriddenAfter(release.OverrideAnalysis, region.Steps[n].Before)
}

// shrinkLive makes the live fleet smaller after a step. What can't be made smaller is
// a warning: too many instances harm nobody.
func (r *releaseRun) shrinkLive(ctx workflow.Context, region *release.RegionState, from, to int) {
	in := activities.ShrinkInput{Place: r.place(region.Name), Fleet: region.Previous, To: to, Within: r.state.Request.Spec.Fleet.ReadyWithin}
	if region.Step > 0 { // what an earlier step left; one that scaling has made larger since is needed
		in.Expected = from
	}
	summary := fmt.Sprintf("%s: bring %s down to %d instances", region.Name, region.Previous, to)
	if err := workflow.ExecuteActivity(forWaiting(ctx, summary, in.Within.Std()), activities.Shrink, in).Get(ctx, nil); err != nil {
		if temporal.IsCanceledError(err) {
			return
		}
		r.state.Warn(fmt.Sprintf("%s: %s has more instances than the step needs: %s", region.Name, region.Previous, explain(err)))
		return
	}
	r.state.Evidence(fmt.Sprintf("%s: %s has %d instances now", region.Name, region.Previous, to))
}

// awaitNextStep holds a region between two steps while the release is paused, its
// target frozen or its shares not as they were set, with the candidate watched.
func (r *releaseRun) awaitNextStep(ctx workflow.Context, region *release.RegionState) error {
	asSet := func() bool { return !region.Switched || region.AsSet() }
	for (r.held(ctx) || !asSet()) && !r.state.Leaving() {
		err := r.watchDuring(ctx, []int{r.indexOf(region)}, "held between two steps", func(ctx workflow.Context) error {
			if err := r.awaitGo(ctx); err != nil || asSet() {
				return err
			}
			r.waitFor(ctx, fmt.Sprintf("the shares of traffic in %s, which somebody else changed, to be moved back", region.Name))
			defer r.waitFor(ctx, "")
			return workflow.Await(ctx, func() bool { return asSet() || r.state.Leaving() })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// held says whether a pause or a freeze holds the release now.
func (r *releaseRun) held(ctx workflow.Context) bool {
	return r.state.Paused != nil || r.frozen(ctx) != nil
}

// awaitGo waits until neither a pause nor a freeze holds the release: each may begin
// while the other one is waited for.
func (r *releaseRun) awaitGo(ctx workflow.Context) error {
	for r.held(ctx) && !r.state.Leaving() {
		if err := r.awaitResume(ctx); err != nil {
			return err
		}
		if err := r.awaitThaw(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitEarlier waits until nothing about the candidates of earlier waves is in doubt:
// a wave that nobody can judge is no reason to go on to the next. They are watched.
func (r *releaseRun) awaitEarlier(ctx workflow.Context) error {
	earlier := r.state.SwitchedBefore(r.state.Wave)
	if len(r.state.InDoubt(earlier)) == 0 {
		return nil
	}
	r.waitFor(ctx, fmt.Sprintf("a verdict on the waves before: nothing certain can be told of %s", strings.Join(r.state.InDoubt(earlier), ", ")))
	defer r.waitFor(ctx, "")
	return workflow.Await(ctx, func() bool { return len(r.state.InDoubt(earlier)) == 0 || r.state.Leaving() })
}

func (r *releaseRun) indexOf(region *release.RegionState) int {
	for i := range r.state.Regions {
		if &r.state.Regions[i] == region {
			return i
		}
	}
	return -1
}

// letGo is when the release was allowed to switch: the last approval in this wave,
// else the beginning of the phase.
func (r *releaseRun) letGo() time.Time {
	n := len(r.state.Entries)
	start := r.state.Entries[n-1].Start
	if n < 2 || r.state.Entries[n-2].Phase != release.PhaseGate {
		return start
	}
	for _, g := range r.state.Gates {
		if g.Before == release.BeforeSwitch && g.DecidedAt.After(r.state.Entries[n-2].Start) && g.DecidedAt.Before(start) {
			start = g.DecidedAt
		}
	}
	return start
}
