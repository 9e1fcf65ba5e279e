//go:build judging

package judging

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

// A release that waits for a person, and for whom nobody comes, ends as its spec says.
func TestADeadMansReleaseEnds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, differs string
		when          func(release.State) bool // somebody pauses it and goes home
		outcome       string
		serves        string
	}{
		{"before-the-switch", "gates: [{before: switch}]", func(st release.State) bool { return st.Phase == release.PhaseGate }, "aborted", "v1"},
		{"with-the-traffic-split", "traffic: {strategy: canary, canary: {steps: [{weight: 20, hold: 3s}]}}", func(st release.State) bool {
			return len(st.Regions) > 0 && len(st.Regions[0].Steps) == 1 && !st.Regions[0].Steps[0].Shifted.IsZero()
		}, "rolled-back", "v1"},
		{"in-the-soak", "soak: {duration: 3s}", func(st release.State) bool { return st.Phase == release.PhaseSoak }, "completed", "v2"},
		{"in-the-soak-back", "soak: {duration: 3s}\ndeadMan: {then: rollback}", func(st release.State) bool { return st.Phase == release.PhaseSoak }, "rolled-back", "v1"},
	}
	for _, c := range cases {
		tell(t, spec.PlatformLocal, "deadman-"+c.name, func(s *story) {
			l := s.load(s.live(""), 20)
			differs := s.parse("deadMan: {after: 6s}")
			merge(differs, s.parse(c.differs))
			h := s.start("v2", "2.0.0", s.text(differs))
			s.until(h, "somebody pauses it", c.when)
			s.order(h, release.Order{Kind: release.OrderPause})
			end := s.ended(h)
			require.Equal(s.t, c.outcome, end.Outcome(), "%s", s.excerpt(end))
			s.noneFailed(l)
			if c.serves == "v1" {
				require.Contains(s.t, end.WayOut.Reason, "no order came")
				s.settled("v1", 2)
				return
			}
			require.True(s.t, end.Kept)
			s.instances("v1", 2) // left for a person
			weights, err := s.ports.Router.Weights(s.t.Context(), s.region, s.target)
			require.NoError(s.t, err)
			require.Equal(s.t, 100, weights.Of(s.fleet("v2")))
		})
	}
}

// A freeze holds the switch and the decommission; who overrides it says why.
func TestAFreezeHolds(t *testing.T) {
	t.Parallel()
	tell(t, spec.PlatformLocal, "frozen", func(s *story) {
		l := s.load(s.live(""), 20)
		h := s.start("v2", "2.0.0", "gates: [{before: switch}]\nsoak: {duration: 1h}")
		st := s.await(h, release.PhaseGate)
		s.freeze("sale")
		s.order(h, release.Order{Kind: release.OrderApprove, Gate: "switch", Plan: st.Plan.Digest})
		st = s.until(h, "the freeze holds the switch", func(st release.State) bool {
			return st.Phase == release.PhaseSwitch && st.WaitingFor != "" && len(st.Freezes) == 1
		})
		require.Contains(s.t, st.WaitingFor, "sale")
		require.False(s.t, st.Regions[0].Switched)
		_, err := starter.Order(s.t.Context(), s.client, h.WorkflowID, release.Order{Kind: release.OrderOverride, By: "grace", Gate: release.OverrideFreeze})
		require.ErrorContains(s.t, err, "reason")
		s.thaw("sale")
		s.await(h, release.PhaseSoak)

		s.freeze("audit")
		s.until(h, "the release knows", func(st release.State) bool { return len(st.Freezes) == 1 })
		s.order(h, release.Order{Kind: release.OrderFinishSoak})
		st = s.until(h, "the freeze holds the decommission", func(st release.State) bool {
			return st.Phase == release.PhaseWindow && st.WaitingFor != ""
		})
		require.Contains(s.t, st.WaitingFor, "audit")
		s.instances("v1", 2)
		s.order(h, release.Order{Kind: release.OrderOverride, Gate: release.OverrideFreeze, Comment: "the auditor agrees"})
		end := s.completed(h)
		require.Equal(s.t, "the auditor agrees", end.Overrides[0].Comment)
		s.noneFailed(l)
		s.settled("v2", 2)
	})
}

func (s *story) freeze(name string) {
	s.t.Helper()
	now := time.Now()
	s.tellEnvironment(release.UpdateFreeze, release.Freeze{Name: name, From: now.Add(-time.Second), Until: now.Add(time.Hour), Reason: "a test", By: "grace"})
}

func (s *story) thaw(name string) {
	s.t.Helper()
	s.tellEnvironment(release.UpdateThaw, release.ThawRequest{Name: name, By: "grace"})
}

func (s *story) tellEnvironment(update string, body any) {
	s.t.Helper()
	h, err := s.client.UpdateWorkflow(s.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: release.EnvironmentWorkflowID(s.target), UpdateName: update, Args: []any{body}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(s.t, err)
	require.NoError(s.t, h.Get(s.t.Context(), nil))
}
