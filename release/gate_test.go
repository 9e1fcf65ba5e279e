package release_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func TestApproving(t *testing.T) {
	two := switchGate()
	two.Count, two.Approvers = 2, []string{"Bob", "eve", "ada"}
	s := stateIn(t, release.PhaseGate, two)
	require.Equal(t, `counted for gate "switch"; 1 more needed`, take(t, s, approval(s, "bob", "switch")), "names do not mind case")
	require.NotNil(t, s.OpenGate(release.BeforeSwitch))
	require.Equal(t, 1, s.Gates[0].Missing())
	require.Equal(t, `gate "switch" is approved`, take(t, s, approval(s, "eve", "")))
	require.Nil(t, s.OpenGate(release.BeforeSwitch))
	require.Zero(t, s.Gates[0].Missing())
	require.Equal(t, s.Plan.Digest, s.Gates[0].Approvals[1].Plan, "an approval keeps the plan it was given for")
	require.Equal(t, `approve: gate "switch" is approved already`, refused(t, s, approval(s, "ada", "switch")))
}

func TestApprovalsThatDoNotCount(t *testing.T) {
	two := switchGate()
	two.Count, two.Approvers = 2, []string{"ada", "bob", "eve"}
	s := stateIn(t, release.PhaseGate, two)
	take(t, s, approval(s, "bob", ""))
	digest := s.Plan.Digest
	other := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		name, by, gate, plan, want string
	}{
		{"the requester", "ada", "switch", digest, `approve: ada asked for this release; gate "switch" wants somebody else to approve it (four eyes)`},
		{"the requester in capitals", "ADA", "switch", digest, `approve: ADA asked for this release; gate "switch" wants somebody else to approve it (four eyes)`},
		{"not an approver", "mallory", "switch", digest, `approve: mallory may not decide gate "switch"; it is for: ada, bob, eve`},
		{"twice", "bob", "switch", digest, `approve: the approval of bob counts for gate "switch" already; 1 more needed from others`},
		{"twice in capitals", "BOB", "", digest, `approve: the approval of BOB counts for gate "switch" already; 1 more needed from others`},
		{"unknown gate", "eve", "swich", digest, `approve: there is no gate "swich"; the gates are: switch`},
		{"no plan", "eve", "switch", "", `approve: "plan" is missing; an approval counts for one plan only, this one is ` + digest},
		{"short plan", "eve", "switch", digest[:len("sha256:")+11], `approve: "plan" has 11 hex digits, at least 12 are needed; the plan is ` + digest},
		{"only the prefix", "eve", "switch", "sha256:", `approve: "plan" has 0 hex digits, at least 12 are needed; the plan is ` + digest},
		{"another plan", "eve", "switch", other, `approve: plan ` + other + ` is not the plan of this release, which is ` + digest + `; look at it again before you approve`},
		{"more than the plan", "eve", "switch", digest + "0", `approve: plan ` + digest + `0 is not the plan of this release, which is ` + digest + `; look at it again before you approve`},
	} {
		assert.Equal(t, c.want, refused(t, s, release.Order{Kind: release.OrderApprove, By: c.by, Gate: c.gate, Plan: c.plan}), c.name)
	}
}

func TestAPlanMayBeNamedByItsBeginning(t *testing.T) {
	for _, cut := range []func(string) string{
		func(d string) string { return d },
		func(d string) string { return strings.TrimPrefix(d, "sha256:") },
		func(d string) string { return d[:len("sha256:")+12] },
		func(d string) string { return strings.ToUpper(d[len("sha256:") : len("sha256:")+20]) },
	} {
		s := stateIn(t, release.PhaseGate, switchGate())
		take(t, s, release.Order{Kind: release.OrderApprove, By: "bob", Plan: cut(s.Plan.Digest)})
		require.Equal(t, release.GateApproved, s.Gates[0].Decided)
	}
}

func TestFourEyes(t *testing.T) {
	unsaid := switchGate()
	unsaid.FourEyes = nil
	s := stateIn(t, release.PhaseGate, unsaid)
	require.Contains(t, refused(t, s, approval(s, "ada", "")), "four eyes", "four eyes unless the spec says otherwise")
	s.Request.Requester = " Ada "
	require.Contains(t, refused(t, s, approval(s, "ada", "")), "four eyes")

	two := switchGate()
	two.FourEyes = ptr(false)
	s = stateIn(t, release.PhaseGate, two)
	take(t, s, approval(s, "ada", ""))
}

func TestAnApprovalMayComeBeforeItsGate(t *testing.T) {
	s := stateIn(t, release.PhaseBake, switchGate(), lastGate())
	take(t, s, approval(s, "bob", "retire"))
	take(t, s, approval(s, "bob", "switch"))
	assert.Nil(t, s.OpenGate(release.BeforeSwitch))
	assert.Nil(t, s.OpenGate(release.BeforeDecommission))
	assert.True(t, s.Gates[0].Opened.IsZero())
}

func TestWhichGateIsMeant(t *testing.T) {
	s := stateIn(t, release.PhaseGate, switchGate(), lastGate())
	require.Equal(t, `approve: 2 gates are open, say which with "gate": switch, retire`, refused(t, s, approval(s, "bob", "")))
	require.Equal(t, `reject: 2 gates are open, say which with "gate": switch, retire`, refused(t, s, orderOf(s, release.OrderReject)))
	take(t, s, approval(s, "bob", "switch"))
	take(t, s, approval(s, "bob", ""))
	require.Equal(t, `approve: no gate is open; the gates are: switch, retire`, refused(t, s, approval(s, "eve", "")))

	none := stateIn(t, release.PhaseVerify)
	require.Equal(t, `approve: this release has no gate`, refused(t, none, approval(none, "bob", "")))
	take(t, none, orderOf(none, release.OrderReject))
}

