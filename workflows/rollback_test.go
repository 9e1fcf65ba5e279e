package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// breaks makes every look fail for good from the first one in the phase on.
func (w *world) breaks(region string) func() {
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
			if in.Place.Region != region {
				return nil
			}
			return &activities.Watch{Why: activities.WatchBreach, Reason: "error-rate fail: 9 of 10 requests failed", Weights: in.Weights}
		})
	}
}

func TestOrderedBackWhereverTrafficHasMoved(t *testing.T) {
	for _, phase := range []release.Phase{release.PhaseWatch, release.PhaseSoak, release.PhaseWindow} {
		t.Run(string(phase), func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.at(phase, time.Minute, w.by(release.OrderRollback))
			s := w.run(soakOf(time.Hour), waits, watched)
			require.NoError(t, w.env.GetWorkflowError())
			require.Equal(t, "rolled-back", s.Outcome())
			require.Equal(t, 100, w.weights["local-a"].Of("old"))
			require.Equal(t, "1.0.0", w.reports[len(w.reports)-1].Regions[0].LiveVersion)
		})
	}
}

func TestBreachRollsBackByItself(t *testing.T) {
	for _, phase := range []release.Phase{release.PhaseWatch, release.PhaseSoak, release.PhaseWindow} {
		t.Run(string(phase), func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.at(phase, time.Minute, w.breaks("local-a"))
			s := w.run(soakOf(time.Hour), waits, watched, tellOps)
			require.Equal(t, "rolled-back", s.Outcome())
			require.Contains(t, s.WayOut.Reason, "9 of 10 requests failed")
			require.Contains(t, w.calls, activities.Notify+" breach")
			require.Contains(t, w.calls, activities.Notify+" rolled-back")
		})
	}
}

func TestCandidateStaysForInspectionWhenTheSpecSaysSo(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	s := w.run(func(s *spec.Spec) { s.Retention.Candidate = spec.Keep })
	require.Equal(t, "rolled-back", s.Outcome())
	require.True(t, w.fleets["local-a/"+candidate])
	require.Zero(t, w.count(activities.Retire))
}

func TestRollbackThatDoesNotGetThroughIsTriedAgainWithGrowingIntervals(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	var tries []time.Time
	w.trouble = func(name, _ string, call int) error {
		if name != activities.ShiftTraffic || call == 1 {
			return nil
		}
		tries = append(tries, w.env.Now())
		if len(tries) <= 3 {
			return permanent("the router answers nobody")
		}
		return nil
	}
	s := w.run(tellOps)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Len(t, tries, 4)
	require.Equal(t, 15*time.Second, tries[1].Sub(tries[0]).Truncate(time.Second))
	require.Equal(t, 30*time.Second, tries[2].Sub(tries[1]).Truncate(time.Second))
	require.Equal(t, time.Minute, tries[3].Sub(tries[2]).Truncate(time.Second))
	require.Contains(t, s.Warnings[0], "traffic is not back on old yet: ShiftTraffic: the router answers nobody")
	require.Contains(t, w.calls, activities.Notify+" help-needed")
}

func TestRollbackCallsForHelpWithinMinutesWhenThePlatformAnswersNobody(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	var ordered, helped time.Time
	w.trouble = func(name, detail string, call int) error {
		switch {
		case name == activities.Notify && detail == "help-needed" && helped.IsZero():
			helped = w.env.Now()
		case name == activities.Capacity && call > 1, name == activities.ShiftTraffic && call > 1:
			if ordered.IsZero() {
				ordered = w.env.Now()
			}
			if w.env.Now().Sub(ordered) < time.Hour {
				return temporal.NewApplicationError("nobody answers", "Unavailable") // retryable
			}
		}
		return nil
	}
	s := w.run(tellOps)
	require.Equal(t, "rolled-back", s.Outcome())
	require.False(t, helped.IsZero())
	require.LessOrEqual(t, helped.Sub(ordered), 10*time.Minute)
}

