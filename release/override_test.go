package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

func override(what string) release.Order {
	return release.Order{Kind: release.OrderOverride, By: "bob", Gate: what, Comment: "hotfix"}
}

// held is a release in the given phase that everything holds that can hold it there.
func held(t require.TestingT, p release.Phase) *release.State {
	s := stateIn(t, p)
	s.Freezes = []release.Freeze{freezeOf("fair", -time.Hour, time.Hour)}
	for i := range s.Regions {
		s.Regions[i].Readiness = release.Readiness{Why: "no instance of it is in service", At: t0}
		s.Regions[i].Steps = []release.StepState{{Weight: 10, Shifted: t0.Add(-time.Minute)}}
	}
	return s
}

func TestWhatCanBeOverriddenWhere(t *testing.T) {
	in := map[string][]release.Phase{
		release.OverrideWindow:    {release.PhaseWindow},
		release.OverrideReadiness: {release.PhaseSoak, release.PhaseWindow, release.PhaseStop},
		release.OverrideAnalysis:  {release.PhaseSwitch},
	}
	for _, p := range release.Phases() {
		for _, what := range release.Overridable() {
			s := held(t, p)
			taken := p.Live() && what == release.OverrideFreeze
			for _, q := range in[what] {
				taken = taken || p == q
			}
			if !taken {
				refused(t, s, override(what))
				require.False(t, s.Overridden(what))
				continue
			}
			require.NotEmpty(t, take(t, s, override(what)), "%s in %s", what, p)
			require.Equal(t, []release.Override{{What: what, By: "bob", Comment: "hotfix", At: t0}}, s.Overrides)
			for _, other := range release.Overridable() {
				require.Equal(t, other == what, s.Overridden(other), "%s in %s: nothing else is overridden", what, p)
			}
			require.Equal(t, "override: "+what+" is overridden already", refused(t, s, override(what)))
			require.Nil(t, s.WayOut)
		}
	}
}

func TestOnlyWhatHoldsIsOverridden(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	s.Freezes = []release.Freeze{freezeOf("over", -2*time.Hour, -time.Hour)}
	assert.Equal(t, "override: checkout/production has no freeze, now or later", refused(t, s, override(release.OverrideFreeze)))
	s.Freezes = []release.Freeze{freezeOf("later", time.Hour, 2*time.Hour)}
	take(t, s, override(release.OverrideFreeze))

	s = stateIn(t, release.PhaseSoak)
	assert.Equal(t, "override: no region has lost its readiness", refused(t, s, override(release.OverrideReadiness)), "not known is not lost")
	s.Regions[0].Readiness = release.Readiness{Ready: true, At: t0}
	assert.Equal(t, "override: no region has lost its readiness", refused(t, s, override(release.OverrideReadiness)))

	s = stateIn(t, release.PhaseSwitch)
	assert.Equal(t, "override: no share is being judged (the release is in switch)", refused(t, s, override(release.OverrideAnalysis)), "no share was moved")
	s.Regions[0].Steps = []release.StepState{{Weight: 10, Shifted: t0.Add(-time.Minute), Done: t0}}
	assert.Equal(t, "override: no share is being judged (the release is in switch)", refused(t, s, override(release.OverrideAnalysis)), "the next one was not moved yet")
}

func TestAnAnalysisIsOverriddenForOneStep(t *testing.T) {
	s := held(t, release.PhaseSwitch)
	take(t, s, override(release.OverrideAnalysis))
	require.True(t, s.Overridden(release.OverrideAnalysis))
	s.Regions[0].Steps[0].Done = t0
	require.False(t, s.Overridden(release.OverrideAnalysis), "between two steps nothing is judged")
	s.Regions[0].Steps = append(s.Regions[0].Steps, release.StepState{Weight: 50, Shifted: t0.Add(time.Minute)})
	require.False(t, s.Overridden(release.OverrideAnalysis), "the next step is judged anew")
	_, err := s.TakeOrder(override(release.OverrideAnalysis), t0.Add(2*time.Minute))
	require.NoError(t, err)
	require.True(t, s.Overridden(release.OverrideAnalysis))
	require.True(t, s.OverriddenSince(release.OverrideAnalysis, t0.Add(2*time.Minute)))
	require.False(t, s.OverriddenSince(release.OverrideAnalysis, t0.Add(2*time.Minute+1)))
}

