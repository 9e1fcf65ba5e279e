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

// request asks the environment for the target and, where the spec says so, waits
// in its queue.
func (r *releaseRun) request(ctx workflow.Context) (release.Phase, error) {
	s := r.state.Request.Spec
	until := workflow.Now(ctx).Add(s.Admission.Wait.Std())
	defer r.waitFor(ctx, "")
	known := r.thaws
	r.admitted = false // before it is asked: a signal may come with the answer
	answer, err := r.admit(ctx)
	for err == nil && answer.Decision == release.Queued && workflow.Now(ctx).Before(until) {
		r.waitFor(ctx, fmt.Sprintf("the target, number %d in the queue: %s", answer.Ahead, answer.Reason))
		_, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: until.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: "longest time in the queue"},
		}, func() bool { return r.admitted })
		if err == nil {
			known, r.admitted = r.thaws, false
			answer, err = r.admit(ctx) // the signal may be lost or anybody's: what the environment answers counts
		}
	}
	if err != nil {
		return "", err
	}
	if answer.Decision != release.Admitted {
		reason := answer.Reason
		if answer.Decision == release.Queued {
			reason = fmt.Sprintf("not admitted within %s: %s", s.Admission.Wait, answer.Reason)
		}
		r.state.LeaveBy(release.LeaveRefuse, "", reason, workflow.Now(ctx))
		return "", nil
	}
	r.state.Schema = answer.Schema
	if r.thaws == known { // else the environment has told newer ones meanwhile
		r.state.Freezes = answer.Freezes
	}
	return release.PhaseAdmitted, nil
}

func (r *releaseRun) admit(ctx workflow.Context) (release.Admission, error) {
	info := workflow.GetInfo(ctx)
	in := activities.AdmitInput{Target: r.state.Request.Target(), Policy: r.state.Request.Spec.Admission.Policy, Holder: release.Holder{
		ID: r.state.Request.ID, Version: r.state.Request.Spec.Version, Requester: r.state.Request.Requester,
		OverrideFreeze: r.state.Request.OverrideFreeze,
		WorkflowID:     info.WorkflowExecution.ID, RunID: info.FirstRunID,
	}}
	var answer release.Admission
	err := workflow.ExecuteActivity(forRequest(ctx, "ask for the target"), activities.Admit, in).Get(ctx, &answer)
	return answer, err
}

func (r *releaseRun) plan(ctx workflow.Context) (release.Phase, error) {
	var plan release.Plan
	in := activities.PlanInput{Request: r.state.Request, Schema: r.state.Schema}
	if err := workflow.ExecuteActivity(forRequest(ctx, "look at the target and make the plan"), activities.MakePlan, in).Get(ctx, &plan); err != nil {
		return "", err
	}
	r.state.Adopt(plan)
	for _, region := range r.state.Regions {
		if region.Adopted {
			r.ledger(ctx, release.KindFleet, region.Name, region.Previous, release.LedgerTaken, "not made by Switchyard")
		}
	}
	r.state.Evidence("plan " + plan.Digest)
	return release.PhaseBake, nil
}

func (r *releaseRun) bake(ctx workflow.Context) (release.Phase, error) {
	s := r.state.Request.Spec
	var regions []string
	for _, region := range r.state.Regions {
		regions = append(regions, region.Name)
	}
	timeout := 10 * time.Minute
	if s.Image.Packer != nil {
		timeout = s.Image.Packer.Timeout.Std()
	}
	bakeName := s.Application + " " + s.Version
	r.ledger(ctx, release.KindImage, "", bakeName, release.LedgerPlanned, r.state.Plan.Image.Action)
	in := activities.BakeInput{Place: r.place(""), Spec: s, Plan: r.state.Plan.Image, Regions: regions}
	summary := fmt.Sprintf("%s image of %s", r.state.Plan.Image.Action, bakeName)
	if err := workflow.ExecuteActivity(forBake(ctx, summary, timeout), activities.BakeImage, in).Get(ctx, &r.state.Image); err != nil {
		return "", err
	}
	r.ledger(ctx, release.KindImage, "", bakeName, release.LedgerKept, r.state.Image.Ref)
	r.state.Evidence("image " + r.state.Image.Ref)
	for i := range r.state.Regions {
		region := &r.state.Regions[i]
		region.Image = r.state.Image.Ref
		if ref, ok := r.state.Image.Regions[region.Name]; ok {
			region.Image = ref
		}
	}
	scan := activities.ScanInput{Place: r.place(r.state.Regions[0].Name), Image: r.state.Image.Ref, Spec: s.Image}
	var scanned activities.Scanned
	err := workflow.ExecuteActivity(forWaiting(ctx, "scan the image for secrets", 10*time.Minute), activities.ScanImage, scan).Get(ctx, &scanned)
	if scanned.Unsearched {
		r.state.Evidence("the image's files can't be read here: it was not searched for secrets, which the spec accepts")
	}
	if errorType(err) == activities.ErrSecretsFound && removedUnfit(err) {
		r.ledger(ctx, release.KindImage, "", bakeName, release.LedgerGone, r.state.Image.Ref+" held secrets and was removed")
	}
	if err == nil && s.Image.Prove {
		err = r.proveImage(ctx)
	}
	if m := s.Migrations; m != nil && m.Expand != nil {
		return release.PhaseExpand, err
	}
	return release.PhaseProvision, err
}

