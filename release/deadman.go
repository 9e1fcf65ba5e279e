package release

import (
	"fmt"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// DeadManAct is the end of a release that nobody looks after.
type DeadManAct struct {
	Leave  Leave  // the way out; "" with Keep
	Keep   bool   // it ends as it is, with the previous fleets left for a person
	Reason string // in words
}

// DeadMan says how a release that waits for a person ends when nobody comes: act is nil
// until then, and due is when to ask again, always later than now. Time counts from the
// last order that was taken, or from when the release began to wait for a person, whichever
// is later. Before traffic moves the release is aborted. With traffic split between fleets
// it is rolled back, and once every candidate has all of it the spec says what happens.
// Where there is no fleet to go back to a candidate with all of the traffic keeps it.
//
// A way back or a clean-up that waits for a person is never ended like this: nothing
// would be better for it.
func (s *State) DeadMan(now time.Time) (act *DeadManAct, due time.Time) {
	after := s.Request.Spec.DeadMan.After.Std()
	if after <= 0 { // a request that was made by hand
		return nil, now.Add(spec.Day)
	}
	if s.Needs == nil || s.Leaving() || s.Phase.Ended() || s.Phase == PhaseCleanUp || s.Phase == PhaseRollback {
		return nil, now.Add(after)
	}
	since := s.Needs.Since
	if s.Attended.After(since) {
		since = s.Attended
	}
	if due = since.Add(after); now.Before(due) {
		return nil, due
	}
	why := fmt.Sprintf("no order came for %s while the release waited for a person: %s", s.Request.Spec.DeadMan.After, s.Needs.What)
	back := func(because string) *DeadManAct { return &DeadManAct{Leave: LeaveDeadline, Reason: why + because} }
	keep := func(because string) *DeadManAct { return &DeadManAct{Keep: true, Reason: why + because} }
	switch {
	case !s.Phase.Live():
		act = keep("; it is past the point of no return, so it ends as it is")
	case !s.TrafficMayHaveMoved():
		act = back("")
	case !s.AllServe():
		act = back("; not every candidate has all of the traffic, so it goes back")
	case s.noWayBack() != nil:
		act = keep("; there is no previous fleet to go back to, so the candidate keeps the traffic")
	case s.Request.Spec.DeadMan.Then == spec.DeadManRollback:
		act = back("; it goes back, as deadMan.then says")
	default:
		act = keep("; the candidate keeps the traffic and the previous fleet stays, as deadMan.then says")
	}
	return act, now.Add(after)
}
