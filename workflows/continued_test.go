package workflows_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// continued is the input of the next run, as the workflow handed it over.
func continued[T any](t require.TestingT, err error) (in T) {
	var again *workflow.ContinueAsNewError
	require.True(t, errors.As(err, &again), "%v", err)
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	return in
}

// successor is a world in which everything is as the other one left it.
func successor(t require.TestingT, old *world) *world {
	w := newWorld(t)
	w.env.SetStartTime(old.env.Now())
	// Copies: a watch of the run before may still be looking, which nobody waits for.
	old.mu.Lock()
	defer old.mu.Unlock()
	w.weights, w.fleets, w.holds, w.called = maps.Clone(old.weights), maps.Clone(old.fleets), maps.Clone(old.holds), maps.Clone(old.called)
	w.planDigest = old.planDigest
	return w
}

// untilContinued runs a release until it continues as new in a phase, on an event
// that the watch reports.
func untilContinued(t *testing.T, phase release.Phase, before func(*world), change ...func(*spec.Spec)) (*world, release.ReleaseInput) {
	w := newWorld(t).serving("local-a").approved()
	w.at(phase, time.Minute, func() {
		before(w)
		w.env.SetContinueAsNewSuggested(true)
		w.sees(0, activities.Watch{Why: activities.WatchReadiness, Readiness: release.Readiness{Why: "old is too small", At: w.env.Now()}})
	})
	w.env.ExecuteWorkflow(release.WorkflowRelease, release.ReleaseInput{Request: request(change...)})
	in := continued[release.ReleaseInput](t, w.env.GetWorkflowError())
	require.Equal(t, phase, in.State.Phase)
	require.Equal(t, 1, in.State.Runs)
	return w, in
}

func TestContinuedRunKnowsEverythingAndEndsTheSame(t *testing.T) {
	for _, phase := range []release.Phase{release.PhaseWatch, release.PhaseSoak, release.PhaseWindow} {
		t.Run(string(phase), func(t *testing.T) {
			first, in := untilContinued(t, phase, func(*world) {}, soakOf(time.Hour), waits, watched)
			before := first.state()
			w := successor(t, first)
			var after release.State
			w.at(phase, 0, func() { after = w.state() })
			s := w.execute(in)
			before.WaitingFor, after.WaitingFor = "", ""
			require.Equal(t, before, after, "the next run starts from another state")
			w.check(s)
			require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
			require.Equal(t, in.State.Soak.Start.IsZero(), phase == release.PhaseWatch)
			require.Equal(t, time.Hour, s.Soak.End.Sub(s.Soak.Start))
			require.Zero(t, w.count(activities.ShiftTraffic))
		})
	}
}

func TestOrderThatArrivesWhileTheRunIsContinuedIsNotLost(t *testing.T) {
	first, in := untilContinued(t, release.PhaseSoak, func(*world) {})
	in.State.LeaveBy(release.LeaveRollback, "grace", "because", first.env.Now())
	w := successor(t, first)
	s := w.execute(in)
	w.check(s)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Zero(t, w.count(activities.WatchFleet), "it went on watching although it had to leave")
}

func TestOrdersOfTheContinuedRunStillCountTheEarlierOnes(t *testing.T) {
	first, in := untilContinued(t, release.PhaseSoak, func(w *world) {
		w.signal(release.OrderExtendSoak, body{"by": "grace", "for": "2h", "id": "order-1"})
	}, soakOf(time.Hour))
	w := successor(t, first)
	var again *answer
	w.at(release.PhaseSoak, time.Minute, func() {
		again = w.update(release.OrderExtendSoak, body{"by": "grace", "for": "2h", "id": "order-1"})
	})
	s := w.execute(in)
	w.check(s)
	require.Contains(t, again.value.(release.OrderAnswer).Effect, "taken before")
	require.Equal(t, 3*time.Hour, s.Soak.End.Sub(s.Soak.Start))
}

func TestPausedReleaseIsStillPausedInTheContinuedRun(t *testing.T) {
	first, in := untilContinued(t, release.PhaseSoak, func(w *world) { w.by(release.OrderPause)() }, soakOf(time.Hour))
	w := successor(t, first)
	w.at(release.PhaseSoak, 5*time.Hour, w.by(release.OrderResume))
	s := w.execute(in)
	w.check(s)
	require.Equal(t, "completed", s.Outcome())
	require.GreaterOrEqual(t, s.EndedAt.Sub(s.Soak.Start), 5*time.Hour)
}

func TestDeadlineCountsFromTheFirstRun(t *testing.T) {
	first, in := untilContinued(t, release.PhaseSoak, func(*world) {}, deadline(3*time.Hour))
	w := successor(t, first)
	s := w.execute(in)
	w.check(s)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 3*time.Hour, s.WayOut.At.Sub(s.RequestedAt))
}
