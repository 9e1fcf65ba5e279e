package release_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func holder(id string) release.Holder {
	return release.Holder{ID: id, Version: "v-" + id, WorkflowID: "release/checkout/production/" + id, RunID: "run-" + id}
}

func anEnvironment() *release.Environment {
	return &release.Environment{Target: release.Target{Application: "checkout", Environment: "production"}}
}

func reports(id, outcome string, live []release.LivePair) release.ReportRequest {
	return release.ReportRequest{ID: id, Version: "v-" + id, Outcome: outcome, Regions: live}
}

func ended(id, outcome string) release.ReportRequest { return reports(id, outcome, nil) }

func TestAdmission(t *testing.T) {
	const held = "checkout/production is held by release a (version v-a) since 2026-03-02T10:00:00Z"
	e := anEnvironment()
	require.Equal(t, release.Admission{Decision: release.Admitted}, e.Admit(holder("a"), spec.PolicyReject, t0))
	later := t0.Add(time.Hour)
	require.Equal(t, release.Admission{Decision: release.Admitted}, e.Admit(holder("a"), spec.PolicyReject, later), "an answer that was lost is given again")
	require.Equal(t, t0, e.Holder.Since)
	require.Equal(t, release.Admission{Decision: release.Refused, Reason: held + "; wait for it, or ask with the admission policy queue"}, e.Admit(holder("b"), spec.PolicyReject, later))
	require.Equal(t, release.Refused, e.Admit(holder("b"), "", later).Decision, "only who asks to wait waits")
	require.Equal(t, release.Admission{Decision: release.Queued, Ahead: 1, Reason: held}, e.Admit(holder("b"), spec.PolicyQueue, later))
	require.Equal(t, release.Admission{Decision: release.Queued, Ahead: 2, Reason: held}, e.Admit(holder("c"), spec.PolicyQueue, later))
	require.Equal(t, release.Admission{Decision: release.Queued, Ahead: 1, Reason: held}, e.Admit(holder("b"), spec.PolicyReject, later), "nothing is queued twice")
	require.Nil(t, e.Next(later), "there is no second holder")

	e.Report(ended("a", "completed"), later)
	require.Equal(t, release.Refused, e.Admit(holder("d"), spec.PolicyReject, later).Decision, "nobody overtakes the queue")
	require.Contains(t, e.Admit(holder("d"), spec.PolicyReject, later).Reason, "checkout/production is being handed over")
	require.Equal(t, "b", e.Next(later).ID)
	require.Equal(t, later, e.Holder.Since)
	require.Equal(t, release.Admission{Decision: release.Admitted}, e.Admit(holder("b"), spec.PolicyQueue, later))
}

func TestTheQueueIsBounded(t *testing.T) {
	e := anEnvironment()
	for i := range 101 {
		require.NotEqual(t, release.Refused, e.Admit(holder(fmt.Sprint(i)), spec.PolicyQueue, t0).Decision)
	}
	got := e.Admit(holder("one more"), spec.PolicyQueue, t0)
	require.Equal(t, release.Admission{Decision: release.Refused, Reason: "100 releases wait already, the longest queue there is"}, got)
}

func TestReports(t *testing.T) {
	e := anEnvironment()
	e.Admit(holder("a"), spec.PolicyQueue, t0)
	e.Admit(holder("b"), spec.PolicyQueue, t0)
	pairs := func(live string) []release.LivePair {
		return []release.LivePair{{Region: "local-a", Live: live}, {Region: "local-b", Live: live}}
	}
	e.Report(reports("a", "", pairs("fleet-a")), t0)
	require.Equal(t, "a", e.Holder.ID, "a report without an outcome holds on")
	require.Equal(t, pairs("fleet-a"), e.Regions)

	before := asJSON(t, e)
	e.Report(reports("b", "", pairs("fleet-b")), t0)
	e.Report(reports("stranger", "completed", pairs("fleet-x")), t0)
	require.Equal(t, before, asJSON(t, e), "only the holder says what is live")

	e.Report(reports("a", "completed", []release.LivePair{{Region: "local-b", Live: "fleet-a2"}}), t0)
	require.Nil(t, e.Holder)
	require.Equal(t, []release.LivePair{{Region: "local-a", Live: "fleet-a"}, {Region: "local-b", Live: "fleet-a2"}}, e.Regions)
	require.Equal(t, []release.PastEntry{{ID: "a", Version: "v-a", Outcome: "completed", At: t0}}, e.History)

	e.Next(t0)
	before = asJSON(t, e)
	e.Report(reports("a", "completed", pairs("fleet-a")), t0.Add(time.Hour))
	require.Equal(t, before, asJSON(t, e), "a report that is sent again takes nothing from the next holder")
}

