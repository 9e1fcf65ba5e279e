package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func canary(weights ...int) func(*spec.Spec) {
	return func(s *spec.Spec) {
		s.Fleet.Instances = 10
		s.Traffic.Strategy = spec.CanaryWay
		s.Traffic.Canary = &spec.Canary{}
		for _, w := range weights {
			s.Traffic.Canary.Steps = append(s.Traffic.Canary.Steps, spec.CanaryStep{Weight: w, Hold: spec.Duration(10 * time.Minute)})
		}
	}
}

func rolling(s *spec.Spec) {
	s.Fleet.Instances = 4
	s.Traffic.Strategy = spec.RollingBy
	s.Traffic.Rolling = &spec.Rolling{}
}

// shares records every share that the candidate was given, with when.
type shares struct {
	weights []int
	at      []time.Time
}

func (w *world) records() *shares {
	seen := &shares{}
	w.after[activities.ShiftTraffic] = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		seen.weights = append(seen.weights, w.weights["local-a"].Of(candidate))
		seen.at = append(seen.at, w.env.Now())
	}
	return seen
}

func TestCanaryTakesItsStepsAndHoldsEach(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	seen := w.records()
	s := w.run(canary(5, 25, 50), soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, []int{5, 25, 50, 100}, seen.weights)
	for i := 1; i < len(seen.at); i++ {
		require.GreaterOrEqual(t, seen.at[i].Sub(seen.at[i-1]), 10*time.Minute, "step %d", i)
	}
	require.Contains(t, w.calls, activities.Provision+" local-a")
	require.Equal(t, release.StepState{Weight: 5, Shifted: s.Regions[0].Steps[0].Shifted, Done: s.Regions[0].Steps[0].Done, Verdict: "pass"}, s.Regions[0].Steps[0])
	require.Empty(t, s.Warnings)
}

func TestCanaryThatIsBadNeverGetsMoreThanItsShare(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	seen := w.records()
	w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
		if in.Weights.Of(candidate) == 25 {
			return &activities.Watch{Why: activities.WatchBreach, Reason: "error-rate fail", Weights: in.Weights}
		}
		return nil
	})
	s := w.run(canary(5, 25, 50))
	require.Equal(t, "rolled-back", s.Outcome())
	require.Equal(t, []int{5, 25, 0}, seen.weights)
}

func TestCanaryInDoubtIsHeldUntilItIsCertainOrOverridden(t *testing.T) {
	for _, way := range []string{"certain", "override", "rollback"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			seen := w.records()
			doubt, since := true, time.Time{}
			w.judgeBy(func(_ int, in activities.WatchInput) *activities.Watch {
				switch {
				case in.Weights.Of(candidate) != 25 || !doubt:
					return nil
				case in.Doubtful && !w.env.Now().Before(in.Until):
					return &activities.Watch{Why: activities.WatchDone, Reason: "a person lets it pass", Weights: in.Weights}
				case since.IsZero():
					since = w.env.Now()
					return &activities.Watch{Why: activities.WatchUnknown, Reason: "Prometheus does not answer", Weights: in.Weights}
				}
				return &activities.Watch{} // looks again: there is no verdict, whatever the time
			})
			w.at(release.PhaseSwitch, 5*time.Hour, func() {
				s := w.state()
				require.Equal(t, 25, s.Regions[0].Weights.Of(candidate), "nothing is promoted without a verdict")
				require.NotNil(t, s.Needs)
				w.mu.Lock()
				defer w.mu.Unlock()
				switch way {
				case "certain":
					doubt = false
				case "override":
					w.signal(release.OrderOverride, body{"by": "grace", "gate": "analysis", "comment": "the metrics are moved tonight"})
				default:
					w.by(release.OrderRollback)()
				}
			})
			s := w.run(canary(5, 25, 50), soakOf(time.Hour))
			if way == "rollback" {
				require.Equal(t, []int{5, 25, 0}, seen.weights)
				return
			}
			require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
			require.Equal(t, []int{5, 25, 50, 100}, seen.weights)
			if way == "override" {
				require.Equal(t, "overridden", s.Regions[0].Steps[1].Verdict)
				require.Equal(t, "pass", s.Regions[0].Steps[2].Verdict, "an override is for one step")
			}
		})
	}
}

func TestPausedBetweenTwoStepsTheShareStays(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	seen := w.records()
	w.at(release.PhaseSwitch, time.Minute, w.by(release.OrderPause))
	w.at(release.PhaseSwitch, 8*time.Hour, w.by(release.OrderResume))
	s := w.run(canary(10), soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, []int{10, 100}, seen.weights)
	require.GreaterOrEqual(t, seen.at[1].Sub(seen.at[0]), 7*time.Hour)
	require.InDelta(t, 550, w.count(activities.WatchFleet), 20, "held or not, one look a minute")
}

func TestRollingReplacesBatchByBatch(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	seen := w.records()
	s := w.run(rolling, soakOf(time.Hour))
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.IsIncreasing(t, seen.weights)
	require.Equal(t, 100, seen.weights[len(seen.weights)-1])
	require.Greater(t, len(seen.weights), 3)
	var down []string
	for _, c := range w.calls {
		var n int
		if _, err := fmt.Sscanf(c, activities.Shrink+" local-a old %d", &n); err == nil {
			down = append(down, fmt.Sprint(n))
		}
	}
	require.Equal(t, "0", down[len(down)-1], "stopped before it is deleted")
	require.Equal(t, "1", down[len(down)-2], "what is kept for the way back")
	require.Empty(t, s.Warnings)
}

func TestContinuedInsideOfAStepTheSwitchGoesOn(t *testing.T) {
	first := newWorld(t).serving("local-a").approved()
	first.at(release.PhaseSwitch, 25*time.Minute, func() { // in the third step
		first.env.SetContinueAsNewSuggested(true)
		first.sees(0, activities.Watch{Why: activities.WatchReadiness, Readiness: release.Readiness{Ready: true, At: first.env.Now()}})
	})
	first.env.ExecuteWorkflow(release.WorkflowRelease, release.ReleaseInput{Request: request(canary(5, 25, 50), soakOf(time.Hour))})
	in := continued[release.ReleaseInput](t, first.env.GetWorkflowError())
	require.Equal(t, 2, in.State.Regions[0].Step)
	next := successor(t, first)
	seen := next.records()
	s := next.execute(in)
	next.check(s)
	require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
	require.Equal(t, []int{100}, seen.weights, "no step is taken twice")
}
