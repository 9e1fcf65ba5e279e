package workflows_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// activityOf is the activity a phase's work is done by; phases without one wait.
var activityOf = map[release.Phase]string{
	release.PhaseRequested: activities.Admit,
	release.PhaseAdmitted:  activities.MakePlan,
	release.PhaseBake:      activities.BakeImage,
	release.PhaseExpand:    activities.Migrate,
	release.PhaseStop:      activities.Detach,
	release.PhaseProvision: activities.Provision,
	release.PhaseVerify:    activities.VerifyFleet,
	release.PhaseSwitch:    activities.ShiftTraffic,
}

var errLost = errors.New("the connection was lost")

// inPhase does something once while the release is in a phase: while an activity
// of it is at work, before its effect or after it, or while the phase waits.
func (w *world) inPhase(phase release.Phase, afterEffect bool, do func()) {
	var once sync.Once
	name, works := activityOf[phase]
	switch {
	case phase == release.PhaseDecommission:
		w.after[activities.Retire] = func() { once.Do(do) }
	case phase == release.PhaseContract:
		w.trouble = func(name, half string, _ int) error {
			if name == activities.Migrate && half == release.HalfContract {
				once.Do(do)
			}
			return nil
		}
	case phase == release.PhaseCleanUp:
		w.at(release.PhaseGate, time.Minute, w.by(release.OrderReject))
		w.after[activities.Retire] = func() { once.Do(do) }
	case phase == release.PhaseRollback:
		w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
		w.trouble = func(name, _ string, call int) error {
			if name == activities.ShiftTraffic && call == 2 {
				do()
			}
			return nil
		}
	case !works:
		w.at(phase, time.Minute, do)
	case afterEffect:
		w.after[name] = func() { once.Do(do) }
	default:
		w.trouble = func(called, _ string, call int) (err error) {
			if called == name {
				once.Do(func() { do(); err = errLost })
			}
			return err
		}
	}
}

func waits(s *spec.Spec) {
	s.Decommission.Window = &spec.Window{From: "02:00", To: "04:00", TimeZone: "UTC"}
}

func watched(s *spec.Spec) {
	d := spec.Duration(5 * time.Minute)
	s.Traffic.Watch = &d
}

// migrates has the release change the database.
func migrates(s *spec.Spec) {
	half := spec.Migration{Command: &spec.MigrationCommand{Run: []string{"/bin/migrate"}}}
	s.Migrations = &spec.Migrations{Schema: 2, Floor: 2, Expand: &half, Contract: &half}
}

func TestCancelledInEveryPhaseTheReleaseCleansUpAndCloses(t *testing.T) {
	ends := map[release.Phase]string{
		release.PhaseSwitch: "rolled-back", release.PhaseWatch: "rolled-back", release.PhaseSoak: "rolled-back", release.PhaseWindow: "rolled-back",
		release.PhaseStop: "rolled-back", release.PhaseContract: "completed",
		release.PhaseDecommission: "completed", release.PhaseCleanUp: "rejected", release.PhaseRollback: "rolled-back",
	}
	for _, phase := range release.Phases() {
		if phase.Ended() {
			continue
		}
		for _, after := range []bool{false, true} {
			name := string(phase)
			if after {
				name += " after the effect"
			}
			t.Run(name, func(t *testing.T) {
				end := ends[phase]
				if end == "" {
					end = "aborted"
				}
				w := newWorld(t).serving("local-a")
				if phase != release.PhaseGate && phase != release.PhaseCleanUp {
					w.approved()
				}
				w.inPhase(phase, after, w.env.CancelWorkflow)
				s := w.run(soakOf(time.Hour), waits, watched, migrates)
				require.Equal(t, end, s.Outcome(), "%+v", s.WayOut)
				if phase.Live() {
					require.True(t, temporal.IsCanceledError(w.env.GetWorkflowError()), "%v", w.env.GetWorkflowError())
					require.Equal(t, release.LeaveCancel, s.WayOut.Leave)
				} else {
					require.NoError(t, w.env.GetWorkflowError())
				}
				live := "old"
				if end == "completed" {
					live = candidate
				}
				require.Equal(t, 100, w.weights["local-a"].Of(live))
				require.Empty(t, s.Ledger.Open(release.KindFleet))
				require.Empty(t, s.Ledger.Open(release.KindImage))
			})
		}
	}
}

func TestAbortedBeforeTheSwitchNothingIsLeft(t *testing.T) {
	for _, phase := range release.Phases() {
		if !phase.BeforeSwitch() {
			continue
		}
		for _, after := range []bool{false, true} {
			t.Run(string(phase), func(t *testing.T) {
				w := newWorld(t).serving("local-a")
				w.inPhase(phase, after, w.by(release.OrderAbort))
				s := w.run(migrates)
				require.NoError(t, w.env.GetWorkflowError())
				require.Equal(t, "aborted", s.Outcome())
				require.Equal(t, "grace", s.WayOut.By)
				require.Zero(t, w.count(activities.ShiftTraffic))
				require.Empty(t, s.Warnings)
			})
		}
	}
}

func TestAbortedInABakeTheLeftOversAreSwept(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.inPhase(release.PhaseBake, false, w.by(release.OrderAbort))
	s := w.run()
	require.Equal(t, "aborted", s.Outcome())
	require.Equal(t, 1, w.count(activities.SweepBake))
}

func TestAbortAfterTheSwitchIsRefused(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, w.by(release.OrderAbort))
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.Contains(t, s.Refusals[0].Reason, "send rollback instead")
}

func TestDeadlineBeforeTheSwitchAborts(t *testing.T) {
	w := newWorld(t).serving("local-a")
	s := w.run(deadline(3 * time.Hour))
	require.Equal(t, "aborted", s.Outcome())
	require.Equal(t, release.LeaveDeadline, s.WayOut.Leave)
	require.Equal(t, 3*time.Hour, s.EndedAt.Sub(s.RequestedAt).Truncate(time.Minute))
	require.NoError(t, w.env.GetWorkflowError())
}

func TestDeadlineInTheSoakRollsBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run(deadline(3 * time.Hour))
	require.Equal(t, "rolled-back", s.Outcome())
	require.Contains(t, s.WayOut.Reason, "deadline of 3h")
}

func deadline(d time.Duration) func(*spec.Spec) {
	return func(s *spec.Spec) { s.Deadline = spec.Duration(d) }
}

func TestDeadlineInTheWindowAsksForHelpAndUndoesNothing(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run(soakOf(time.Hour), deadline(3*time.Hour), func(s *spec.Spec) {
		s.Decommission.Window = &spec.Window{From: "20:00", To: "22:00", TimeZone: "UTC"} // the test begins at 10:00
	})
	require.Equal(t, "completed", s.Outcome())
	require.Contains(t, s.Warnings, "the deadline of 3h has passed and the decommission still waits for the window for the decommission, which opens 2026-03-02T20:00:00Z")
}

func TestSoakIsNotExtendedPastTheDeadlineThatWouldRollItBack(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.at(release.PhaseSoak, time.Minute, func() { w.signal(release.OrderExtendSoak, body{"by": "grace", "for": "5h"}) })
	s := w.run(soakOf(time.Hour), deadline(3*time.Hour))
	require.Equal(t, "completed", s.Outcome())
	require.Len(t, s.Refusals, 1)
	require.Contains(t, s.Refusals[0].Reason, "after the release's deadline 2026-03-02T13:00:00Z, which would roll it back")
}
