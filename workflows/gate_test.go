package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func gate(change func(*spec.Gate)) func(*spec.Spec) {
	return func(s *spec.Spec) {
		g := spec.Gate{Name: "switch", Before: spec.BeforeSwitch}
		change(&g)
		s.Gates = append(s.Gates, g)
	}
}

func (w *world) approveAs(who, gate string) func() {
	return func() { w.signal(release.OrderApprove, body{"by": who, "gate": gate, "plan": w.state().Plan.Digest}) }
}

func TestRejectedAtTheGateLeavesTheLiveFleetAlone(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Minute, w.by(release.OrderReject))
	s := w.run()
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, "rejected", s.Outcome())
	require.Equal(t, "because", s.WayOut.Reason)
	require.Zero(t, w.count(activities.ShiftTraffic))
	require.NotContains(t, w.fleets, "local-a/"+candidate)
}

func TestApprovalMayArriveBeforeTheGate(t *testing.T) {
	w := newWorld(t).serving("local-a")
	first := true
	w.during[activities.VerifyFleet] = func() {
		if first {
			first = false
			w.signal(release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": w.planDigest})
		}
	}
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.NotContains(t, phases(s), release.PhaseGate, "nothing to wait for")
}

func TestTheRequesterDoesNotCountAtAFourEyesGate(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Minute, w.approveAs("Ada", "switch"))
	w.at(release.PhaseGate, 2*time.Minute, w.approve)
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.Contains(t, s.Refusals[0].Reason, "four eyes")
	require.Len(t, s.Gates[0].Approvals, 1)
}

func TestGateWaitsForTwoOfThreeApprovers(t *testing.T) {
	w := newWorld(t).serving("local-a")
	for i, who := range []string{"grace", "grace", "mallory", "linus"} {
		w.at(release.PhaseGate, time.Duration(i+1)*time.Minute, w.approveAs(who, "switch"))
	}
	s := w.run(gate(func(g *spec.Gate) { g.Count, g.Approvers = 2, []string{"grace", "linus", "barbara"} }))
	require.Equal(t, "completed", s.Outcome())
	require.Len(t, s.Refusals, 2)
	require.Contains(t, s.Refusals[0].Reason, "counts for gate \"switch\" already")
	require.Contains(t, s.Refusals[1].Reason, "mallory may not decide")
	require.Equal(t, "linus", s.Gates[0].Approvals[1].By)
}

func TestGateThatExpiresRejects(t *testing.T) {
	w := newWorld(t).serving("local-a")
	s := w.run(gate(func(g *spec.Gate) { g.Expiry = spec.Duration(time.Hour) }))
	require.Equal(t, "rejected", s.Outcome())
	require.Contains(t, s.WayOut.Reason, "not approved within 1h")
	require.Equal(t, time.Hour, s.WayOut.At.Sub(s.Gates[0].Opened))
}

func TestGateThatHoldsAtItsExpiryAsksForHelpAndGoesOnWaiting(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, 5*time.Hour, w.approve)
	s := w.run(gate(func(g *spec.Gate) { g.Expiry, g.OnExpiry = spec.Duration(time.Hour), spec.OnExpiryHold }), tellOps)
	require.Equal(t, "completed", s.Outcome())
	require.Contains(t, s.Warnings[0], "waited longer than")
	require.Contains(t, w.calls, activities.Notify+" help-needed")
}

func TestApprovalOfAnotherPlanIsRefusedAndTheReleaseGoesOn(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Minute, func() {
		w.signal(release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": "sha256:000000000000"})
	})
	w.at(release.PhaseGate, 2*time.Minute, w.approve)
	s := w.run()
	require.Equal(t, "completed", s.Outcome())
	require.Contains(t, s.Refusals[0].Reason, "is not the plan of this release")
}

func TestTwoGatesAreTakenOneAfterTheOther(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Minute, w.approveAs("grace", "security"))
	w.at(release.PhaseGate, time.Hour, w.approveAs("grace", "switch"))
	s := w.run(gate(func(*spec.Gate) {}), gate(func(g *spec.Gate) { g.Name = "security" }))
	require.Equal(t, "completed", s.Outcome())
	require.Empty(t, s.Refusals)
}

func tellOps(s *spec.Spec) {
	s.Notifications = []spec.Notification{{Name: "ops", URL: "env:OPS_URL"}}
}
