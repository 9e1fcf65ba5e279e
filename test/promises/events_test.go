package promises

import (
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/release"
)

// moment is when an event happens: a while after a phase was entered, or in the middle
// of a call of an activity, before its effect or between its effect and its answer.
type moment struct {
	Phase    release.Phase
	Activity string
	Call     int // or entry of the phase, counted from 1
	Answer   bool
}

// event is something that somebody does, or that happens to the fleets.
type event struct {
	When   moment
	After  time.Duration // with a phase
	What   string
	Region int
	N      int // how much, where it matters
	Update bool
}

// happen arms the events of a moment.
func (c *cloud) happen(m moment, in time.Duration) {
	for i := range c.plan.Events {
		e := &c.plan.Events[i]
		if e.When != m {
			continue
		}
		d := max(in+e.After, time.Millisecond) + time.Duration(i)*time.Microsecond
		c.armed[e] = c.now().Add(d)
		c.env.RegisterDelayedCallback(func() { c.do(e) }, d)
	}
}

// do lets an event happen. It runs between two tasks of the workflow.
func (c *cloud) do(e *event) {
	c.mu.Lock()
	if _, there := c.armed[e]; !there || c.ending.over || c.state == nil {
		c.mu.Unlock()
		return
	}
	delete(c.armed, e)
	s := c.state()
	c.note("* %s in %s", e.What, s.Phase)
	r := c.regions[c.request.Spec.Regions[e.Region%len(c.request.Spec.Regions)].Name]
	known := c.change(e, r)
	frozen := c.target.Freezes
	c.mu.Unlock()
	switch {
	case e.What == "freeze" || e.What == "thaw":
		if h := c.target.Holder; h != nil && h.ID == c.request.ID {
			c.env.SignalWorkflow(release.SignalFreezes, frozen)
		}
	case e.What == "free":
		if h := c.target.Next(c.now()); h != nil && h.ID == c.request.ID {
			c.env.SignalWorkflow(release.SignalAdmitted, h.ID)
		}
	case e.What == "cancel":
		c.env.CancelWorkflow()
	case e.What == "continue":
		c.env.SetContinueAsNewSuggested(true)
	case e.What == "nonsense":
		c.env.SignalWorkflow(string(release.OrderApprove), "nonsense")
	case known:
	default:
		c.order(e, &s)
	}
}

// order gives an order, as a signal or as an update.
func (c *cloud) order(e *event, s *release.State) {
	kind, body := release.OrderKind(e.What), map[string]any{"by": "grace", "comment": "because"}
	switch kind {
	case release.OrderApprove:
		body["plan"] = s.Plan.Digest
		for _, g := range s.Gates {
			if g.Decided == "" {
				body["gate"] = g.Name
				break
			}
		}
	case release.OrderExtendSoak:
		body["for"] = (time.Duration(e.N) * 20 * time.Minute).String()
	case "override-freeze", "override-window", "override-readiness", "override-analysis":
		kind, body["gate"] = release.OrderOverride, e.What[len("override-"):]
	}
	if !e.Update {
		c.env.SignalWorkflow(string(kind), body)
		return
	}
	must := kind == release.OrderRollback && s.Phase.CanRollBack() && !s.Leaving() && s.TrafficMayHaveMoved() && hasPrevious(s)
	c.env.UpdateWorkflow(string(kind), "", &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) {
			if must {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.breaks(3, "in %s rollback was refused: %v", s.Phase, err)
			}
		},
		OnComplete: func(any, error) {},
	}, body)
}

func hasPrevious(s *release.State) bool {
	for _, r := range s.Regions {
		if r.Switched && r.Previous == "" {
			return false
		}
	}
	return true
}

// change does what happens to the cloud, and says whether it was such an event.
func (c *cloud) change(e *event, r *region) bool {
	now := c.now()
	old, candidate := r.fleets[previous], r.fleets[c.candidate()]
	switch e.What {
	case "grow": // more load, and autoscaling follows it
		f := old
		if old == nil || r.weights.Of(previous) == 0 {
			f = candidate
		}
		exchanged := c.rolling() && r.base > 0 && r.weights.Of(previous) > 0 // the load is not measured while instances are exchanged
		if f == nil || r.weights.Of(f.name) == 0 || exchanged || f == old && r.scaled {
			return true
		}
		in := f.inService(now)
		if f == candidate && in > 0 { // it may carry the load with more instances than the one before
			r.load = r.load * (in + e.N) / in
		} else {
			r.load += e.N
		}
		f.ready = in + e.N
		f.desired = max(f.desired+e.N, f.ready)
	case "shrink previous": // by hand, whatever is held
		if old != nil {
			c.byHand(r, old, max(0, old.desired-e.N), now)
		}
	case "shrink candidate":
		if candidate != nil {
			c.byHand(r, candidate, max(1, candidate.desired-e.N), now)
		}
	case "delete previous":
		if old != nil {
			r.scaled = true
			c.remove(r, previous, bySomebody)
		}
	case "delete candidate":
		if candidate != nil {
			c.remove(r, c.candidate(), bySomebody)
		}
	case "shares": // between the two
		if old != nil && candidate != nil && !candidate.detached && !old.detached {
			c.set(r, release.Weights{{Fleet: previous, Percent: 10 * e.N}, {Fleet: c.candidate(), Percent: 100 - 10*e.N}}, bySomebody)
		}
	case "stranger":
		r.fleets["stranger"] = &fleet{name: "stranger", desired: 2, ready: 2}
		c.set(r, release.Weights{{Fleet: "stranger", Percent: 10 * e.N}, {Fleet: previous, Percent: 100 - 10*e.N}}, bySomebody)
	case "shares as they were":
		c.set(r, r.ours, bySomebody)
	case "around": // clients that go around the router
		if old != nil && !old.detached { // what is out of the route was proven to be quiet
			r.rogue[previous] = now.Add(time.Duration(e.N) * 20 * time.Minute)
		}
	case "no capacity":
		r.stuck = true
	case "image gone":
		delete(c.images, "sha256:baked")
	case "bad":
		r.bad = now
	case "good":
		r.bad = time.Time{}
	case "dark":
		r.dark = now
	case "bright":
		r.dark = time.Time{}
	case "flicker":
		r.flicker = !r.flicker
	case "continue":
		r.flicker = !r.flicker // something that wakes the watch
		return true
	case "freeze":
		_ = c.target.Freeze(freezeOf(now, e.N), now)
	case "thaw":
		_ = c.target.Thaw("sales")
	case "free":
		c.target.Report(release.ReportRequest{ID: "r0", Outcome: "completed"}, now)
	default:
		return false
	}
	return true
}

func freezeOf(from time.Time, n int) release.Freeze {
	return release.Freeze{Name: "sales", From: from, Until: from.Add(time.Duration(n) * time.Hour), Reason: "many users", By: "grace", At: from}
}

// byHand resizes a fleet as a person does.
func (c *cloud) byHand(r *region, f *fleet, to int, now time.Time) {
	f.ready = min(f.inService(now), to)
	f.desired = to
	r.scaled = r.scaled || f.name == previous
	m := r.last[f.name]
	m.shrunk = true
	r.last[f.name] = m
}