// An override counts only for a share that somebody could look at when it was given:
// the last region that was moved decides.
func TestAnAnalysisIsOverriddenForSharesThatWereSeen(t *testing.T) {
	s := held(t, release.PhaseSwitch)
	take(t, s, override(release.OverrideAnalysis))
	s.Regions = append(s.Regions, release.RegionState{Name: "local-b", Wave: 1, Steps: []release.StepState{{Weight: 10, Shifted: t0.Add(time.Second)}}})
	require.False(t, s.Overridden(release.OverrideAnalysis))
}

func TestWhoMayOverride(t *testing.T) {
	s := held(t, release.PhaseWindow)
	s.Request.Spec.Rights.Override = []string{"Eve", " Bob"}
	mallory := override(release.OverrideWindow)
	mallory.By = "mallory"
	require.Equal(t, "override: mallory may not give this order; it is for: Eve,  Bob (rights.override)", refused(t, s, mallory))
	take(t, s, override(release.OverrideWindow))

	none := override(release.OverrideFreeze)
	none.Comment = " "
	require.Equal(t, `override: "comment" is missing: an override needs a reason`, refused(t, s, none))
	require.Equal(t, `override: "gate" is "retire"; an override is of one of freeze, window, readiness, analysis`, refused(t, s, override("retire")))
}

func TestARequestThatOverridesTheFreeze(t *testing.T) {
	r := aRequest()
	require.NoError(t, r.CheckOverride())
	r.OverrideFreeze = "security fix"
	require.NoError(t, r.CheckOverride(), "no list means anyone")
	s := release.NewState(r, t0)
	require.True(t, s.Overridden(release.OverrideFreeze))
	r.Spec.Rights.Override = []string{"eve"}
	require.EqualError(t, r.CheckOverride(), "override: ada may not give this order; it is for: eve (rights.override)")
	r.Requester = " Eve "
	require.NoError(t, r.CheckOverride())
	r.OverrideFreeze = strings.Repeat("x", 1001)
	require.EqualError(t, r.CheckOverride(), "override: the reason is 1001 bytes long, at most 1000 are taken")
}

func TestWhoMayFinishTheSoak(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	s.Request.Spec.Rights.FinishSoak = []string{"EVE"}
	require.Equal(t, "finish-soak: bob may not give this order; it is for: EVE (rights.finishSoak)", refused(t, s, orderOf(s, release.OrderFinishSoak)))
	take(t, s, orderOf(s, release.OrderExtendSoak))
	take(t, s, release.Order{Kind: release.OrderFinishSoak, By: "eve"})
	require.Equal(t, "eve", s.Soak.Finished)
}

func TestAPauseHoldsTheWayBackToo(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	take(t, s, orderOf(s, release.OrderRollback))
	require.NoError(t, s.Enter(s.LeavePhase(), t0))
	for _, h := range release.OrderKinds() {
		if h.Kind != release.OrderPause && h.Kind != release.OrderResume {
			require.Equal(t, string(h.Kind)+": traffic is on its way back already; only pause and resume are taken now", refused(t, s, orderOf(s, h.Kind)))
		}
	}
	require.Equal(t, "resume: the release is not paused", refused(t, s, orderOf(s, release.OrderResume)))
	require.Equal(t, "paused: no share moves until resume", take(t, s, orderOf(s, release.OrderPause)))
	require.Equal(t, "resumed", take(t, s, orderOf(s, release.OrderResume)))
}

func TestAPauseCanAlwaysBeLifted(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	take(t, s, release.Order{Kind: release.OrderExtendSoak, By: "bob", For: 1})
	for i := range 199 {
		take(t, s, orderOf(s, []release.OrderKind{release.OrderPause, release.OrderResume}[i%2]))
	}
	require.NotNil(t, s.Paused, "the pause was the last order within the limit")
	require.Equal(t, "resumed", take(t, s, orderOf(s, release.OrderResume)))
	require.Contains(t, refused(t, s, orderOf(s, release.OrderPause)), "200 orders")
}

// Attended is when somebody last gave an order that was taken, whatever else was sent.
func TestOrdersThatAreTakenShowThatSomebodyLooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := held(t, rapid.SampledFrom([]release.Phase{release.PhaseSwitch, release.PhaseSoak, release.PhaseWindow}).Draw(t, "phase"))
		now, last := t0, time.Time{}
		for range rapid.IntRange(0, 10).Draw(t, "orders") {
			now = now.Add(time.Minute)
			o := orderOf(s, rapid.SampledFrom(release.OrderKinds()).Draw(t, "kind").Kind)
			if o.Kind == release.OrderOverride {
				o.Gate = rapid.SampledFrom(release.Overridable()).Draw(t, "what")
			}
			if _, err := s.TakeOrder(o, now); err == nil {
				last = now
			}
			require.Equal(t, last, s.Attended)
		}
	})
}
