package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

func TestEveryStepForwardThatFailsForGoodLeavesNothing(t *testing.T) {
	for name, end := range map[string]string{
		activities.Admit:        "failed",
		activities.MakePlan:     "failed",
		activities.BakeImage:    "failed",
		activities.ScanImage:    "failed",
		activities.Provision:    "failed",
		activities.VerifyFleet:  "failed",
		activities.Capacity:     "failed",
		activities.ShiftTraffic: "rolled-back",
		activities.WatchFleet:   "rolled-back",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.trouble = func(called, _ string, call int) error {
				if called == name && call == 1 {
					return permanent("no such luck")
				}
				return nil
			}
			s := w.run()
			require.Equal(t, end, s.Outcome())
			require.Equal(t, release.LeaveFail, s.WayOut.Leave)
			require.Equal(t, name+": no such luck", s.WayOut.Reason)
			require.Equal(t, end == "failed", w.env.GetWorkflowError() != nil)
			require.Equal(t, 100, w.weights["local-a"].Of("old"))
			require.NotContains(t, w.fleets, "local-a/"+candidate)
			require.Empty(t, s.Warnings)
			require.Empty(t, s.Ledger.Open(release.KindFleet))
			require.Empty(t, s.Ledger.Open(release.KindHold))
			require.Empty(t, s.Ledger.Open(release.KindImage))
		})
	}
}

func TestStepsThatFailForAWhileAreTriedAgain(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.trouble = func(_, _ string, call int) error {
		if call <= 2 {
			return errLost
		}
		return nil
	}
	s := w.run(soakOf(time.Hour), tellOps)
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Empty(t, s.Warnings)
}

func TestFailuresOfTheEndAreWarningsAndUndoNothing(t *testing.T) {
	for _, name := range []string{activities.Retire, activities.ReleaseHolds, activities.RetireImages, activities.Report, activities.Notify} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.fail[name] = permanent("no such luck")
			s := w.execute(release.ReleaseInput{Request: request(soakOf(time.Hour), tellOps)})
			require.NoError(t, w.env.GetWorkflowError())
			require.Equal(t, "completed", s.Outcome())
			require.Contains(t, s.Warnings[0], "no such luck")
			require.Equal(t, 100, w.weights["local-a"].Of(candidate))
			require.Equal(t, name == activities.Retire, w.fleets["local-a/old"])
		})
	}
}

func TestFailuresOfTheCleanUpAreWarningsAndStopNothing(t *testing.T) {
	for _, phase := range []release.Phase{release.PhaseBake, release.PhaseVerify, release.PhaseSoak} {
		for _, name := range []string{activities.SweepBake, activities.Retire, activities.ReleaseHolds, activities.Report} {
			t.Run(string(phase)+" "+name, func(t *testing.T) {
				w := newWorld(t).serving("local-a").approved()
				w.fail[name] = permanent("no such luck")
				w.inPhase(phase, true, w.env.CancelWorkflow)
				s := w.execute(release.ReleaseInput{Request: request()})
				require.Contains(t, []string{"aborted", "rolled-back"}, s.Outcome())
				require.Equal(t, 100, w.weights["local-a"].Of("old"))
				require.Equal(t, s.Outcome(), w.reports[len(w.reports)-1].Outcome)
				for _, warning := range s.Warnings {
					require.Contains(t, warning, "no such luck")
				}
			})
		}
	}
}

func TestEnvironmentThatCannotBeToldKeepsNoCandidateUnwatched(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	w.trouble = func(name, outcome string, _ int) error {
		if name == activities.Report && outcome == "" && w.count(activities.WatchFleet) == 0 {
			return errLost
		}
		return nil
	}
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.Empty(t, s.Warnings)
}

func TestAnImageThatWasRemovedForItsSecretsIsGoneInTheLedger(t *testing.T) {
	for _, removed := range []bool{true, false} {
		w := newWorld(t).serving("local-a").approved()
		w.fail[activities.ScanImage] = temporal.NewNonRetryableApplicationError("it holds secrets", activities.ErrSecretsFound, nil, removed)
		s := w.run()
		require.Equal(t, "failed", s.Outcome())
		want := release.LedgerKept
		if removed {
			want = release.LedgerGone
		}
		for _, entry := range s.Ledger {
			if entry.Kind == release.KindImage {
				require.Equal(t, want, entry.Status)
			}
		}
	}
}
