package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// window waits for everything that stands before the decommission: shares as set, the
// gates, the hold and the window, a proven way back, no freeze, no pause. Both fleets
// are still watched, because until then a rollback is still a switch of traffic.
func (r *releaseRun) window(ctx workflow.Context) (release.Phase, error) {
	next := release.PhaseStop
	if !r.state.TakesAway() {
		next = release.PhaseDecommission
	}
	for {
		open, err := r.windowOpen(ctx)
		if err != nil || r.state.Leaving() {
			return "", err
		}
		if open {
			return next, nil
		}
		err = r.watchDuring(ctx, r.allRegions(), "wait for the window", r.awaitAll)
		if err != nil || r.state.Leaving() {
			return "", err
		}
	}
}

// windowOpen says whether nothing stands before the decommission now. Where there is
// nothing to take away, only shares and a pause can.
func (r *releaseRun) windowOpen(ctx workflow.Context) (bool, error) {
	if r.state.Paused != nil || !r.state.AllServe() {
		return false, nil
	}
	if !r.state.TakesAway() {
		return true, nil
	}
	if r.state.OpenGate(release.BeforeDecommission) != nil || r.frozen(ctx) != nil || r.noWayBack() != "" || r.inDoubt() {
		return false, nil
	}
	if r.unmeasured(ctx) { // measured while the fleets are watched
		return false, nil
	}
	begin, known, err := r.decommissionTime(ctx)
	return known && !begin.After(workflow.Now(ctx)), err
}

// unmeasured says whether the window has to be found in the request curve first.
func (r *releaseRun) unmeasured(ctx workflow.Context) bool {
	w := r.state.Request.Spec.Decommission.Window
	if w == nil || w.Measured == nil || r.state.Overridden(release.OverrideWindow) {
		return false
	}
	return r.state.Measured == nil || workflow.Now(ctx).Sub(r.state.Measured.At) >= measuredFor
}

// awaitAll waits for one after the other. What was there may be gone when the last one
// comes, so windowOpen has the last word.
func (r *releaseRun) awaitAll(ctx workflow.Context) error {
	waits := []func(workflow.Context) error{r.awaitShares}
	if r.state.TakesAway() {
		waits = append(waits, func(ctx workflow.Context) error { return r.awaitGates(ctx, release.BeforeDecommission) },
			r.awaitWindow, r.awaitThaw, r.awaitWayBack, r.awaitCertainty)
	}
	for _, wait := range append(waits, r.awaitResume) {
		if err := wait(ctx); err != nil || r.state.Leaving() {
			return err
		}
	}
	return nil
}

// awaitShares waits until every candidate has all the traffic, if somebody else
// changed that. The deadline and the dead man bound it.
func (r *releaseRun) awaitShares(ctx workflow.Context) error {
	if r.state.AllServe() {
		return nil
	}
	r.waitFor(ctx, "the shares of traffic, which somebody else changed, to be moved back")
	defer r.waitFor(ctx, "")
	return workflow.Await(ctx, r.state.AllServe)
}

// noWayBack says in which region a rollback would not work, "" when it would in all of
// those whose previous fleet is to go, or a person let it pass. A fleet is not taken
// away while nobody could go back to it: what broke it may be what the candidate needs too.
func (r *releaseRun) noWayBack() string {
	if r.state.Overridden(release.OverrideReadiness) {
		return ""
	}
	return r.state.LostReadiness()
}

func (r *releaseRun) awaitWayBack(ctx workflow.Context) error {
	lost := r.noWayBack()
	if lost == "" {
		return nil
	}
	r.state.Blocked = "a way back: " + lost + "; mend it, or send override with the gate readiness"
	r.waitFor(ctx, r.state.Blocked)
	defer func() {
		r.state.Blocked = ""
		r.waitFor(ctx, "")
	}()
	return workflow.Await(ctx, func() bool { return r.noWayBack() == "" || r.state.Leaving() })
}

// inDoubt says whether it can't be told of any candidate how it does. Nothing is taken away then.
func (r *releaseRun) inDoubt() bool {
	return slices.ContainsFunc(r.state.Regions, func(region release.RegionState) bool { return region.Doubt != "" })
}

// awaitCertainty waits until it can be told of all candidates how they do. People were
// called when the doubt was told; the deadline and the dead man bound it.
func (r *releaseRun) awaitCertainty(ctx workflow.Context) error {
	if !r.inDoubt() {
		return nil
	}
	r.waitFor(ctx, "a look at the candidates that can tell how they do")
	defer r.waitFor(ctx, "")
	return workflow.Await(ctx, func() bool { return !r.inDoubt() || r.state.Leaving() })
}