func TestRejecting(t *testing.T) {
	g := switchGate()
	g.Approvers = []string{"bob"}
	s := stateIn(t, release.PhaseGate, g)
	require.Equal(t, `reject: mallory may not decide gate "switch"; it is for: bob`, refused(t, s, release.Order{Kind: release.OrderReject, By: "mallory"}))
	require.Contains(t, refused(t, s, release.Order{Kind: release.OrderReject, By: "bob", Plan: strings.Repeat("0", 64)}), "is not the plan of this release")
	require.Contains(t, refused(t, s, release.Order{Kind: release.OrderReject, By: "bob", Gate: "nope"}), `there is no gate "nope"`)
	take(t, s, release.Order{Kind: release.OrderReject, By: "bob", Comment: "too risky"})
	require.NotNil(t, s.OpenGate(release.BeforeSwitch), "a rejected gate never opens")
	require.NoError(t, s.Enter(s.LeavePhase(), t0))
	require.Equal(t, release.PhaseRejected, s.EndPhase(true))

	for _, p := range []release.Phase{release.PhaseVerify, release.PhaseSoak} {
		done := stateIn(t, p, switchGate())
		take(t, done, approval(done, "bob", ""))
		instead := map[bool]release.OrderKind{false: release.OrderAbort, true: release.OrderRollback}[done.TrafficMayHaveMoved()]
		require.Equal(t, "reject: every gate is decided already; send "+string(instead)+" instead", refused(t, done, release.Order{Kind: release.OrderReject, By: "bob"}))
		take(t, done, orderOf(done, instead))
	}

	anyone := switchGate()
	own := stateIn(t, release.PhaseGate, anyone)
	take(t, own, release.Order{Kind: release.OrderReject, By: "ada"}) // nobody needs a second pair of eyes to stop
}

func TestExpiry(t *testing.T) {
	s := stateIn(t, release.PhaseGate, switchGate())
	require.True(t, s.Expire(s.OpenGate(release.BeforeSwitch), t0))
	require.Equal(t, release.GateExpired, s.Gates[0].Decided)
	require.Equal(t, `gate "switch" was not approved within 1h`, s.WayOut.Reason)
	require.NotNil(t, s.OpenGate(release.BeforeSwitch), "an expired gate stays closed")
	require.Equal(t, release.PhaseCleanUp, s.LeavePhase())

	hold := switchGate()
	hold.OnExpiry = spec.OnExpiryHold
	s = stateIn(t, release.PhaseGate, hold)
	require.False(t, s.Expire(s.OpenGate(release.BeforeSwitch), t0))
	require.False(t, s.Expire(s.OpenGate(release.BeforeSwitch), t0.Add(time.Hour)))
	require.Equal(t, []string{`gate "switch" has waited longer than 1h; it goes on waiting, as its spec says`}, s.Warnings)
	take(t, s, approval(s, "bob", ""))
	require.Nil(t, s.OpenGate(release.BeforeSwitch), "a gate that holds may still be approved")
	require.False(t, s.Expire(&s.Gates[0], t0))
	require.Equal(t, release.GateApproved, s.Gates[0].Decided, "a decision that came first stands")

	s = stateIn(t, release.PhaseGate, switchGate())
	g := s.OpenGate(release.BeforeSwitch)
	take(t, s, approval(s, "bob", ""))
	require.False(t, s.Expire(g, t0), "the timer fired in the same moment")
	require.Equal(t, release.GateApproved, g.Decided)
	require.Nil(t, s.WayOut)

	late := stateIn(t, release.PhaseWindow, lastGate())
	require.True(t, late.Expire(late.OpenGate(release.BeforeDecommission), t0))
	require.Equal(t, release.PhaseRollback, late.LeavePhase())
}

func TestGatesFailClosed(t *testing.T) {
	g := switchGate()
	g.Count = 0
	s := stateIn(t, release.PhaseGate, g)
	require.Equal(t, 1, s.Gates[0].Missing(), "no count means one")
	s.Gates[0].Decided = "something new"
	require.NotNil(t, s.OpenGate(release.BeforeSwitch), "only an approval opens a gate")
}

// In whatever order approvals arrive, doubled or not, the gate decides the same:
// it opens exactly when enough of those who may have approved this plan.
func TestTheOrderOfApprovalsDoesNotCount(t *testing.T) {
	people := []string{"ada", "bob", "eve", "joe", "mallory"}
	rapid.Check(t, func(t *rapid.T) {
		g := switchGate()
		g.Count = rapid.IntRange(1, 4).Draw(t, "count")
		g.Approvers = []string{"ada", "bob", "eve", "joe"}
		s := stateIn(t, release.PhaseGate, g)
		var sent []release.Order
		right := map[string]bool{}
		for range rapid.IntRange(0, 8).Draw(t, "orders") {
			o := approval(s, rapid.SampledFrom(people).Draw(t, "by"), "")
			if rapid.IntRange(0, 3).Draw(t, "wrong plan") == 0 {
				o.Plan = strings.Repeat("0", 64)
			} else if o.By != "ada" && o.By != "mallory" {
				right[o.By] = true
			}
			sent = append(sent, o)
		}
		for _, o := range rapid.Permutation(sent).Draw(t, "arrival") {
			_, _ = s.TakeOrder(o, t0)
			require.LessOrEqual(t, len(s.Gates[0].Approvals), g.Count, "never more approvals than needed")
			s = reopened(t, s)
		}
		require.Equal(t, len(right) >= g.Count, s.OpenGate(release.BeforeSwitch) == nil)
		require.Equal(t, min(len(right), g.Count), len(s.Gates[0].Approvals))
		for _, a := range s.Gates[0].Approvals {
			require.True(t, right[a.By])
		}
	})
}
