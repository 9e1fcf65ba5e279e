package release_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// What the tests of this package prove of the promises (docs, "Promises"). The
// domain decides; that the decisions are carried out is for the tests of the
// workflows, the activities and the platforms.
//
//  1. Traffic reaches verified fleets only. TestNothingIsSwitchedUnverified: every
//     path to a switch leads through the verification of the same wave.
//     TestTallyCountsRoundsInARow: anything but a pass starts the row anew.
//  2. Capacity. TestParity, TestCapacityIsForTodaysLoad: measured by instances in
//     service, never by what is desired.
//  3. A rollback works until the point of no return. TestAReleaseUnderAnyOrders,
//     TestEveryWayOutIsLegal, TestOrdersInEveryPhase, TestManyOrdersNeverBlockTheWayOut;
//     TestReadiness for the proof during the soak; TestPlansBelowTheFloorAreRefused for
//     what a contracted database does not carry; TestAnUnattendedReleaseEnds.
//  4. Nothing is terminated under traffic. TestDrained.
//     TestNothingIsTakenAwayWithoutEveryApproval: the decommission comes after soak
//     and window only, and nothing leads back from it.
//  5. The ledger. TestLedger: a line is never removed, what may exist is open.
//  6. One holder per target. TestOneHolderFirstComeFirstServed, TestNothingBeginsInAFreeze.
//  7. Repeating has no other effect. TestTheSameIDIsTheSameOrder,
//     TestAnIDNeverSwallowsAnotherOrder, TestOneHolderFirstComeFirstServed (lost
//     answers), TestLedger, TestTheDigestKnowsEveryChange (same input, same plan).
//  8. Unknown is never good. TestErrorRate, TestWorst, TestWatching, TestReadiness,
//     TestDrained, TestWhatIsNotPlanned, TestGatesFailClosed, TestCurvesWithoutAWindow.
//  9. Secrets. Nothing here: plans and states hold what the spec holds, which is
//     references; release/spec refuses anything else.
//  10. Changes out of band. TestWhatIsNotPlanned: split traffic and unknown live
//     fleets are refused; TestTheDigestKnowsEveryChange: an approval does not
//     survive a change of what was seen.

// Whatever orders come, in any phase, doubled, shuffled between the steps, with the
// run continued as new at any point: the machine has the way for each decision, a
// refused order changes nothing, gates hold, and an end is reached.
func TestAReleaseUnderAnyOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, last := switchGate(), lastGate()
		first.Count = rapid.IntRange(1, 2).Draw(t, "count")
		r := aRequest(first, last)
		for i := range rapid.IntRange(0, 2).Draw(t, "more regions") {
			r.Spec.Regions = append(r.Spec.Regions, spec.Region{Name: string(rune('b' + i)), Wave: i + 1})
		}
		fresh := release.NewState(r, t0)
		s := &fresh
		s.Freezes = []release.Freeze{freezeOf("fair", 0, 2*time.Hour)}
		now := t0
		for step := 0; !s.Phase.Ended(); step++ {
			if step == 200 {
				t.Fatal("no end after 200 steps")
			}
			now = now.Add(time.Minute)
			for range rapid.IntRange(0, 3).Draw(t, "orders") {
				sendAnything(t, s, now)
			}
			if seldom(t) {
				s.LeaveBy(rapid.SampledFrom([]release.Leave{release.LeaveFail, release.LeaveCancel, release.LeaveDeadline}).Draw(t, "why"), "", "trouble", now)
			}
			if rapid.Bool().Draw(t, "continued") {
				before := asJSON(t, s)
				s = reopened(t, s)
				require.Equal(t, before, asJSON(t, s), "a continued run starts from the same state")
			}
			if s.Paused == nil || step > 100 || s.Leaving() || !s.Phase.Live() {
				goOn(t, s, now, step > 100)
			}
		}
		require.False(t, s.EndedAt.IsZero())
		require.Equal(t, s.Phase == release.PhaseCompleted, s.WayOut == nil, "%s: every end but the good one has a reason", s.Phase)
		if s.Phase == release.PhaseCompleted {
			require.Empty(t, s.OpenGate(release.BeforeSwitch))
			require.Empty(t, s.OpenGate(release.BeforeDecommission))
		}
		require.LessOrEqual(t, len(s.Refusals), 20)
		require.Error(t, s.CheckOrder(release.Order{Kind: release.OrderPause, By: "eve"}, now))
	})
}