func TestFirstReleaseThatBreaksFailsAndKeepsItsTraffic(t *testing.T) {
	w := newWorld(t).approved()
	w.at(release.PhaseSoak, time.Minute, w.breaks("local-a"))
	s := w.run()
	require.Equal(t, "failed", s.Outcome())
	var app *temporal.ApplicationError
	require.ErrorAs(t, w.env.GetWorkflowError(), &app)
	require.Equal(t, "ReleaseFailed", app.Type())
	require.Zero(t, w.count(activities.Retire))
	require.Equal(t, 100, w.weights["local-a"].Of(candidate))
	require.Contains(t, s.Warnings[0], "there is no previous fleet to go back to")
}

func TestCancelledFirstReleaseInItsSoakIsAFailureNotACancellation(t *testing.T) {
	w := newWorld(t).approved()
	w.at(release.PhaseSoak, time.Minute, w.env.CancelWorkflow)
	s := w.run()
	require.Equal(t, "failed", s.Outcome())
	require.False(t, temporal.IsCanceledError(w.env.GetWorkflowError()), "%v", w.env.GetWorkflowError())
	require.ErrorContains(t, w.env.GetWorkflowError(), "failed")
}

func TestRollbackGoesOnWithAWarningWhenThePreviousFleetIsTooSmall(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	w.trouble = func(name, detail string, _ int) error {
		if name == activities.Capacity && strings.HasSuffix(detail, " old") {
			return temporal.NewNonRetryableApplicationError("1 instance in service, 2 needed", activities.ErrCapacity, nil)
		}
		return nil
	}
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.Contains(t, s.Warnings[0], "not at today's load: Capacity: 1 instance in service")
}

func TestShiftThatFailsAfterItsEffectIsTakenBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.lose = map[string]int{activities.ShiftTraffic: 1}
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
}

func TestShiftThatIsRefusedBecauseOthersChangedTheSharesIsNotTakenBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.fleets["local-a/theirs"] = true
	w.after[activities.VerifyFleet] = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.weights["local-a"] = release.Weights{{Fleet: "theirs", Percent: 100}}
	}
	s := w.run()
	require.Equal(t, "failed", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of("theirs"), "somebody else's shares were overwritten")
	require.Equal(t, 1, w.count(activities.ShiftTraffic))
	require.Empty(t, w.reports[len(w.reports)-1].Regions, "what is live is not known")
}

func TestCancelChangesNothingWhileTrafficGoesBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
	w.at(release.PhaseRollback, time.Second, w.env.CancelWorkflow)
	w.trouble = func(name, _ string, call int) error {
		if name == activities.ShiftTraffic && call > 1 && call < 6 {
			return permanent("not now")
		}
		return nil
	}
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.NoError(t, w.env.GetWorkflowError())
}

func TestRollbackGoesOnFromSharesThatWereMovedBetweenItsOwnFleets(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Hour, func() {
		w.mu.Lock()
		w.weights["local-a"] = release.Weights{{Fleet: "old", Percent: 30}, {Fleet: "checkout-production-r1", Percent: 70}}
		w.mu.Unlock()
		w.by(release.OrderRollback)()
	})
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
	require.Len(t, s.Warnings, 1, "it is told, and went on by itself")
	require.Contains(t, s.Warnings[0], "changed by somebody else: old 30 %")
}

func TestRollbackDoesNotOverwriteAForeignFleetsShare(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	foreign := release.Weights{{Fleet: "hotfix", Percent: 50}, {Fleet: "checkout-production-r1", Percent: 50}}
	w.at(release.PhaseSoak, time.Hour, func() {
		w.mu.Lock()
		w.weights["local-a"] = foreign
		w.mu.Unlock()
		w.by(release.OrderRollback)()
	})
	w.at(release.PhaseRollback, time.Hour, func() { // a person moves the shares away from the stranger
		w.mu.Lock()
		defer w.mu.Unlock()
		require.True(w.t, w.weights["local-a"].Equal(foreign), "overwritten blindly: %s", w.weights["local-a"])
		w.weights["local-a"] = release.Weights{{Fleet: "checkout-production-r1", Percent: 100}}
	})
	s := w.run()
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
	require.NotEmpty(t, s.Warnings)
}
