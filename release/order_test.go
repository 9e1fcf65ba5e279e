package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// The orders that are taken in each phase; every other one is refused. The gate is
// before the decommission, so it is undecided throughout; what is overridden is the
// window. Resume and the other overrides have tests of their own.
var takenIn = map[release.Phase]string{
	release.PhaseRequested: "reject pause abort",
	release.PhaseAdmitted:  "reject pause abort",
	release.PhaseBake:      "approve reject pause abort",
	release.PhaseExpand:    "approve reject pause abort",
	release.PhaseProvision: "approve reject pause abort",
	release.PhaseVerify:    "approve reject pause abort",
	release.PhaseGate:      "approve reject pause abort",
	release.PhaseSwitch:    "approve reject rollback pause",
	release.PhaseWatch:     "approve reject rollback pause",
	release.PhaseSoak:      "approve reject rollback pause extend-soak finish-soak",
	release.PhaseWindow:    "approve reject rollback pause override",
	release.PhaseStop:      "approve reject rollback pause",
	release.PhaseRollback:  "pause",
}

func orderOf(s *release.State, kind release.OrderKind) release.Order {
	o := release.Order{Kind: kind, By: "bob", Comment: "why"}
	switch kind {
	case release.OrderApprove:
		o.Plan = s.Plan.Digest
	case release.OrderExtendSoak:
		o.For = spec.Duration(2 * time.Hour)
	case release.OrderOverride:
		o.Gate = release.OverrideWindow
	}
	return o
}

func TestOrdersInEveryPhase(t *testing.T) {
	for _, p := range release.Phases() {
		for _, h := range release.OrderKinds() {
			t.Run(fmt.Sprintf("%s in %s", h.Kind, p), func(t *testing.T) {
				s := stateIn(t, p, lastGate())
				o := orderOf(s, h.Kind)
				before := asJSON(t, s)
				check := s.CheckOrder(o, t0)
				require.Equal(t, before, asJSON(t, s), "a check changes nothing")
				if !strings.Contains(" "+takenIn[p]+" ", " "+string(h.Kind)+" ") {
					require.Error(t, check)
					require.True(t, strings.HasPrefix(check.Error(), string(h.Kind)+": "), check)
					require.Equal(t, check.Error(), refused(t, s, o), "the check says what taking says")
					return
				}
				require.NoError(t, check)
				require.NotEmpty(t, take(t, s, o))
				require.Len(t, s.Orders, 1)
				require.Equal(t, p, s.Phase, "an order never moves the phase by itself")
			})
		}
	}
}

func TestWhyOrdersAreRefused(t *testing.T) {
	for _, c := range []struct {
		phase release.Phase
		kind  release.OrderKind
		want  string
	}{
		{release.PhaseRequested, release.OrderApprove, `approve: the plan is not made yet; read it first, then approve it by its digest`},
		{release.PhaseBake, release.OrderRollback, `rollback: no traffic has moved yet (the release is in bake); send abort instead`},
		{release.PhaseBake, release.OrderResume, `resume: the release is not paused`},
		{release.PhaseBake, release.OrderExtendSoak, `extend-soak: the release is in bake, not in its soak`},
		{release.PhaseSoak, release.OrderAbort, `abort: traffic may have moved to the candidate already; send rollback instead`},
		{release.PhaseWindow, release.OrderFinishSoak, `finish-soak: the release is in window, not in its soak`},
		{release.PhaseDecommission, release.OrderRollback, `rollback: the release is in decommission, past the point where orders change its course`},
		{release.PhaseRollback, release.OrderRollback, `rollback: traffic is on its way back already; only pause and resume are taken now`},
		{release.PhaseRollback, release.OrderApprove, `approve: traffic is on its way back already; only pause and resume are taken now`},
		{release.PhaseCleanUp, release.OrderPause, `pause: the release is in clean-up, past the point where orders change its course`},
		{release.PhaseContract, release.OrderAbort, `abort: the release is in contract, past the point where orders change its course`},
		{release.PhaseSoak, release.OrderOverride, `override: the release is in soak, it does not wait for its window`},
		{release.PhaseCompleted, release.OrderRollback, `rollback: the release is over (completed)`},
		{release.PhaseSoak, "dance", `"dance" is not an order`},
	} {
		s := stateIn(t, c.phase, lastGate())
		assert.Equal(t, c.want, refused(t, s, orderOf(s, c.kind)))
	}
	s := stateIn(t, release.PhaseSoak)
	assert.Equal(t, `pause: "by" is missing: who gives this order?`, refused(t, s, release.Order{Kind: release.OrderPause}))
}