// proveImage boots one instance from the image in the first region, before fleets are
// made of it. What it makes is in the ledger like any fleet.
func (r *releaseRun) proveImage(ctx workflow.Context) error {
	s, region := r.state.Request.Spec, r.state.Regions[0]
	in := activities.ProveInput{
		Place: r.place(region.Name), Fleet: activities.ProofFleet(r.state.Request.Target(), r.state.Request.ID), Image: region.Image,
		Version: s.Version, Spec: s.Fleet, Verification: s.Verification,
	}
	r.ledger(ctx, release.KindFleet, region.Name, in.Fleet, release.LedgerPlanned, "one instance, alone, to prove the image")
	within := 3*s.Fleet.ReadyWithin.Std() + s.Verification.Within.Std() + activities.LongestLook(s.Verification.Checks, 1)
	var proof activities.Verified
	err := r.untilJudged(ctx, &r.state.Blocked, region.Name+": the image", func() error {
		return workflow.ExecuteActivity(forWaiting(ctx, region.Name+": boot one instance from the image and check it", within), activities.ProveImage, in).Get(ctx, &proof)
	})
	if err != nil {
		return err
	}
	r.ledger(ctx, release.KindFleet, region.Name, in.Fleet, release.LedgerGone, "")
	r.state.Evidence(fmt.Sprintf("%s: one instance booted from the image passed %d checks", region.Name, len(proof.Results)))
	return nil
}

// removedUnfit says whether the scan removed the image it found secrets in.
func removedUnfit(err error) (gone bool) {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.HasDetails() && app.Details(&gone) == nil && gone
}

func (r *releaseRun) provision(ctx workflow.Context) (release.Phase, error) {
	s := r.state.Request.Spec
	err := r.inRegions(ctx, r.state.RegionsOf(r.state.Wave), func(ctx workflow.Context, region *release.RegionState) error {
		r.ledger(ctx, release.KindFleet, region.Name, region.Candidate, release.LedgerPlanned, "")
		r.ledger(ctx, release.KindHold, region.Name, region.Candidate, release.LedgerPlanned, "from the first moment")
		instances := max(1, r.steps(region)[0].Capacity) // something has to be there to be verified
		in := activities.ProvisionInput{
			Place: r.place(region.Name), Fleet: region.Candidate, Image: region.Image, Version: s.Version,
			Instances: instances, Spec: s.Fleet, Within: s.Fleet.ReadyWithin, Like: region.Previous,
		}
		var fleet release.Fleet
		summary := fmt.Sprintf("%s: provision %d instances", region.Name, instances)
		if err := workflow.ExecuteActivity(forWaiting(ctx, summary, s.Fleet.ReadyWithin.Std()), activities.Provision, in).Get(ctx, &fleet); err != nil {
			return err
		}
		r.ledger(ctx, release.KindFleet, region.Name, region.Candidate, release.LedgerMade, "")
		region.Instances = release.Known(fleet)
		region.Counts.Candidate, region.Counts.At = fleet.InService(), workflow.Now(ctx)
		for _, notice := range fleet.Notices {
			r.state.Warn(region.Name + ": " + notice)
		}
		r.state.Evidence(fmt.Sprintf("%s: %d of %d instances in service", region.Name, fleet.InService(), fleet.Desired))
		return nil
	})
	return release.PhaseVerify, err
}

