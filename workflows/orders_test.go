package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// everyOrder is where each order fits, and the end it leads to.
var everyOrder = []struct {
	kind  release.OrderKind
	phase release.Phase
	more  body
	end   string
}{
	{release.OrderApprove, release.PhaseGate, body{"gate": "switch"}, "completed"},
	{release.OrderReject, release.PhaseGate, nil, "rejected"},
	{release.OrderAbort, release.PhaseGate, nil, "aborted"},
	{release.OrderRollback, release.PhaseSoak, nil, "rolled-back"},
	{release.OrderPause, release.PhaseSoak, nil, "completed"},
	{release.OrderResume, release.PhaseSoak, nil, "completed"},
	{release.OrderExtendSoak, release.PhaseSoak, body{"for": "2h"}, "completed"},
	{release.OrderFinishSoak, release.PhaseSoak, nil, "completed"},
	{release.OrderOverride, release.PhaseWindow, body{"gate": "window"}, "completed"},
}

func TestEveryOrderWorksAsSignalAndAsUpdate(t *testing.T) {
	require.Len(t, everyOrder, len(release.OrderKinds()))
	for _, o := range everyOrder {
		for _, way := range []string{"signal", "update"} {
			t.Run(string(o.kind)+" as "+way, func(t *testing.T) {
				w := newWorld(t).serving("local-a")
				var got *answer
				w.at(o.phase, time.Minute, func() {
					b := body{"by": "grace", "comment": "because"}
					for k, v := range o.more {
						b[k] = v
					}
					if o.kind == release.OrderApprove {
						b["plan"] = w.state().Plan.Digest
					}
					if o.kind == release.OrderResume {
						w.by(release.OrderPause)()
					}
					w.env.RegisterDelayedCallback(func() {
						if way == "update" {
							got = w.update(o.kind, b)
						} else {
							w.signal(o.kind, b)
						}
					}, time.Minute)
				})
				if o.kind == release.OrderPause {
					w.at(o.phase, 30*time.Hour, w.by(release.OrderResume))
				}
				if o.phase != release.PhaseGate {
					w.approved()
				}
				soak := soakOf(24 * time.Hour)
				if o.phase == release.PhaseWindow {
					soak = soakOf(time.Hour)
				}
				s := w.run(waits, soak)
				require.Equal(t, o.end, s.Outcome(), "%+v", s.WayOut)
				require.Empty(t, s.Refusals)
				i := indexOf(s.Orders, o.kind)
				require.GreaterOrEqual(t, i, 0, "%+v", s.Orders)
				if way == "update" {
					require.True(t, got.accepted)
					require.NoError(t, got.err)
					require.Equal(t, s.Orders[i].Effect, got.value.(release.OrderAnswer).Effect)
				}
			})
		}
	}
}

func indexOf(taken []release.Taken, kind release.OrderKind) int {
	for i, o := range taken {
		if o.Kind == kind {
			return i
		}
	}
	return -1
}

