package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Between the plan and the switch there may be a day of waiting for approval. A rolling
// release that shrank the live fleet by the plan would leave half of the load without instances.
func TestRollingMakesItsStepsForTheLoadAtTheSwitch(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.load = 9 // the plan was made for 4
	s := w.run(rolling, soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 9, s.Regions[0].Capacity)
	want := release.Steps(s.Request.Spec.Traffic, 9, false)
	require.Len(t, s.Regions[0].Steps, len(want))
	live := 9
	for i, step := range want {
		require.Equal(t, step.Weight, s.Regions[0].Steps[i].Weight)
		if step.Live < live {
			require.Contains(t, w.calls, fmt.Sprintf("%s local-a old %d", activities.Shrink, step.Live))
			live = step.Live
		}
	}
	require.Zero(t, w.measured[1].Made, "what the candidate was grown to for the other steps is nobody's change")
	require.Empty(t, s.Warnings)
}

// A live fleet that somebody makes smaller in the middle of a canary is no measure of the
// load any more: what was measured before still counts.
func TestCanaryRemembersTheLoadThatItHasMeasured(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.load = 20 // the plan was made for 10
	w.after[activities.ShiftTraffic] = func() { w.load = 1 }
	s := w.run(canary(5, 50), soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 10, w.measured[1].Least)
	require.Equal(t, 20, w.measured[2].Least)
}

// Shares that somebody moves between the two fleets just when the release goes back, and
// that no watch has seen, are told of.
func TestRollbackTellsOfSharesThatSomebodyElseMoved(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, 2*time.Hour+30*time.Second, func() {
		w.mu.Lock()
		w.weights["local-a"] = release.Weights{{Fleet: "old", Percent: 30}, {Fleet: candidate, Percent: 70}}
		w.mu.Unlock()
		w.by(release.OrderRollback)()
	})
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "changed by somebody else: old 30 %, "+candidate+" 70 %")
}

// A release that brings a larger fleet along does not make the load larger: the fleet
// that carried it can carry it again, and traffic goes back without waiting for more.
func TestALargerFleetDoesNotMakeTheLoadLarger(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.load = 4
	scale := 0
	w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
		scale = in.Scale
		return nil
	})
	w.at(release.PhaseSoak, time.Hour, w.by(release.OrderRollback))
	s := w.run(func(s *spec.Spec) { s.Fleet.Instances = 10; s.Regions[0].Instances = 10 })
	require.Equal(t, "rolled-back", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 40, scale)
	last := w.measured[len(w.measured)-1]
	require.Equal(t, []int{4, 40}, []int{last.Least, last.Share})
}

// Somebody has brought the candidate's share down, and the watch has told of it: the steps
// of the way back begin below that.
func TestRollbackInStepsNeverRaisesTheCandidatesShare(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	now := release.Weights{{Fleet: "old", Percent: 50}, {Fleet: candidate, Percent: 50}}
	w.at(release.PhaseSoak, time.Hour, func() {
		w.mu.Lock()
		w.weights["local-a"] = now
		w.mu.Unlock()
		w.sees(0, activities.Watch{Why: activities.WatchOutOfBand, Weights: now})
	})
	w.at(release.PhaseSoak, 2*time.Hour, w.by(release.OrderRollback))
	var seen *shares
	w.at(release.PhaseSoak, 90*time.Minute, func() { seen = w.records() })
	s := w.run(func(s *spec.Spec) {
		s.Rollback.Steps = []spec.RollbackStep{{Weight: 60, Hold: spec.Duration(time.Minute)}, {Weight: 20, Hold: spec.Duration(time.Minute)}}
	})
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, []int{20, 0}, seen.weights)
}

// Shares that somebody changes while the candidate grows for its next share are not overwritten.
func TestSharesChangedWhileTheCandidateGrowsHoldTheNextStep(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	now := release.Weights{{Fleet: "old", Percent: 60}, {Fleet: "stranger", Percent: 40}}
	grows := 0
	w.during[activities.Capacity] = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if grows++; grows == 2 {
			w.weights["local-a"] = now
			w.sees(0, activities.Watch{Why: activities.WatchOutOfBand, Weights: now})
		}
	}
	w.late = func(name string, call int) error { // it takes two minutes, in which the watch looks
		if name != activities.Capacity || call != 2 {
			return nil
		}
		return temporal.NewApplicationErrorWithOptions("still growing", "NotYet", temporal.ApplicationErrorOptions{NextRetryDelay: 2 * time.Minute})
	}
	s := w.run(canary(5, 50), soakOf(time.Hour))
	require.Equal(t, "rolled-back", s.Outcome(), "the dead man ends it")
	require.Contains(t, s.WayOut.Reason, "no order came")
}