func TestWhoWaitsMayLeave(t *testing.T) {
	e := anEnvironment()
	for _, id := range []string{"a", "b", "c"} {
		e.Admit(holder(id), spec.PolicyQueue, t0)
	}
	e.Report(ended("b", "aborted"), t0)
	require.Empty(t, e.History, "it never held the target")
	e.Forget("a", t0)
	require.Equal(t, []release.PastEntry{{ID: "a", Version: "v-a", Outcome: "vanished", At: t0}}, e.History)
	require.Equal(t, "c", e.Next(t0).ID)
	e.Forget("nobody", t0)
	require.Equal(t, "c", e.Holder.ID)
}

// Random requests, reports, hand-overs and vanished releases, any of them sent
// twice, and the actor continued at any moment, against the simplest model: a list
// whose first entry holds the target.
func TestOneHolderFirstComeFirstServed(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e"}
	rapid.Check(t, func(t *rapid.T) {
		e := anEnvironment()
		held, waiting := "", []string{}
		over := 0
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			var act func()
			switch rapid.IntRange(0, 4).Draw(t, "act") {
			case 0:
				policy := rapid.SampledFrom([]string{spec.PolicyQueue, spec.PolicyReject}).Draw(t, "policy")
				act = func() { e.Admit(holder(id), policy, t0) }
				switch {
				case held == id || position(waiting, id) >= 0:
				case held == "" && len(waiting) == 0:
					held = id
				case policy == spec.PolicyQueue:
					waiting = append(waiting, id)
				}
			case 1:
				act = func() { e.Report(ended(id, "completed"), t0) }
				held, waiting, over = without(held, waiting, id, over)
			case 2:
				act = func() { e.Forget(id, t0) }
				held, waiting, over = without(held, waiting, id, over)
			case 3:
				act = func() { e.Report(ended(id, ""), t0) }
			case 4:
				act = func() { e.Next(t0) }
				if held == "" && len(waiting) > 0 {
					held, waiting = waiting[0], waiting[1:]
				}
			}
			act()
			if rapid.Bool().Draw(t, "answer lost") {
				before := asJSON(t, e)
				act()
				require.Equal(t, before, asJSON(t, e), "the same again changes nothing")
			}
			if rapid.Bool().Draw(t, "continued") {
				next := &release.Environment{}
				require.NoError(t, json.Unmarshal([]byte(asJSON(t, e)), next))
				e = next
			}
			got := ""
			if e.Holder != nil {
				got = e.Holder.ID
			}
			require.Equal(t, held, got)
			require.Len(t, e.Queue, len(waiting))
			for i, q := range e.Queue {
				require.Equal(t, waiting[i], q.ID, "first come, first served")
				require.NotEqual(t, got, q.ID, "nobody holds and waits at once")
			}
			require.Len(t, e.History, over)
		}
	})
}

func position(list []string, id string) int {
	for i, x := range list {
		if x == id {
			return i
		}
	}
	return -1
}

func without(held string, waiting []string, id string, over int) (string, []string, int) {
	if held == id {
		return "", waiting, over + 1
	}
	if i := position(waiting, id); i >= 0 {
		waiting = append(append([]string{}, waiting[:i]...), waiting[i+1:]...)
	}
	return held, waiting, over
}

func TestTheHistoryIsBounded(t *testing.T) {
	e := anEnvironment()
	for i := range 120 {
		id := fmt.Sprint(i)
		e.Admit(holder(id), spec.PolicyReject, t0)
		e.Report(ended(id, "completed"), t0)
	}
	require.Len(t, e.History, 50)
	assert.Equal(t, "119", e.History[49].ID, "newest last")
}

func frozen(e *release.Environment, name string, until time.Duration) {
	e.Freezes = append(e.Freezes, freezeOf(name, 0, until))
}

func hotfix(id string) release.Holder {
	h := holder(id)
	h.OverrideFreeze = "security fix"
	return h
}

func TestAdmissionInAFreeze(t *testing.T) {
	const text = `checkout/production is frozen: freeze "fair" until 2026-03-02T11:00:00Z by eve: the fair`
	e := anEnvironment()
	frozen(e, "fair", time.Hour)
	require.Equal(t, release.Admission{Decision: release.Refused, Reason: text + "; wait for its end, ask with the admission policy queue, or override it with a reason"},
		e.Admit(holder("a"), spec.PolicyReject, t0))
	require.Equal(t, release.Admission{Decision: release.Queued, Reason: text}, e.Admit(holder("a"), spec.PolicyQueue, t0))
	require.Equal(t, release.Admission{Decision: release.Queued, Ahead: 1, Reason: text}, e.Admit(holder("b"), spec.PolicyQueue, t0))
	require.Equal(t, release.Admission{Decision: release.Queued, Ahead: 1, Reason: text}, e.Admit(holder("b"), spec.PolicyQueue, t0), "the same answer again")
	require.Nil(t, e.Next(t0))
	require.Equal(t, t0.Add(time.Hour), e.Thaws(t0))

	later := t0.Add(time.Hour)
	require.Zero(t, e.Thaws(later))
	require.Equal(t, release.Refused, e.Admit(holder("c"), spec.PolicyReject, later).Decision, "nobody overtakes those that waited for the end")
	require.Equal(t, "a", e.Next(later).ID)
	require.Equal(t, "b", e.Queue[0].ID)
}

