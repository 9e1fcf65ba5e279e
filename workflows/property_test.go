package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// chaos is what happens to one release: when which order arrives, when it is
// cancelled, and which calls of which activities fail.
type chaos struct {
	Events []event
	Faults []fault
	Spec   func(*spec.Spec)
}

type event struct {
	After time.Duration
	What  string
}

type fault struct {
	Activity  string
	Call      int
	Permanent bool
	Effect    bool // it fails after its effect
}

var forwardAndBack = []string{
	activities.Admit, activities.MakePlan, activities.BakeImage, activities.ScanImage, activities.Provision,
	activities.VerifyFleet, activities.Capacity, activities.ShiftTraffic, activities.WatchFleet,
}

func drawChaos(t *rapid.T) chaos {
	whats := []string{"approve", "approve", "reject", "rollback", "pause", "resume", "abort", "extend-soak", "finish-soak", "cancel", "breach", "readiness", "continue"}
	events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{
			After: time.Duration(rapid.IntRange(1, 8*3600).Draw(t, "seconds")) * time.Second,
			What:  rapid.SampledFrom(whats).Draw(t, "what"),
		}
	}), 1, 6).Draw(t, "events")
	faults := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fault {
		return fault{
			Activity:  rapid.SampledFrom(forwardAndBack).Draw(t, "activity"),
			Call:      rapid.IntRange(1, 5).Draw(t, "call"),
			Permanent: rapid.Bool().Draw(t, "permanent"),
			Effect:    rapid.Bool().Draw(t, "effect"),
		}
	}), 0, 3).Draw(t, "faults")
	shape := rapid.SampledFrom([]func(*spec.Spec){func(*spec.Spec) {}, together, inWaves}).Draw(t, "regions")
	gated, window := rapid.Bool().Draw(t, "gated"), rapid.Bool().Draw(t, "window")
	return chaos{Events: events, Faults: faults, Spec: func(s *spec.Spec) {
		shape(s)
		soakOf(2 * time.Hour)(s)
		if !gated {
			noGates(s)
		} else {
			gate(func(g *spec.Gate) { g.Expiry = spec.Duration(6 * time.Hour) })(s)
		}
		if window {
			waits(s)
		}
	}}
}

func (w *world) plant(faults []fault) {
	hit := func(name string, effect bool, call int) error {
		for _, f := range faults {
			switch {
			case f.Activity != name || f.Call != call || f.Effect != effect:
			case f.Permanent:
				return permanent("no such luck")
			default:
				return errLost
			}
		}
		return nil
	}
	w.trouble = func(name, _ string, call int) error { return hit(name, false, call) }
	w.late = func(name string, call int) error { return hit(name, true, call) }
}

func (w *world) happen(e event) {
	w.env.RegisterDelayedCallback(func() {
		if s, begun := w.look(); !begun || s.Phase.Ended() {
			return
		}
		switch e.What {
		case "approve":
			w.signal(release.OrderApprove, body{"by": "grace", "gate": "switch", "plan": w.planDigest})
		case "extend-soak":
			w.signal(release.OrderExtendSoak, body{"by": "grace", "for": "1h"})
		case "cancel":
			w.env.CancelWorkflow()
		case "breach":
			w.breaks("local-a")()
		case "readiness":
			w.sees(0, activities.Watch{Why: activities.WatchReadiness, Readiness: release.Readiness{Ready: true, At: w.env.Now()}})
		case "continue": // the server suggests it, and something wakes the watch
			w.env.SetContinueAsNewSuggested(true)
			w.sees(0, activities.Watch{Why: activities.WatchReadiness, Readiness: release.Readiness{Ready: true, At: w.env.Now()}})
		default:
			w.by(release.OrderKind(e.What))()
		}
	}, e.After)
}

// Whatever happens and in whichever order: the release ends, in an end its way leads
// to; every region has one fleet with all the traffic; no fleet with traffic was
// retired (the world watches that); nothing is held; the target is given back.
func TestWhateverHappensTheReleaseEndsWell(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawChaos(rt)
		w := newWorld(rt).serving("local-a", "local-b")
		w.plant(c.Faults)
		for _, e := range c.Events {
			w.happen(e)
		}
		s := w.execute(release.ReleaseInput{Request: request(c.Spec, deadline(40*time.Hour))})
		for workflow.IsContinueAsNewError(w.env.GetWorkflowError()) {
			in := continued[release.ReleaseInput](rt, w.env.GetWorkflowError())
			w = successor(rt, w)
			w.plant(c.Faults)
			for _, e := range c.Events {
				if e.What != "continue" {
					w.happen(e)
				}
			}
			s = w.execute(in)
		}
		w.check(s)
		require.Equal(rt, w.outcomeOf(s), s.Outcome(), "%+v %+v", c, s.WayOut)
		err := w.env.GetWorkflowError()
		switch {
		case s.Phase == release.PhaseFailed:
			require.False(rt, temporal.IsCanceledError(err), "%+v: %v", c, err)
			require.Error(rt, err)
		case s.WayOut != nil && s.WayOut.Leave == release.LeaveCancel:
			require.True(rt, temporal.IsCanceledError(err), "%+v: %v", c, err)
		default:
			require.NoError(rt, err, "%+v", c)
		}
		for _, entry := range s.Entries {
			require.False(rt, entry.End.IsZero(), "%s has no end", entry.Phase)
		}
	})
}

// outcomeOf is how a release has to end by the traffic of its regions.
func (w *world) outcomeOf(s release.State) string {
	if s.WayOut == nil {
		for _, r := range s.Regions {
			require.Equal(w.t, 100, w.weights[r.Name].Of(candidate))
		}
		return "completed"
	}
	for _, r := range s.Regions {
		require.Equal(w.t, 100, w.weights[r.Name].Of("old"), r.Name)
		require.NotContains(w.t, w.fleets, r.Name+"/"+candidate)
	}
	switch {
	case s.TrafficMayHaveMoved() || strings.Contains(string(s.Phase), "rolled"):
		return "rolled-back"
	case s.WayOut.Leave == release.LeaveFail:
		return "failed"
	case s.WayOut.Leave == release.LeaveReject:
		return "rejected"
	}
	return "aborted"
}