// seldom is true about once in twenty draws. Generators favour the ends of a range,
// so it asks for a number within.
func seldom(t *rapid.T) bool { return rapid.IntRange(0, 20).Draw(t, "seldom") == 13 }

// sendAnything sends an order, right or wrong, perhaps twice.
func sendAnything(t *rapid.T, s *release.State, now time.Time) {
	kinds := []release.OrderKind{release.OrderApprove, release.OrderApprove, release.OrderApprove, release.OrderResume, release.OrderResume}
	for _, h := range release.OrderKinds() {
		kinds = append(kinds, h.Kind)
	}
	o := release.Order{
		Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
		By:   rapid.SampledFrom([]string{"bob", "eve", "joe", "ada", ""}).Draw(t, "by"),
		ID:   rapid.SampledFrom([]string{"", "", "", "", "1", "2"}).Draw(t, "id"),
	}
	switch o.Kind {
	case release.OrderApprove:
		o.Gate = rapid.SampledFrom([]string{"switch", "retire", "switch", "retire", "", "nope"}).Draw(t, "gate")
		o.Plan = rapid.SampledFrom([]string{s.Plan.Digest, s.Plan.Digest, "sha256:000000000000"}).Draw(t, "plan")
	case release.OrderExtendSoak:
		o.For = spec.Duration(rapid.Int64Range(-1, int64(100*time.Hour)).Draw(t, "for"))
	case release.OrderOverride:
		o.Gate = rapid.SampledFrom(append(release.Overridable(), "", "nope")).Draw(t, "what")
		o.Comment = rapid.SampledFrom([]string{"needed", ""}).Draw(t, "reason")
	case release.OrderAbort, release.OrderReject, release.OrderRollback:
		if !seldom(t) {
			return
		}
	}
	before, phase := asJSON(t, s), s.Phase
	check := s.CheckOrder(o, now)
	require.Equal(t, before, asJSON(t, s), "a check changes nothing")
	_, err := s.TakeOrder(o, now)
	require.Equal(t, check == nil, err == nil, "taking does what the check says")
	require.Equal(t, phase, s.Phase, "an order never moves the phase by itself")
	if err != nil {
		require.Equal(t, before, asJSON(t, s), "a refused order changes nothing")
		s.Refuse(o.Kind, o.By, err, now)
	} else if o.ID != "" {
		before = asJSON(t, s)
		_, err = s.TakeOrder(o, now)
		require.NoError(t, err)
		require.Equal(t, before, asJSON(t, s), "the same order again changes nothing")
	}
	for _, g := range s.Gates {
		require.LessOrEqual(t, len(g.Approvals), g.Count)
		require.Equal(t, len(g.Approvals) == g.Count, g.Decided == release.GateApproved)
		for _, a := range g.Approvals {
			require.NotEqual(t, "ada", a.By, "four eyes")
			require.Equal(t, s.Plan.Digest, a.Plan)
		}
	}
	for i, v := range s.Overrides {
		require.NotEmpty(t, v.Comment, "no override without a reason")
		require.Contains(t, release.Overridable(), v.What)
		require.False(t, v.What != release.OverrideAnalysis && slices.ContainsFunc(s.Overrides[:i], func(o release.Override) bool { return o.What == v.What }))
	}
	require.LessOrEqual(t, s.Soak.Extended, release.MaxSoakExtension)
	require.False(t, s.Soak.End.Before(s.Soak.Start))
}

