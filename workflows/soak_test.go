package workflows_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// sees lets one watch end with what the test says, once, after the given look.
func (w *world) sees(look int, watch activities.Watch) {
	var done atomic.Bool // two regions are looked at by two activities
	w.judgeBy(func(n int, in activities.WatchInput) *activities.Watch {
		if n < look || !done.CompareAndSwap(false, true) {
			return nil
		}
		watch := watch
		if watch.Weights == nil {
			watch.Weights = in.Weights
		}
		return &watch
	})
}

func TestSoakIsExtended(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	for i := range 2 {
		w.at(release.PhaseSoak, time.Duration(i+1)*time.Minute, func() {
			w.signal(release.OrderExtendSoak, body{"by": "grace", "for": "2h"})
		})
	}
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 5, int(s.EndedAt.Sub(s.Soak.Start).Hours()))
}

func TestSoakIsFinishedEarlyByOneLastGoodLook(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	before := 0
	w.at(release.PhaseSoak, time.Hour, func() {
		before = w.count(activities.WatchFleet)
		w.by(release.OrderFinishSoak)()
	})
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, "grace", s.Soak.Finished)
	require.Equal(t, time.Hour, s.EndedAt.Sub(s.Soak.Start).Truncate(time.Minute))
	require.Greater(t, w.count(activities.WatchFleet), before)
}

func TestSoakFinishedWhileTheCandidateIsBadRollsBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Hour, func() {
		w.breaks("local-a")()
		w.by(release.OrderFinishSoak)()
	})
	require.Equal(t, "rolled-back", w.end())
}

// doubt lets no look be certain from now on: the soak can't end.
func (w *world) doubt(until func() bool) {
	told := false
	w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
		if until() {
			return nil
		}
		if !told {
			told = true
			return &activities.Watch{Why: activities.WatchUnknown, Reason: "for 5m nothing could be read", Weights: in.Weights}
		}
		return &activities.Watch{Why: "", Weights: in.Weights} // asks for another look
	})
}

func TestDoubtAtTheEndCallsForHelpAndNeverPromotes(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	certain := false
	w.at(release.PhaseSoak, 30*time.Minute, func() { w.doubt(func() bool { return certain }) })
	w.at(release.PhaseSoak, 3*time.Hour, func() {
		s := w.state()
		require.Equal(t, release.PhaseSoak, s.Phase, "the soak ended in doubt")
		require.Contains(t, s.Warnings[0], "sees nothing certain: for 5m nothing could be read")
		certain = true
	})
	s := w.run(soakOf(time.Hour), tellOps)
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 3, int(s.EndedAt.Sub(s.Soak.Start).Hours()))
	require.Contains(t, w.calls, activities.Notify+" help-needed")
}

func TestLooksThatCannotBeTakenAreNoEvidence(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.trouble = func(name, _ string, call int) error {
		if name == activities.WatchFleet && call > 10 && call < 60 {
			return errLost
		}
		return nil
	}
	s := w.run(soakOf(2 * time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
}

func TestSharesChangedByOthersAreReportedAndStopTheRelease(t *testing.T) {
	theirs := release.Weights{{Fleet: candidate, Percent: 50}, {Fleet: "old", Percent: 50}}
	ours := release.Weights{{Fleet: candidate, Percent: 100}, {Fleet: "old"}}
	for _, phase := range []release.Phase{release.PhaseSoak, release.PhaseWindow} {
		t.Run(string(phase), func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			move := func(to release.Weights) func() {
				return func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.weights["local-a"] = to
					w.sees(0, activities.Watch{Why: activities.WatchOutOfBand, Weights: to})
				}
			}
			w.at(phase, 10*time.Minute, move(theirs))
			w.at(phase, 20*time.Hour, func() { // long after the soak and the window
				s := w.state()
				require.Equal(t, phase, s.Phase)
				require.Equal(t, theirs, s.Regions[0].Weights)
				require.Contains(t, s.Warnings[0], "changed by somebody else: "+theirs.String())
				require.Equal(t, theirs, w.weights["local-a"], "they were overwritten")
				require.Zero(t, w.count(activities.Retire))
				move(ours)()
			})
			s := w.run(soakOf(time.Hour), waits)
			require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
			require.Equal(t, 1, w.count(activities.ShiftTraffic))
		})
	}
}