// awaitWindow waits until the window is open, looking again after each wait: gates
// and pauses may have let it pass.
func (r *releaseRun) awaitWindow(ctx workflow.Context) error {
	defer r.waitFor(ctx, "")
	for !r.state.Leaving() {
		begin, known, err := r.decommissionTime(ctx)
		if err != nil {
			return err
		}
		left := begin.Sub(workflow.Now(ctx))
		if known && left <= 0 {
			return nil
		}
		what := "the window for the decommission, which opens " + begin.UTC().Format(time.RFC3339)
		if !known {
			left, what = measureAgain, r.state.Blocked
		}
		r.waitFor(ctx, what)
		passed := r.state.Overridden(release.OverrideWindow) // then what is left is the hold, which no override lifts
		_, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "window for the decommission"},
		}, func() bool { return !passed && r.state.Overridden(release.OverrideWindow) || r.state.Leaving() })
		r.state.Blocked = ""
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	// measureAgain is how long a release waits before it looks again for a window in a
	// request curve that had none.
	measureAgain = time.Hour
	// measuredFor is how long a window that was found counts.
	measuredFor = 24 * time.Hour
)

// decommissionTime is when the decommission may begin; known is false when the window
// is to be measured and was not found. Time zone rules are data of the worker's
// machine, so the answer is kept in the history.
func (r *releaseRun) decommissionTime(ctx workflow.Context) (at time.Time, known bool, err error) {
	s := r.state.Request.Spec.Decommission
	now := workflow.Now(ctx)
	n := len(r.state.Entries)
	if held := r.state.Entries[n-1].Start.Add(s.Hold.Std()); held.After(now) {
		now = held
	}
	if s.Window == nil || r.state.Overridden(release.OverrideWindow) {
		return now, true, nil
	}
	window := *s.Window
	if window.Measured != nil {
		if err := r.measureWindow(ctx, window); err != nil || r.state.Measured == nil {
			return time.Time{}, false, err
		}
		window = r.state.Measured.Window
	}
	var answer struct {
		At  time.Time
		Err string
	}
	encoded := workflow.SideEffect(ctx, func(workflow.Context) any {
		at, err := release.NextWindow(&window, now)
		answer.At = at
		if err != nil {
			answer.Err = err.Error()
		}
		return answer
	})
	if err := encoded.Get(&answer); err != nil {
		return time.Time{}, false, err
	}
	if answer.Err != "" {
		return time.Time{}, false, temporal.NewNonRetryableApplicationError(answer.Err, activities.ErrInvalidRequest, nil)
	}
	return answer.At, true, nil
}

// measureWindow finds the window in the request curve, unless it was found of late. A
// curve that can't be read, or has no low stretch, needs a person.
func (r *releaseRun) measureWindow(ctx workflow.Context, w spec.Window) error {
	if !r.unmeasured(ctx) {
		return nil
	}
	now := workflow.Now(ctx)
	r.state.Measured = nil
	in := activities.MeasureInput{Place: r.place(""), Since: now.AddDate(0, 0, -w.Measured.Days), Until: now}
	for _, region := range r.state.Regions {
		in.Regions = append(in.Regions, region.Name)
	}
	var curve activities.Measured
	err := workflow.ExecuteActivity(forRequest(ctx, "read the request curve of the last days"), activities.MeasureLoad, in).Get(ctx, &curve)
	if temporal.IsCanceledError(err) {
		return err
	}
	var found struct {
		Time release.MeasuredTime
		Err  string
	}
	if err != nil {
		found.Err = explain(err)
	} else {
		encoded := workflow.SideEffect(ctx, func(workflow.Context) any {
			window, evidence, err := release.LowestStretch(w, curve.Curve, curve.Step.Std())
			found.Time = release.MeasuredTime{Window: window, Evidence: evidence, At: now}
			if err != nil {
				found.Err = err.Error()
			}
			return found
		})
		if err := encoded.Get(&found); err != nil {
			return err
		}
	}
	if found.Err != "" {
		r.state.Blocked = "a window for the decommission: " + found.Err + "; send override with the gate window to begin without one"
		r.callForHelp(ctx, r.state.Blocked)
		return nil
	}
	r.state.Measured = &found.Time
	r.state.Evidence(fmt.Sprintf("window %s–%s %s: %s", found.Time.Window.From, found.Time.Window.To, found.Time.Window.TimeZone, found.Time.Evidence))
	return nil
}