// goOn takes the next step as the workflow does: the way out if one was chosen,
// else forward; at a closed gate it waits, or lets the gate expire when hurried.
func goOn(t *rapid.T, s *release.State, now time.Time, hurried bool) {
	before := map[release.Phase]string{release.PhaseGate: release.BeforeSwitch, release.PhaseWindow: release.BeforeDecommission}[s.Phase]
	if g := s.OpenGate(before); g != nil && !s.Leaving() {
		if hurried {
			require.True(t, s.Expire(g, now))
		} else {
			return
		}
	}
	if s.Leaving() && s.Phase.Live() {
		moved := s.TrafficMayHaveMoved()
		require.NoError(t, s.Enter(s.LeavePhase(), now))
		require.Equal(t, moved, s.Phase == release.PhaseRollback, "traffic is moved back exactly when it may have moved")
		return
	}
	switch s.Phase {
	case release.PhaseCleanUp, release.PhaseRollback, release.PhaseDecommission:
		require.NoError(t, s.Enter(s.EndPhase(rapid.Bool().Draw(t, "clean")), now))
	case release.PhaseVerify:
		next := release.PhaseSwitch
		if s.OpenGate(release.BeforeSwitch) != nil {
			next = release.PhaseGate
		}
		shift(t, s, next, now)
	case release.PhaseGate:
		shift(t, s, release.PhaseSwitch, now)
	case release.PhaseWatch:
		if s.Wave < s.LastWave() {
			move(t, s, release.PhaseProvision, now)
		} else {
			move(t, s, release.PhaseSoak, now)
		}
	default:
		move(t, s, s.Phase.Next()[0], now)
	}
}

// shift enters a phase; in the switch it may stop before the first shift was tried.
func shift(t *rapid.T, s *release.State, to release.Phase, now time.Time) {
	move(t, s, to, now)
	if to == release.PhaseSwitch && seldom(t) {
		for _, i := range s.RegionsOf(s.Wave) {
			s.Regions[i].Switched = false
		}
		s.LeaveBy(release.LeaveFail, "", "too few instances", now)
	}
}

func comesFrom(p release.Phase) []release.Phase {
	var out []release.Phase
	for _, q := range release.Phases() {
		if q.MayFollow(p) {
			out = append(out, q)
		}
	}
	return out
}

func TestNothingIsSwitchedUnverified(t *testing.T) {
	require.Equal(t, []release.Phase{release.PhaseVerify, release.PhaseGate}, comesFrom(release.PhaseSwitch))
	require.Equal(t, []release.Phase{release.PhaseVerify}, comesFrom(release.PhaseGate))
	require.Equal(t, []release.Phase{release.PhaseProvision}, comesFrom(release.PhaseVerify))
	require.Equal(t, []release.Phase{release.PhaseBake, release.PhaseExpand, release.PhaseWatch}, comesFrom(release.PhaseProvision), "the next wave begins with a provision of its own")
}

func TestNothingIsTakenAwayWithoutEveryApproval(t *testing.T) {
	require.Equal(t, []release.Phase{release.PhaseWatch, release.PhaseSoak, release.PhaseWindow, release.PhaseStop}, comesFrom(release.PhaseDecommission),
		"without a stop nothing is taken away: there is nothing, or the dead man ends the release")
	require.Equal(t, []release.Phase{release.PhaseWindow}, comesFrom(release.PhaseStop))
	require.Equal(t, []release.Phase{release.PhaseDecommission}, comesFrom(release.PhaseContract), "older builds are gone before the database is contracted")
	require.Equal(t, []release.Phase{release.PhaseSoak}, comesFrom(release.PhaseWindow))
	require.Equal(t, []release.Phase{release.PhaseWatch}, comesFrom(release.PhaseSoak))
	require.False(t, slices.Contains(comesFrom(release.PhaseRollback), release.PhaseDecommission))
}

// The state is a workflow's input and a query's answer, so it must survive JSON in
// every phase, and the answer of an old run must still be read.
func TestTheStateSurvivesJSON(t *testing.T) {
	for _, p := range release.Phases() {
		s := stateIn(t, p, switchGate(), lastGate())
		require.Equal(t, *s, *reopened(t, s), p)
	}
	var old release.State
	require.NoError(t, json.Unmarshal([]byte(`{"phase":"soak","someday":1}`), &old))
	require.Equal(t, release.PhaseSoak, old.Phase)
}

func TestNoGateAndUnsaidGatesDiffer(t *testing.T) {
	none := aRequest()
	none.Spec.Gates = []spec.Gate{}
	require.Contains(t, asJSON(t, none), `"gates":[]`, "an empty list survives a history: it says that no gate is wanted")
}