func (r *releaseRun) verify(ctx workflow.Context) (release.Phase, error) {
	err := r.inRegions(ctx, r.state.RegionsOf(r.state.Wave), r.verifyRegion)
	if err == nil && r.state.OpenGate(release.BeforeSwitch) != nil {
		return release.PhaseGate, nil
	}
	return release.PhaseSwitch, err
}

// verifyRegion proves the candidate. Checks that tell nothing neither prove it nor fail
// it: it is tried again until there is a verdict, or the release is ended by a person,
// its deadline or the dead man.
func (r *releaseRun) verifyRegion(ctx workflow.Context, region *release.RegionState) error {
	s := r.state.Request.Spec
	in := activities.VerifyInput{
		Place: r.place(region.Name), Fleet: region.Candidate, HealthPath: s.Fleet.HealthPath, Verification: s.Verification,
		Version: s.Version, Live: region.Previous, TestListener: r.testListener(region.Name),
	}
	within := s.Verification.Within.Std() + activities.LongestLook(s.Verification.Checks, region.Capacity)
	var proof activities.Verified
	err := r.untilJudged(ctx, &region.Doubt, region.Name+": "+region.Candidate, func() error {
		summary := fmt.Sprintf("%s: verify %s", region.Name, region.Candidate)
		return workflow.ExecuteActivity(forWaiting(ctx, summary, within), activities.VerifyFleet, in).Get(ctx, &proof)
	})
	if err != nil {
		return err
	}
	region.Verified, region.Checks = true, proof.Results
	r.state.Evidence(fmt.Sprintf("%s: %d checks passed, %d rounds in a row", region.Name, len(proof.Results), s.Verification.Consecutive))
	return nil
}

// untilJudged tries a verification anew as long as its checks tell nothing. doubt is
// what can't be told meanwhile; people are called once.
func (r *releaseRun) untilJudged(ctx workflow.Context, doubt *string, what string, verify func() error) error {
	for pause := firstRetry; ; {
		err := verify()
		if errorType(err) != activities.ErrNotJudged {
			*doubt = ""
			return err
		}
		first := *doubt == ""
		*doubt = explain(err)
		if first {
			r.callForHelp(ctx, fmt.Sprintf("%s can't be judged, and goes no further: %s", what, *doubt))
		}
		timer := workflow.NewTimerWithOptions(ctx, pause, workflow.TimerOptions{Summary: "verify again"})
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
		pause = min(2*pause, longestRetry)
	}
}

// awaitGates waits until every gate before the point is approved. A gate that is
// rejected, or expires that way, makes the release leave.
func (r *releaseRun) awaitGates(ctx workflow.Context, before string) error {
	defer r.waitFor(ctx, "")
	for {
		g := r.state.OpenGate(before)
		if g == nil {
			return nil
		}
		if g.Opened.IsZero() {
			g.Opened = workflow.Now(ctx)
			r.notify(ctx, "gate-waiting", fmt.Sprintf("waits for %d approval(s) at gate %q", g.Missing(), g.Name))
		}
		name := g.Name
		r.waitFor(ctx, fmt.Sprintf("approval of gate %q, %d missing", name, g.Missing()))
		expiry, err := spec.ParseDuration(g.Expiry)
		if err != nil {
			return temporal.NewNonRetryableApplicationError(err.Error(), activities.ErrInvalidRequest, nil)
		}
		approved, err := r.awaitGate(ctx, g.Opened.Add(expiry.Std()), func() bool { n := r.state.OpenGate(before); return n == nil || n.Name != name })
		switch {
		case err != nil:
			return err
		case approved:
			continue
		case r.state.Expire(r.state.OpenGate(before), workflow.Now(ctx)):
			return nil
		}
		r.notify(ctx, "help-needed", fmt.Sprintf("gate %q still waits after %s", name, expiry))
		r.state.Blocked = fmt.Sprintf("approval of gate %q", name)
		r.show(ctx)
		err = workflow.Await(ctx, func() bool { n := r.state.OpenGate(before); return n == nil || n.Name != name })
		r.state.Blocked = ""
		if err != nil {
			return err
		}
	}
}

func (r *releaseRun) awaitGate(ctx workflow.Context, until time.Time, decided func() bool) (bool, error) {
	left := max(time.Second, until.Sub(workflow.Now(ctx)))
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "gate expires"},
	}, decided)
}

func countersOf(all []release.Requests, fleet string) release.Requests {
	for _, c := range all {
		if c.Fleet == fleet {
			return c
		}
	}
	return release.Requests{Fleet: fleet}
}