func TestRollbackStartsFromTheSharesThatOthersSet(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	theirs := release.Weights{{Fleet: candidate, Percent: 50}, {Fleet: "old", Percent: 50}}
	w.at(release.PhaseSoak, time.Hour, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.weights["local-a"] = theirs
		w.sees(0, activities.Watch{Why: activities.WatchOutOfBand, Weights: theirs})
	})
	w.at(release.PhaseSoak, 2*time.Hour, w.by(release.OrderRollback))
	require.Equal(t, "rolled-back", w.end())
}

func TestReadinessLostAndRegained(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	lost := release.Readiness{Why: "no instance of old is in service", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	found := release.Readiness{Ready: true, At: lost.At.Add(time.Hour)}
	w.judgeBy(func(look int, in activities.WatchInput) *activities.Watch {
		switch {
		case look > 60 && in.Known.At.IsZero():
			return &activities.Watch{Why: activities.WatchReadiness, Readiness: lost, Weights: in.Weights}
		case look > 120 && !in.Known.Ready:
			return &activities.Watch{Why: activities.WatchReadiness, Readiness: found, Weights: in.Weights}
		}
		return nil
	})
	w.at(release.PhaseSoak, 90*time.Minute, func() {
		require.False(t, w.state().Regions[0].Readiness.Ready)
	})
	s := w.run(tellOps)
	require.Equal(t, "completed", s.Outcome())
	require.True(t, s.Regions[0].Readiness.Ready)
	require.Contains(t, s.Warnings[0], "a rollback would not work as it should now: no instance of old")
}

func TestDecommissionWaitsForItsWindowWithBothFleetsWatched(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	looks := 0
	w.at(release.PhaseWindow, time.Minute, func() {
		looks = w.count(activities.WatchFleet)
		require.Contains(t, w.state().WaitingFor, "2026-03-03T02:00:00Z")
		require.True(t, w.fleets["local-a/old"])
	})
	var retired time.Time
	w.during[activities.Retire] = func() { retired = w.env.Now() }
	s := w.run(soakOf(time.Hour), waits)
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 2, retired.UTC().Hour())
	require.Greater(t, w.count(activities.WatchFleet), looks+60)
}

func TestWindowThatPassedDuringAPauseIsWaitedForAgain(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseWindow, time.Minute, w.by(release.OrderPause))
	w.at(release.PhaseWindow, 20*time.Hour, w.by(release.OrderResume)) // 7 in the morning
	var retired time.Time
	w.during[activities.Retire] = func() { retired = w.env.Now() }
	s := w.run(soakOf(time.Hour), waits)
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC), retired.UTC().Truncate(time.Minute))
}

func beforeDecommission(s *spec.Spec) {
	s.Gates = []spec.Gate{{Name: "farewell", Before: spec.BeforeDecommission}}
}

func TestGateBeforeTheDecommission(t *testing.T) {
	for name, end := range map[string]string{"approve": "completed", "reject": "rolled-back", "expiry": "rolled-back"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a")
			w.at(release.PhaseWindow, time.Hour, func() {
				require.True(t, w.fleets["local-a/old"])
				switch name {
				case "approve":
					w.approveAs("grace", "farewell")()
				case "reject":
					w.by(release.OrderReject)()
				}
			})
			s := w.run(soakOf(time.Hour), beforeDecommission)
			require.Equal(t, end, s.Outcome(), "%+v", s.WayOut)
		})
	}
}

func TestPreviousFleetIsHeldAsLongAsTheSpecSays(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run(soakOf(time.Hour), func(s *spec.Spec) { s.Decommission.Hold = spec.Duration(5 * time.Hour) })
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 6, int(s.EndedAt.Sub(s.Soak.Start).Hours()))
}