func TestAbortWhileTheSwitchHasNotBegun(t *testing.T) {
	s := stateIn(t, release.PhaseSwitch)
	s.Regions[0].Switched = false
	take(t, s, orderOf(s, release.OrderAbort))
	require.NoError(t, s.Enter(s.LeavePhase(), t0))
	require.Equal(t, release.PhaseCleanUp, s.Phase)
	require.Equal(t, release.PhaseAborted, s.EndPhase(true))
}

// In a later wave traffic of the first has moved, so the way out is a rollback
// whatever the phase of the wave that is being worked on.
func TestOrdersInALaterWave(t *testing.T) {
	r := aRequest()
	r.Spec.Regions = append(r.Spec.Regions, spec.Region{Name: "local-b", Role: spec.RoleActive, Wave: 2})
	state := func() *release.State {
		s := release.NewState(r, t0)
		for _, p := range append(way(release.PhaseWatch), release.PhaseProvision, release.PhaseVerify) {
			if p != release.PhaseGate {
				move(t, &s, p, t0)
			}
		}
		return &s
	}
	s := state()
	require.Equal(t, 2, s.Wave)
	require.Equal(t, []int{1}, s.RegionsOf(2))
	require.Equal(t, `abort: traffic may have moved to the candidate already; send rollback instead`, refused(t, s, orderOf(s, release.OrderAbort)))
	take(t, s, orderOf(s, release.OrderRollback))
	require.Equal(t, release.PhaseRollback, s.LeavePhase())
	require.NoError(t, s.Enter(s.LeavePhase(), t0))

	s = state()
	take(t, s, orderOf(s, release.OrderReject))
	require.NoError(t, s.Enter(s.LeavePhase(), t0))
	require.Equal(t, release.PhaseRollback, s.Phase)
}

func TestAFirstReleaseHasNothingToGoBackTo(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	s.Regions[0].Previous = ""
	const none = "region local-a has no previous fleet to go back to, this is its first release; finish-soak ends the release, " +
		"cancelling it in Temporal too, and the candidate keeps the traffic until a better version is released"
	assert.Equal(t, "rollback: "+none, refused(t, s, orderOf(s, release.OrderRollback)))
	assert.Equal(t, "reject: the candidate serves, and "+none, refused(t, s, orderOf(s, release.OrderReject)))
	assert.Equal(t, "abort: traffic has moved to the candidate already, and "+none, refused(t, s, orderOf(s, release.OrderAbort)))
}

func TestTheFirstWayOutStands(t *testing.T) {
	s := stateIn(t, release.PhaseSoak, lastGate())
	take(t, s, release.Order{Kind: release.OrderRollback, By: "eve", Comment: "errors"})
	for _, h := range release.OrderKinds() {
		assert.Equal(t, fmt.Sprintf("%s: the release is on its way out already (rollback: errors)", h.Kind), refused(t, s, orderOf(s, h.Kind)))
	}
	assert.Equal(t, &release.WayOut{Leave: release.LeaveRollback, By: "eve", Reason: "errors", At: t0}, s.WayOut)
}

func TestAWayOutWithoutACommentNamesItsGiver(t *testing.T) {
	s := stateIn(t, release.PhaseBake)
	require.Equal(t, "the release leaves by clean-up", take(t, s, release.Order{Kind: release.OrderAbort, By: "eve"}))
	require.Equal(t, "abort by eve", s.WayOut.Reason)
}

