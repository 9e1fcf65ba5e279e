package activities

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Checks asks fleets the questions of a spec.
type Checks struct {
	Platforms Set
	Asker     *ask.Asker       // nil: one that can ask everything but Temporal workflows and activities
	Now       func() time.Time // nil: the clock; tests of a watch set it
}

// LongestLook is the longest that asking all checks of so many instances can take.
func LongestLook(checks []spec.Check, instances int) time.Duration {
	return ask.Longest(orHealth(checks, ""), instances)
}

// LongestAnalysis is the longest that taking the samples of one look can take; 0 without an analysis.
func LongestAnalysis(a *spec.Analysis) time.Duration {
	if a == nil {
		return 0
	}
	return ask.LongestSamples(a.Compare)
}

func (c *Checks) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now().UTC()
}

func (c *Checks) asker() *ask.Asker {
	if c.Asker != nil {
		return c.Asker
	}
	return &ask.Asker{Now: c.Now}
}

// VerifyFleet asks the checks round after round, each when it is due, until all of them
// have stood well for Consecutive rounds in a row. When that is not so within Within it
// ends with the last answers that are not good: ErrNotVerified when they speak against
// the fleet, ErrNotJudged when they tell nothing. A round whose answers are in doubt
// counts neither for nor against the fleet, but the row starts anew. Another attempt
// begins from the start.
func (c *Checks) VerifyFleet(ctx context.Context, in VerifyInput) (Verified, error) {
	p, err := c.Platforms.at(in.Place)
	if err != nil {
		return Verified{}, err
	}
	pulse := beat(ctx, "first round of checks")
	defer pulse.Stop()
	v := in.Verification
	r := &rounds{Checks: c, checks: orHealth(v.Checks, in.HealthPath), subject: ask.Subject{
		Platform: p, Region: in.Place.Region, Target: in.Place.Target, Release: in.Place.Release, Version: in.Version,
		Fleet: in.Fleet, Live: in.Live, Stage: release.StageVerification, TestListener: in.TestListener, Round: firstRound(ctx),
	}}
	deadline := time.Now().Add(v.Within.Std())
	var tally release.Tally
	failed := false
	for {
		results, err := r.next(ctx)
		if err != nil {
			return Verified{}, err
		}
		verdict := release.Worst(results)
		tally = tally.Count(verdict)
		failed = failed || verdict == release.Fail
		if tally.Passes >= max(1, v.Consecutive) {
			return Verified{Results: results, Rounds: tally.Rounds}, nil
		}
		pulse.Set(fmt.Sprintf("round %d: %d of %d passes in a row; %s", tally.Rounds, tally.Passes, v.Consecutive, evidence(results)))
		wait := v.Interval.Std()
		if time.Now().Add(wait).After(deadline) {
			return Verified{}, notVerified(in, tally, verdict == release.Fail || failed && verdict == release.Pass, results)
		}
		if err := pause(ctx, wait); err != nil {
			return Verified{}, err
		}
	}
}

// notVerified tells a fleet that failed, as one that passes now and then, from one of
// which not enough is known.
func notVerified(in VerifyInput, tally release.Tally, failed bool, results []release.Result) error {
	if !failed {
		return acterr.Final(ErrNotJudged, "fleet %s could not be judged within %s: nothing speaks against it, and not all checks tell something (%d rounds): %s",
			at(in.Place.Region, in.Fleet), in.Verification.Within, tally.Rounds, evidence(results))
	}
	return acterr.Final(ErrNotVerified, "fleet %s did not pass %d rounds in a row within %s (%d rounds, the last row was %d): %s",
		at(in.Place.Region, in.Fleet), in.Verification.Consecutive, in.Verification.Within, tally.Rounds, tally.Passes, evidence(results))
}

// rounds are the looks at a fleet that must be complete: all that was asked for in service.
type rounds struct {
	*Checks
	checks  []spec.Check
	subject ask.Subject
	tracks  release.Tracks
}

func (r *rounds) next(ctx context.Context) ([]release.Result, error) {
	r.subject.Round++
	fleet, err := r.subject.Platform.Fleets.Describe(ctx, r.subject.Region, r.subject.Fleet)
	if acterr.Permanent(err) {
		return nil, err
	}
	if err != nil {
		return []release.Result{unread("instances", err)}, ctx.Err()
	}
	r.subject.Instances = inService(fleet)
	r.tracks = r.askDue(ctx, r.subject, r.checks, r.tracks)
	return append([]release.Result{enough(fleet, fleet.Desired)}, r.tracks.Standing(r.checks)...), ctx.Err()
}

// askDue asks the checks that are due and takes their answers in. What is remembered of
// checks that are not asked any more is forgotten.
func (c *Checks) askDue(ctx context.Context, s ask.Subject, checks []spec.Check, tracks release.Tracks) release.Tracks {
	now := c.now()
	var due []spec.Check
	var known release.Tracks
	for _, check := range checks {
		if tracks.Due(check, now) {
			due = append(due, check)
		}
		for _, track := range tracks {
			if track.Check == check.Name {
				known = append(known, track)
			}
		}
	}
	for i, answer := range c.asker().Ask(ctx, s, due) {
		known = known.Take(due[i], answer, now)
	}
	return known
}

// firstRound is a number that no round of an earlier activity has, and the same at
// every attempt: an answer to an earlier question is never taken for one to this one.
func firstRound(ctx context.Context) int {
	if !activity.IsActivity(ctx) {
		return 0
	}
	if scheduled := activity.GetInfo(ctx).ScheduledTime; !scheduled.IsZero() {
		return int(scheduled.UnixMilli())
	}
	return 0
}

func inService(f release.Fleet) []release.Instance {
	var out []release.Instance
	for _, i := range f.Instances {
		if i.State == release.InstanceInService {
			out = append(out, i)
		}
	}
	return out
}

// enough says whether need instances, and one at least, are in service.
func enough(f release.Fleet, need int) release.Result {
	need = max(1, need)
	r := release.Result{
		Check: "instances", Verdict: release.Pass, At: time.Now().UTC(),
		Value: fmt.Sprintf("%d in service", f.InService()), Bound: fmt.Sprintf("≥ %d", need),
	}
	if f.InService() < need {
		r.Verdict = release.Fail
	}
	return r
}

// unread is the result of something that could not be read: no evidence either way.
func unread(what string, err error) release.Result {
	return release.Result{Check: what, Verdict: release.Inconclusive, Value: clip("can't be read: "+err.Error(), maxValue), Bound: "a reading", At: time.Now().UTC()}
}

// orHealth is the spec's checks, else the one of the health path.
func orHealth(checks []spec.Check, path string) []spec.Check {
	if len(checks) > 0 {
		return checks
	}
	if path == "" {
		path = "/healthz"
	}
	return []spec.Check{{Name: "health", HTTP: &spec.HTTPCheck{
		Path: path, Via: spec.ViaInstance, Status: http.StatusOK, Timeout: spec.Duration(10 * time.Second),
	}}}
}
