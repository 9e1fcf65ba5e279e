package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	// proof is how long the proof that a fleet gets no request, and its removal, may take
	// beside the drain: request counters of a cloud lag by minutes.
	proof = spec.Duration(15 * time.Minute)
	// firstRetry and longestRetry space the tries of a rollback that does not get
	// through; lastTry is how many there are before the release fails and a person
	// takes over. Together they are more than a day.
	firstRetry   = 15 * time.Second
	longestRetry = 10 * time.Minute
	lastTry      = 150
)

// cleanUp removes what the release made; traffic never moved. What can't be removed
// becomes a warning and never stops the rest.
func (r *releaseRun) cleanUp(ctx workflow.Context) release.Phase {
	if r.state.Image.Ref == "" {
		r.sweepBake(ctx)
	}
	r.removeCandidates(ctx, nil)
	r.releaseHolds(ctx)
	end := r.state.EndPhase(true)
	r.report(ctx, string(end))
	return end
}

// sweepBake removes what a bake that came to no image left, and settles its line in
// the ledger. An image that was only to be used again was never made.
func (r *releaseRun) sweepBake(ctx workflow.Context) {
	status := release.LedgerKept
	if r.state.Plan.Image.Action == release.ImageBake {
		in := activities.SweepInput{Place: r.place("")}
		if err := workflow.ExecuteActivity(forRequest(ctx, "remove what the bake left"), activities.SweepBake, in).Get(ctx, nil); err != nil {
			r.state.Warn("left-overs of the bake may remain: " + explain(err))
			return
		}
		status = release.LedgerGone
	}
	for _, image := range r.state.Ledger.Open(release.KindImage) {
		r.ledger(ctx, release.KindImage, "", image.Name, status, "")
	}
}

// removeCandidates retires every fleet that the ledger has as open, except where
// the fleet still has the traffic.
func (r *releaseRun) removeCandidates(ctx workflow.Context, serves []string) {
	for _, fleet := range r.state.Ledger.Open(release.KindFleet) {
		if slices.Contains(serves, fleet.Region) {
			r.ledger(ctx, release.KindFleet, fleet.Region, fleet.Name, release.LedgerKept, "has the traffic")
			continue
		}
		if err := r.retire(ctx, fleet.Region, fleet.Name); err != nil {
			r.state.Warn(fmt.Sprintf("%s: fleet %s is still there: %s. Remove it by hand", fleet.Region, fleet.Name, explain(err)))
		}
	}
}

func (r *releaseRun) retire(ctx workflow.Context, region, fleet string) error {
	drain := *r.state.Request.Spec.Traffic.Drain
	quiet := r.state.Request.Spec.Decommission.Quiet
	within := max(drain, r.sticky(region)) + quiet + proof
	in := activities.RetireInput{Place: r.place(region), Fleet: fleet, Drain: drain, Quiet: quiet, Within: within}
	summary := fmt.Sprintf("%s: drain and remove %s", region, fleet)
	err := workflow.ExecuteActivity(forWaiting(ctx, summary, within.Std()), activities.Retire, in).Get(ctx, nil)
	if err == nil {
		r.ledger(ctx, release.KindFleet, region, fleet, release.LedgerGone, "")
		if r.state.Ledger.Has(release.KindHold, region, fleet) { // its hold went with it
			r.ledger(ctx, release.KindHold, region, fleet, release.LedgerGone, "")
		}
	}
	return err
}

// sticky is how long clients stay with the fleet they got in a region, as far as is known.
func (r *releaseRun) sticky(region string) spec.Duration {
	for _, x := range r.state.Regions {
		if x.Name == region {
			return x.Sticky
		}
	}
	return 0
}

// releaseHolds ends every scale-in hold of this release, on every way out.
func (r *releaseRun) releaseHolds(ctx workflow.Context) {
	for _, region := range r.state.Regions {
		var fleets []string
		for _, hold := range r.state.Ledger.Open(release.KindHold) {
			if hold.Region == region.Name {
				fleets = append(fleets, hold.Name)
			}
		}
		if len(fleets) == 0 {
			continue
		}
		in := activities.HoldsInput{Place: r.place(region.Name), Fleets: fleets}
		err := workflow.ExecuteActivity(forRequest(ctx, region.Name+": let fleets scale in again"), activities.ReleaseHolds, in).Get(ctx, nil)
		if err != nil {
			r.state.Warn(fmt.Sprintf("%s: scale-in of %v may still be held: %s", region.Name, fleets, explain(err)))
			continue
		}
		for _, fleet := range fleets {
			r.ledger(ctx, release.KindHold, region.Name, fleet, release.LedgerGone, "")
		}
	}
}

// decommission takes the previous fleets away: the point of no return. What fails
// here is a warning; a good release is never undone for it.
func (r *releaseRun) decommission(ctx workflow.Context) release.Phase {
	for i := range r.state.Regions {
		region := &r.state.Regions[i]
		r.ledger(ctx, release.KindFleet, region.Name, region.Candidate, release.LedgerKept, "serves")
		switch {
		case region.Previous == "":
		case r.state.Kept || region.Left:
			r.ledger(ctx, release.KindFleet, region.Name, region.Previous, release.LedgerKept, "left for a person")
			r.state.Warn(fmt.Sprintf("%s: the previous fleet %s is still there. Remove it when nobody needs it", region.Name, region.Previous))
		case !release.TakesAway(region.Previous, region.Adopted, r.state.Request.Spec.Decommission):
			r.state.Warn(fmt.Sprintf("%s: fleet %s has no traffic any more and was left as it is, because Switchyard did not make it", region.Name, region.Previous))
		default:
			r.retirePrevious(ctx, region)
		}
	}
	r.releaseHolds(ctx)
	r.retireImages(ctx)
	if m := r.state.Request.Spec.Migrations; m != nil && m.Contract != nil {
		if r.state.GoneAll() {
			return release.PhaseContract
		}
		r.callForHelp(ctx, "the database was not contracted, because a previous fleet is still there, whose build may need what the contract takes away. Contract it by hand when that is gone")
	}
	end := r.state.EndPhase(true)
	r.report(ctx, string(end))
	return end
}

func (r *releaseRun) retirePrevious(ctx workflow.Context, region *release.RegionState) {
	if err := r.retire(ctx, region.Name, region.Previous); err != nil {
		r.state.Warn(fmt.Sprintf("%s: the previous fleet %s is still there: %s. Remove it when it has no traffic", region.Name, region.Previous, explain(err)))
		return
	}
	r.state.Evidence(fmt.Sprintf("%s: %s is gone", region.Name, region.Previous))
	region.Previous = ""
}

func (r *releaseRun) retireImages(ctx workflow.Context) {
	in := activities.RetireImagesInput{Place: r.place(""), Keep: r.state.Request.Spec.Retention.Images, Never: []string{r.state.Image.Ref}}
	for _, region := range r.state.Regions {
		in.Regions = append(in.Regions, region.Name)
		in.Never = append(in.Never, region.Image)
	}
	summary := fmt.Sprintf("keep the newest %d images", in.Keep)
	if err := workflow.ExecuteActivity(forRequest(ctx, summary), activities.RetireImages, in).Get(ctx, nil); err != nil {
		r.state.Warn("old images may remain: " + explain(err))
	}
}