func TestAnAdmissionTellsWhatTheReleaseHasToKnow(t *testing.T) {
	e := anEnvironment()
	e.Schema = release.Schema{Version: 3, Floor: 2}
	e.Freezes = []release.Freeze{freezeOf("later", time.Hour, 2*time.Hour)}
	want := release.Admission{Decision: release.Admitted, Freezes: e.Freezes, Schema: e.Schema}
	require.Equal(t, want, e.Admit(holder("a"), spec.PolicyReject, t0))
	require.Equal(t, want, e.Admit(holder("a"), spec.PolicyReject, t0.Add(90*time.Minute)), "who holds the target keeps it in a freeze")
	e.Report(release.ReportRequest{ID: "a", Schema: release.Schema{Version: 4, Builds: []release.Build{{Version: "v-a", Needs: 4}}}}, t0)
	require.Equal(t, release.Schema{Version: 4, Floor: 2, Builds: []release.Build{{Version: "v-a", Needs: 4}}}, e.Schema)
	e.Report(release.ReportRequest{ID: "stranger", Schema: release.Schema{Floor: 9}}, t0)
	require.Equal(t, 9, e.Schema.Floor, "whoever says it: a floor that is too high is safe, one that got lost is not")
}

func TestAHotfixPassesAFreezeAndNobodyElse(t *testing.T) {
	e := anEnvironment()
	frozen(e, "fair", time.Hour)
	e.Admit(holder("a"), spec.PolicyQueue, t0)
	require.Equal(t, release.Admitted, e.Admit(hotfix("h"), spec.PolicyReject, t0).Decision, "who waits for the end of the freeze does not hold it up")
	require.Equal(t, release.Queued, e.Admit(hotfix("i"), spec.PolicyQueue, t0).Decision, "two hotfixes exclude each other")
	require.Zero(t, e.Thaws(t0), "the target is held, its release comes first")
	e.Report(ended("h", "completed"), t0)
	require.Equal(t, release.Refused, e.Admit(hotfix("j"), spec.PolicyReject, t0).Decision, "a hotfix does not overtake another one")
	require.Equal(t, "i", e.Next(t0).ID)
	e.Report(ended("i", "completed"), t0)
	require.Nil(t, e.Next(t0))

	// Without a freeze the reason gives no precedence.
	e = anEnvironment()
	e.Admit(holder("a"), spec.PolicyQueue, t0)
	e.Admit(holder("b"), spec.PolicyQueue, t0)
	e.Admit(hotfix("h"), spec.PolicyQueue, t0)
	e.Report(ended("a", "completed"), t0)
	require.Equal(t, "b", e.Next(t0).ID)
}

// Whatever is asked, ended and frozen: in a freeze nobody gets the target but by an
// override, and when it is over everybody who waited gets it in turn.
func TestNothingBeginsInAFreeze(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, now := anEnvironment(), t0
		var waited []string
		for i := range rapid.IntRange(0, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "later")) * time.Minute)
			before := e.Holder
			h := holder(fmt.Sprint(i))
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0:
				if rapid.Bool().Draw(t, "hotfix") {
					h.OverrideFreeze = "security fix"
				}
				if e.Admit(h, rapid.SampledFrom([]string{spec.PolicyQueue, spec.PolicyReject}).Draw(t, "policy"), now).Decision == release.Queued {
					waited = append(waited, h.ID)
				}
			case 1:
				_ = e.Freeze(release.Freeze{Name: "f", By: "eve", Reason: "why", From: now, Until: now.Add(30 * time.Minute)}, now)
			case 2:
				e.Next(now)
			case 3:
				if e.Holder != nil {
					e.Report(ended(e.Holder.ID, "completed"), now)
				}
			}
			if e.Holder != nil && e.Holder != before && release.FrozenBy(e.Freezes, now) != nil {
				require.NotEmpty(t, e.Holder.OverrideFreeze)
			}
		}
		for range waited { // long after the last freeze
			now = now.Add(time.Hour)
			if e.Holder != nil {
				e.Report(ended(e.Holder.ID, "completed"), now)
			}
			e.Next(now)
		}
		require.Empty(t, e.Queue, "nobody waits for ever")
	})
}
