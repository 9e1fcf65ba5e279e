package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func together(s *spec.Spec) { s.Regions = []spec.Region{{Name: "local-a"}, {Name: "local-b"}} }

func inWaves(s *spec.Spec) {
	s.Regions = []spec.Region{{Name: "local-a", Wave: 1}, {Name: "local-b", Wave: 2}}
}

// failsIn makes an activity fail for good in one region.
func (w *world) failsIn(activity, region string) {
	w.trouble = func(name, detail string, _ int) error {
		if name == activity && detail == region {
			return permanent("no such luck")
		}
		return nil
	}
}

func TestSecondWaveBeginsWhenTheFirstServesAndWasWatched(t *testing.T) {
	w := newWorld(t).serving("local-a", "local-b").approved()
	s := w.run(inWaves, soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome())
	first := slices.Index(w.calls, activities.ShiftTraffic+" local-a")
	looked := slices.Index(w.calls, activities.WatchFleet+" local-a")
	second := slices.Index(w.calls, activities.Provision+" local-b")
	require.True(t, first < looked && looked < second, "%v", w.calls)
	require.NotContains(t, w.fleets, "local-a/old")
	require.NotContains(t, w.fleets, "local-b/old")
}

func TestFailureInTheSecondWaveTakesTheFirstBack(t *testing.T) {
	w := newWorld(t).serving("local-a", "local-b").approved()
	w.failsIn(activities.VerifyFleet, "local-b")
	s := w.run(inWaves)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
	require.Equal(t, 100, w.weights["local-b"].Of("old"))
	require.Equal(t, 2, w.count(activities.ShiftTraffic), "local-b never moved")
}

func TestFailureInOneOfTwoRegionsIsTheAnswer(t *testing.T) {
	w := newWorld(t).serving("local-a", "local-b").approved()
	w.failsIn(activities.Provision, "local-b")
	s := w.run(together)
	require.Equal(t, "failed", s.Outcome())
	require.Equal(t, "Provision: no such luck", s.WayOut.Reason)
	require.False(t, temporal.IsCanceledError(w.env.GetWorkflowError()))
}

func TestBreachInOneRegionTakesBothBack(t *testing.T) {
	w := newWorld(t).serving("local-a", "local-b").approved()
	w.at(release.PhaseSoak, time.Minute, w.breaks("local-b"))
	s := w.run(together)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Contains(t, s.WayOut.Reason, "local-b: error-rate fail")
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
}

func TestRegionThatCannotGoBackDoesNotKeepTheOthers(t *testing.T) {
	w := newWorld(t).serving("local-b").approved() // local-a sees its first release
	w.at(release.PhaseSoak, time.Minute, w.breaks("local-b"))
	s := w.run(together)
	require.Equal(t, "failed", s.Outcome())
	require.Equal(t, 100, w.weights["local-a"].Of(candidate))
	require.Equal(t, 100, w.weights["local-b"].Of("old"))
	require.NotContains(t, w.fleets, "local-b/"+candidate)
}

func TestRegionThatIsStuckHoldsUpNoOther(t *testing.T) {
	for name, regions := range map[string]func(*spec.Spec){"together": together, "in waves": inWaves} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a", "local-b").approved()
			w.at(release.PhaseSoak, time.Minute, w.by(release.OrderRollback))
			stuck := true
			w.trouble = func(name, detail string, call int) error {
				if name == activities.ShiftTraffic && detail == "local-b" && call > 2 && stuck {
					return permanent("the router answers nobody")
				}
				return nil
			}
			w.at(release.PhaseRollback, time.Hour, func() {
				require.Equal(t, 100, w.weights["local-a"].Of("old"))
				require.Equal(t, 100, w.weights["local-b"].Of(candidate))
				stuck = false
			})
			s := w.run(regions)
			require.Equal(t, "rolled-back", s.Outcome())
		})
	}
}

func TestAnEarlierWaveIsWatchedWhileALaterOneIsReleased(t *testing.T) {
	w := newWorld(t).serving("local-a", "local-b").approved()
	w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
		if in.Place.Region != "local-a" || !in.Until.IsZero() { // its own close watch and the soak end at a time
			return nil
		}
		return &activities.Watch{Why: activities.WatchBreach, Reason: "went bad late", Weights: in.Weights}
	})
	s := w.run(inWaves)
	require.Equal(t, "rolled-back", s.Outcome())
	require.Contains(t, s.WayOut.Reason, "went bad late")
	require.Equal(t, 100, w.weights["local-a"].Of("old"))
}
