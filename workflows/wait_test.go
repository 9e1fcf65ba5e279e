package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func TestPausedReleaseStartsNothingNewUntilItIsResumed(t *testing.T) {
	after := map[release.Phase]string{
		release.PhaseAdmitted: activities.BakeImage, release.PhaseBake: activities.Provision,
		release.PhaseProvision: activities.VerifyFleet, release.PhaseVerify: activities.Capacity,
	}
	for phase, next := range after {
		t.Run(string(phase), func(t *testing.T) {
			w := newWorld(t).serving("local-a")
			paused := true
			w.during[next] = func() { require.False(t, paused, "%s began while the release was paused", next) }
			w.inPhase(phase, true, func() {
				w.by(release.OrderPause)()
				w.env.RegisterDelayedCallback(func() {
					require.Contains(t, w.state().WaitingFor, "resume: paused by grace")
					paused = false
					w.by(release.OrderResume)()
				}, 3*time.Hour)
			})
			s := w.run(noGates, soakOf(0))
			require.Equal(t, "completed", s.Outcome())
		})
	}
}

func TestPausedInTheSoakTheWatchGoesOnAndNothingIsDecommissioned(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderPause))
	looks := 0
	w.at(release.PhaseSoak, 5*time.Hour, func() { looks = w.count(activities.WatchFleet) })
	w.at(release.PhaseSoak, 10*time.Hour, func() {
		require.Greater(t, w.count(activities.WatchFleet), looks+4*60, "the watch stood still after the end of the soak")
		require.Zero(t, w.count(activities.Retire))
		w.by(release.OrderResume)()
	})
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 10, int(s.EndedAt.Sub(s.Soak.Start).Hours()))
}

func TestSoakExtendedDuringAPauseAtItsEndGoesOnAfterwards(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderPause))
	w.at(release.PhaseSoak, 3*time.Hour, func() { w.signal(release.OrderExtendSoak, body{"by": "grace", "for": "4h"}) })
	w.at(release.PhaseSoak, 4*time.Hour, w.by(release.OrderResume))
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, 5, int(s.EndedAt.Sub(s.Soak.Start).Hours()))
}

func TestBreachWhilePausedRollsBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderPause))
	w.at(release.PhaseSoak, 5*time.Hour, w.breaks("local-a"))
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "rolled-back", s.Outcome())
}

func TestPauseIsBoundedByTheDeadline(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseGate, time.Second, w.by(release.OrderPause))
	s := w.run(deadline(5 * time.Hour))
	require.Equal(t, "aborted", s.Outcome())
}

func TestGateThatExpiresDuringAPauseRejects(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Second, w.by(release.OrderPause))
	require.Equal(t, "rejected", w.end())
}

func queue(s *spec.Spec) {
	s.Admission = spec.Admission{Policy: spec.PolicyQueue, Wait: spec.Duration(2 * time.Hour)}
}

// held answers that the target is held until free says otherwise.
func (w *world) held(free func() bool) *world {
	w.admit = func() release.Admission {
		if free() {
			return release.Admission{Decision: release.Admitted}
		}
		return release.Admission{Decision: release.Queued, Ahead: 1, Reason: "checkout/production is held by release r0"}
	}
	return w
}

func (w *world) admitted() { w.env.SignalWorkflow(release.SignalAdmitted, "r1") }

func TestQueuedReleaseGoesOnWhenTheTargetIsHandedOver(t *testing.T) {
	free := false
	w := newWorld(t).serving("local-a").held(func() bool { return free }).approved()
	w.at(release.PhaseRequested, time.Minute, func() {
		require.Contains(t, w.state().WaitingFor, "number 1 in the queue: checkout/production is held by release r0")
	})
	w.at(release.PhaseRequested, time.Hour, func() { free = true; w.admitted() })
	s := w.run(queue)
	require.Equal(t, "completed", s.Outcome())
	require.Equal(t, time.Hour, s.Entries[0].End.Sub(s.Entries[0].Start).Truncate(time.Minute))
}

func TestAnAdmittedSignalOfAnybodyGivesNoTargetAway(t *testing.T) {
	w := newWorld(t).serving("local-a").held(func() bool { return false })
	w.at(release.PhaseRequested, time.Minute, w.admitted)
	s := w.run(queue)
	require.Equal(t, "refused", s.Outcome())
	require.Zero(t, w.count(activities.MakePlan))
}

func TestAHandOverWhoseSignalWasLostIsFoundAtTheEndOfTheWait(t *testing.T) {
	free := false
	w := newWorld(t).serving("local-a").held(func() bool { return free }).approved()
	w.at(release.PhaseRequested, time.Hour, func() { free = true })
	require.Equal(t, "completed", w.end(queue))
}

func TestQueueThatTakesTooLongEndsRefused(t *testing.T) {
	w := newWorld(t).serving("local-a").held(func() bool { return false })
	s := w.run(queue)
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, "refused", s.Outcome())
	require.Contains(t, s.WayOut.Reason, "not admitted within 2h: checkout/production is held by release r0")
}

func TestRefusedReleaseSaysWhoHoldsTheTarget(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.admit = func() release.Admission {
		return release.Admission{Decision: release.Refused, Reason: "checkout/production is held by release r0"}
	}
	s := w.run()
	require.Equal(t, "refused", s.Outcome())
	require.Equal(t, "checkout/production is held by release r0", s.WayOut.Reason)
	require.Zero(t, w.count(activities.MakePlan))
}

func TestAbortedAndCancelledInTheQueue(t *testing.T) {
	for name, cancel := range map[string]bool{"abort": false, "cancel": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a").held(func() bool { return false })
			w.at(release.PhaseRequested, time.Minute, func() {
				if cancel {
					w.env.CancelWorkflow()
				} else {
					w.by(release.OrderAbort)()
				}
			})
			s := w.run(queue)
			require.Equal(t, "aborted", s.Outcome())
		})
	}
}

func TestPauseOrderedDuringTheSwitchKeepsTheCandidateWatched(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.during[activities.ShiftTraffic] = func() {
		if w.count(activities.ShiftTraffic) == 1 {
			w.env.RegisterDelayedCallback(w.by(release.OrderPause), 0)
		}
	}
	w.at(release.PhaseSwitch, 6*time.Hour, func() {
		require.Greater(t, w.count(activities.WatchFleet), 5*60, "the candidate has all traffic and nobody looks")
		w.by(release.OrderResume)()
	})
	w.at(release.PhaseWatch, 6*time.Hour, w.by(release.OrderResume)) // the pause may come a phase later
	s := w.run(soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome())
}