func TestPauseAndResume(t *testing.T) {
	for _, p := range release.Phases() {
		if !p.Live() && p != release.PhaseRollback {
			continue
		}
		s := stateIn(t, p)
		take(t, s, orderOf(s, release.OrderPause))
		require.Equal(t, &release.Pause{By: "bob", Comment: "why", At: t0}, s.Paused)
		require.Equal(t, "pause: paused already by bob", refused(t, s, release.Order{Kind: release.OrderPause, By: "eve"}))
		require.Equal(t, "resumed", take(t, s, release.Order{Kind: release.OrderResume, By: "eve"}))
		require.Nil(t, s.Paused)
		require.Equal(t, "resume: the release is not paused", refused(t, s, orderOf(s, release.OrderResume)))
	}
}

func TestSoakOrders(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	end := s.Soak.End
	day := release.Order{Kind: release.OrderExtendSoak, By: "bob", For: spec.Duration(24 * time.Hour)}
	require.Equal(t, "the soak ends 2026-03-04T10:00:00Z", take(t, s, day))
	require.Equal(t, end.Add(24*time.Hour), s.Soak.End)
	for range 6 {
		take(t, s, day)
	}
	require.Equal(t, "extend-soak: 192h in all is more than the 168h a soak may be extended by", refused(t, s, day))
	require.Contains(t, refused(t, s, release.Order{Kind: release.OrderExtendSoak, By: "bob", For: -1}), "how much longer?")

	later := t0.Add(3 * time.Hour)
	effect, err := s.TakeOrder(release.Order{Kind: release.OrderFinishSoak, By: "eve"}, later)
	require.NoError(t, err)
	require.Equal(t, "the soak ends now", effect)
	require.Equal(t, later, s.Soak.End)
	require.Equal(t, "finish-soak: eve has ended the soak already", refused(t, s, orderOf(s, release.OrderFinishSoak)))
	require.Equal(t, "extend-soak: eve has ended the soak already", refused(t, s, orderOf(s, release.OrderExtendSoak)))
}

func TestTheSameIDIsTheSameOrder(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	o := release.Order{Kind: release.OrderExtendSoak, ID: "7", By: "bob", For: spec.Duration(time.Hour)}
	take(t, s, o)
	before := asJSON(t, s)
	require.Equal(t, "taken before; nothing more was done", take(t, s, o))
	require.Equal(t, before, asJSON(t, s))

	s.Phase = release.PhaseCompleted
	require.NoError(t, s.CheckOrder(o, t0), "an answer that was lost is given again after the end too")
	require.Equal(t, "taken before; nothing more was done", take(t, s, o))
}

func TestAnIDNeverSwallowsAnotherOrder(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	take(t, s, release.Order{Kind: release.OrderPause, ID: "1", By: "bob"})
	require.Equal(t, `rollback: id "1" was taken for another order (pause by bob); send this one with an id of its own, or none`,
		refused(t, s, release.Order{Kind: release.OrderRollback, ID: "1", By: "bob"}))
	require.Contains(t, refused(t, s, release.Order{Kind: release.OrderPause, ID: "1", By: "eve"}), "another order")
}

func TestManyOrdersNeverBlockTheWayOut(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	for i := range 200 {
		kind := release.OrderPause
		if i%2 == 1 {
			kind = release.OrderResume
		}
		take(t, s, release.Order{Kind: kind, By: "script", Comment: strings.Repeat("c", 1000)})
	}
	require.Equal(t, "pause: the release has taken 200 orders, its limit; only abort, reject, rollback and resume are taken now",
		refused(t, s, orderOf(s, release.OrderPause)))
	require.Less(t, len(asJSON(t, s)), 1<<20, "the state fits into one payload")
	take(t, s, orderOf(s, release.OrderRollback))
}

func TestFinishSoakIsTakenWhateverTheDeadline(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	s.Request.Spec.Deadline = spec.Duration(time.Hour)
	s.Soak.End = s.RequestedAt.Add(5 * time.Hour) // the gate took long
	require.NoError(t, s.CheckOrder(release.Order{Kind: release.OrderFinishSoak, By: "ada"}, t0))
	require.ErrorContains(t, s.CheckOrder(release.Order{Kind: release.OrderExtendSoak, By: "ada", For: spec.Duration(time.Hour)}, t0), "after the release's deadline")
}