// brokenBodies are bodies nobody should be able to do harm with, with a part of the
// reason each is refused for. All arrive while the release waits at its gate.
var brokenBodies = []struct {
	name   string
	kind   release.OrderKind
	body   any
	reason string
}{
	{"no body", release.OrderApprove, nil, "the body is empty"},
	{"text", release.OrderApprove, "yes", "not a JSON object"},
	{"number", release.OrderApprove, 42, "not a JSON object"},
	{"true", release.OrderAbort, true, "not a JSON object"},
	{"list", release.OrderApprove, []string{"grace"}, "not a JSON object"},
	{"empty object", release.OrderApprove, body{}, `"by" is missing`},
	{"by of spaces", release.OrderApprove, body{"by": "  "}, `"by" is missing`},
	{"by is a number", release.OrderApprove, body{"by": 7}, `"by" is of type number`},
	{"by has a line break", release.OrderApprove, body{"by": "gr\nace"}, "characters that nobody can see"},
	{"by is far too long", release.OrderAbort, body{"by": strings.Repeat("g", 300)}, "at most 200"},
	{"comment is far too long", release.OrderAbort, body{"by": "grace", "comment": strings.Repeat("g", 1200)}, "at most 1000"},
	{"body is huge", release.OrderAbort, body{"by": "grace", "comment": strings.Repeat("g", 20<<10)}, "bytes long"},
	{"unknown field", release.OrderApprove, body{"by": "grace", "force": true}, `unknown field "force"`},
	{"bytes that are no JSON", release.OrderApprove, []byte(`{"by": "gr`), "not JSON"},
	{"two objects", release.OrderApprove, []byte(`{"by": "grace"} {"by": "ada"}`), "more after the JSON object"},
	{"unknown gate", release.OrderApprove, body{"by": "grace", "gate": "moon", "plan": "x"}, `there is no gate "moon"`},
	{"no plan", release.OrderApprove, body{"by": "grace", "gate": "switch"}, `"plan" is missing`},
	{"short plan", release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": "abc"}, "at least 12"},
	{"another plan", release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": "sha256:0123456789abcdef"}, "not the plan of this release"},
	{"the requester", release.OrderApprove, body{"by": "ada", "gate": "switch", "plan": "sha256:0123456789abcdef"}, "four eyes"},
	{"reject of an unknown gate", release.OrderReject, body{"by": "grace", "gate": "moon"}, `there is no gate "moon"`},
	{"rollback before traffic moved", release.OrderRollback, body{"by": "grace"}, "send abort instead"},
	{"resume of what is not paused", release.OrderResume, body{"by": "grace"}, "not paused"},
	{"longer soak without how long", release.OrderExtendSoak, body{"by": "grace"}, `"for" is missing`},
	{"longer soak by a negative time", release.OrderExtendSoak, body{"by": "grace", "for": "-2h"}, ""},
	{"longer soak without a unit", release.OrderExtendSoak, body{"by": "grace", "for": "2"}, ""},
	{"longer soak by a number", release.OrderExtendSoak, body{"by": "grace", "for": 7200}, ""},
	{"longer soak before the soak", release.OrderExtendSoak, body{"by": "grace", "for": "2h"}, "not in its soak"},
	{"finished soak before the soak", release.OrderFinishSoak, body{"by": "grace"}, "not in its soak"},
	{"gate for an order without one", release.OrderPause, body{"by": "grace", "gate": "switch"}, "belong to approve and reject only"},
	{"time for an order without one", release.OrderPause, body{"by": "grace", "for": "2h"}, "belongs to extend-soak only"},
}

func TestBrokenBodiesAreRefusedWithAReasonAndHarmNothing(t *testing.T) {
	for _, b := range brokenBodies {
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t).serving("local-a")
			var before, between, after release.State
			var got *answer
			w.at(release.PhaseGate, time.Minute, func() { before = w.state(); w.signal(b.kind, b.body) })
			w.at(release.PhaseGate, 2*time.Minute, func() { between = w.state(); got = w.update(b.kind, b.body) })
			w.at(release.PhaseGate, 3*time.Minute, func() { after = w.state(); w.approve() })
			s := w.run(soakOf(0))

			require.Len(t, between.Refusals, 1)
			require.Equal(t, b.kind, between.Refusals[0].Kind)
			require.Contains(t, between.Refusals[0].Reason, b.reason)
			require.Less(t, len(between.Refusals[0].Reason), 2100)
			require.False(t, got.accepted)
			require.ErrorContains(t, got.rejected, b.reason)
			t.Log(got.rejected)
			after.Refusals = nil
			require.Equal(t, before, after, "a refused order changed the state")
			require.Equal(t, "completed", s.Outcome(), "%+v", s.WayOut)
		})
	}
}

func TestUpdateWithoutABodyIsRejected(t *testing.T) {
	w := newWorld(t).serving("local-a")
	var got *answer
	w.at(release.PhaseGate, time.Minute, func() { got = w.update(release.OrderAbort) })
	w.at(release.PhaseGate, 2*time.Minute, w.approve)
	s := w.run(soakOf(0))
	require.Equal(t, "completed", s.Outcome())
	require.Error(t, got.rejected)
}

func TestTheSameOrderTwiceIsTakenOnce(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	var again *answer
	longer := body{"by": "grace", "for": "2h", "id": "order-1"}
	w.at(release.PhaseSoak, time.Hour, func() { w.signal(release.OrderExtendSoak, longer) })
	w.at(release.PhaseSoak, 2*time.Hour, func() { again = w.update(release.OrderExtendSoak, longer) })
	s := w.run()
	require.NoError(t, again.err)
	require.Contains(t, again.value.(release.OrderAnswer).Effect, "taken before")
	require.Equal(t, 26*time.Hour, s.Soak.End.Sub(s.Soak.Start))
}

func TestOrdersAfterTheWayOutWasChosenAreRefused(t *testing.T) {
	w := newWorld(t).serving("local-a")
	w.at(release.PhaseGate, time.Minute, w.by(release.OrderReject))
	w.during[activities.Retire] = w.by(release.OrderAbort)
	s := w.run()
	require.Equal(t, "rejected", s.Outcome())
	require.Contains(t, s.Refusals[0].Reason, "on its way out already")
}
