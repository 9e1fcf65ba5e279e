package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func TestGoodReleaseReplacesThePreviousFleet(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run()
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 100, w.weights["local-a"].Of(candidate))
	require.NotContains(t, w.fleets, "local-a/old")
	require.InDelta(t, 24*60+7, w.count(activities.WatchFleet), 5, "one look a minute for a day, after the close watch")
	require.Equal(t, []release.Phase{
		release.PhaseRequested, release.PhaseAdmitted, release.PhaseBake, release.PhaseProvision, release.PhaseVerify,
		release.PhaseGate, release.PhaseSwitch, release.PhaseWatch, release.PhaseSoak, release.PhaseWindow,
		release.PhaseStop, release.PhaseDecommission, release.PhaseCompleted,
	}, phases(s))
	require.Empty(t, s.Warnings)
	var sum release.Summary
	require.NoError(t, w.env.GetWorkflowResult(&sum))
	require.Equal(t, "completed", sum.Outcome)
	last := w.reports[len(w.reports)-1]
	require.Equal(t, []release.LivePair{{Region: "local-a", Live: candidate, LiveVersion: "2.0.0", LiveImage: "sha256:baked"}}, last.Regions)
}

func TestEveryLedgerLineIsSettledAtTheEnd(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	s := w.run()
	require.Empty(t, s.Ledger.Open(release.KindFleet))
	require.Empty(t, s.Ledger.Open(release.KindHold))
	require.Empty(t, s.Ledger.Open(release.KindImage))
}

func TestFirstReleaseHasNothingToReplace(t *testing.T) {
	w := newWorld(t).approved()
	s := w.run()
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, 100, w.weights["local-a"].Of(candidate))
	require.Zero(t, w.count(activities.Retire))
}

func TestReleaseWithoutGatesAndSoakGoesStraightThrough(t *testing.T) {
	w := newWorld(t).serving("local-a")
	s := w.run(noGates, soakOf(0))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.NotContains(t, phases(s), release.PhaseGate)
}

func TestAdoptedPreviousFleetIsKeptUnlessTheSpecRemovesIt(t *testing.T) {
	for adopted, stays := range map[string]bool{spec.Keep: true, spec.Remove: false} {
		t.Run(adopted, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.plan = func(r release.Request) (release.Plan, error) {
				seen := w.observed(r)
				seen.Regions[0].Fleets[0].Release = ""
				return release.MakePlan(r, seen)
			}
			s := w.run(func(s *spec.Spec) { s.Decommission.Adopted = adopted })
			require.Equal(t, "completed", s.Outcome())
			require.Equal(t, stays, w.fleets["local-a/old"])
			require.Equal(t, "not made by Switchyard", s.Ledger[0].Note)
			if stays {
				require.Contains(t, s.Warnings[0], "Switchyard did not make it")
			}
		})
	}
}

// The model of a history counts what the server writes: for the run 1 started and 1
// closed event; per activity scheduled, started (of the last attempt only) and
// completed; per timer started and fired or cancelled; per side effect, search
// attribute update and signal 1; per update accepted and completed. The start, each
// activity's end, each timer that fires and each message wake the workflow, at most
// once each: a workflow task is scheduled, started and completed. Retries write nothing.
type historyModel struct{ activities, cancelled, timers, fired, messages, upserts, sideEffects int }

func (h historyModel) events() int {
	woken := 1 + h.activities + h.fired + h.messages
	return 2 + 3*h.activities + h.cancelled + 2*h.timers + 2*h.messages + h.upserts + h.sideEffects + 3*woken
}

func TestSoakOfTwoDaysIsOneActivityAndKeepsTheHistorySmall(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	var h historyModel
	seen := map[string]bool{}
	looksIn := map[string]int{}
	w.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == activities.WatchFleet {
			looksIn[info.ActivityID]++
		}
		if !seen[info.ActivityID] {
			seen[info.ActivityID] = true
			h.activities++
		}
	})
	w.env.SetOnActivityCanceledListener(func(*activity.Info) { h.cancelled++ })
	w.env.SetOnTimerFiredListener(func(string) { h.fired++ })
	w.env.SetOnTimerScheduledListener(func(string, time.Duration) { h.timers++ })
	s := w.run(soakOf(48*time.Hour), func(s *spec.Spec) {
		s.Notifications = []spec.Notification{{Name: "ops", URL: "env:OPS_URL"}}
		s.Decommission.Window = &spec.Window{From: "02:00", To: "04:00", TimeZone: "UTC"}
	})
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	most := 0
	for _, n := range looksIn {
		most = max(most, n)
	}
	require.InDelta(t, 48*60, most, 1, "all looks of the soak are attempts of one activity")

	h.messages, h.upserts, h.sideEffects = 1, len(s.Entries), 4
	t.Logf("a 48 h soak: %+v, %d events", h, h.events())
	require.LessOrEqual(t, h.events(), 180)
}

func noGates(s *spec.Spec) { s.Gates = []spec.Gate{} }

func soakOf(d time.Duration) func(*spec.Spec) {
	return func(s *spec.Spec) {
		x := spec.Duration(d)
		s.Soak.Duration = &x
	}
}
