package release

import (
	"fmt"
	"time"
)

// Phase is where a release is. A release is in exactly one phase; the regions of
// the wave that is being worked on move through provision to watch together.
type Phase string

// The phases of a release, in the order a good one goes through them, then the
// ways back and the ends.
const (
	PhaseRequested    Phase = "requested" // waiting for the target: one holder at a time
	PhaseAdmitted     Phase = "admitted"  // holds the target; the plan is being made
	PhaseBake         Phase = "bake"
	PhaseExpand       Phase = "expand" // the first half of a database migration
	PhaseProvision    Phase = "provision"
	PhaseVerify       Phase = "verify"
	PhaseGate         Phase = "gate" // waits for approval before the switch
	PhaseSwitch       Phase = "switch"
	PhaseWatch        Phase = "watch" // the short watch straight after the switch
	PhaseSoak         Phase = "soak"
	PhaseWindow       Phase = "window"       // waits for approval and for the low-traffic window
	PhaseStop         Phase = "stop"         // takes the previous fleet out of the route and stops it; a rollback starts it again
	PhaseDecommission Phase = "decommission" // deletes the previous fleet: the point of no return
	PhaseContract     Phase = "contract"     // the second half of a database migration

	PhaseCleanUp  Phase = "clean-up" // removes the candidate; traffic never moved
	PhaseRollback Phase = "rollback" // moves traffic back to the previous fleet

	PhaseCompleted  Phase = "completed"
	PhaseRolledBack Phase = "rolled-back"
	PhaseRejected   Phase = "rejected"
	PhaseAborted    Phase = "aborted"
	PhaseFailed     Phase = "failed"
	PhaseRefused    Phase = "refused" // never admitted
)

// Phases lists every phase in the order people expect to read them.
func Phases() []Phase {
	return []Phase{
		PhaseRequested, PhaseAdmitted, PhaseBake, PhaseExpand, PhaseProvision, PhaseVerify, PhaseGate, PhaseSwitch, PhaseWatch,
		PhaseSoak, PhaseWindow, PhaseStop, PhaseDecommission, PhaseContract, PhaseCleanUp, PhaseRollback,
		PhaseCompleted, PhaseRolledBack, PhaseRejected, PhaseAborted, PhaseFailed, PhaseRefused,
	}
}

// next says which phases may follow a phase. Watch leads back to provision when
// another wave follows.
func next(p Phase) []Phase {
	switch p {
	case PhaseRequested:
		return []Phase{PhaseAdmitted, PhaseRefused, PhaseRejected, PhaseAborted, PhaseFailed}
	case PhaseAdmitted:
		return []Phase{PhaseBake, PhaseCleanUp}
	case PhaseBake:
		return []Phase{PhaseExpand, PhaseProvision, PhaseCleanUp}
	case PhaseExpand:
		return []Phase{PhaseProvision, PhaseCleanUp}
	case PhaseProvision:
		return []Phase{PhaseVerify, PhaseCleanUp, PhaseRollback}
	case PhaseVerify:
		return []Phase{PhaseGate, PhaseSwitch, PhaseCleanUp, PhaseRollback}
	case PhaseGate:
		return []Phase{PhaseSwitch, PhaseCleanUp, PhaseRollback}
	case PhaseSwitch:
		return []Phase{PhaseWatch, PhaseCleanUp, PhaseRollback} // clean-up when no shift was started yet
	case PhaseWatch:
		return []Phase{PhaseProvision, PhaseSoak, PhaseRollback, PhaseDecommission} // the last when the dead man ends it
	case PhaseSoak:
		return []Phase{PhaseWindow, PhaseRollback, PhaseDecommission}
	case PhaseWindow:
		return []Phase{PhaseStop, PhaseDecommission, PhaseRollback} // without stop when there is nothing to take away
	case PhaseStop:
		return []Phase{PhaseDecommission, PhaseRollback}
	case PhaseDecommission:
		return []Phase{PhaseContract, PhaseCompleted}
	case PhaseContract:
		return []Phase{PhaseCompleted}
	case PhaseCleanUp:
		return []Phase{PhaseRejected, PhaseAborted, PhaseFailed}
	case PhaseRollback:
		return []Phase{PhaseRolledBack, PhaseFailed}
	default:
		return nil
	}
}

// Next lists the phases that may follow p; none when p is an end.
func (p Phase) Next() []Phase { return next(p) }

// Ended says whether a release in this phase is over.
func (p Phase) Ended() bool { return len(next(p)) == 0 }

// MayFollow says whether a release may go from p to q.
func (p Phase) MayFollow(q Phase) bool {
	for _, n := range next(p) {
		if n == q {
			return true
		}
	}
	return false
}

// BeforeSwitch says whether user traffic has certainly not moved by this wave's
// switch when a release is in p. Rolling back is not needed then, cleaning up is.
func (p Phase) BeforeSwitch() bool {
	switch p {
	case PhaseRequested, PhaseAdmitted, PhaseBake, PhaseExpand, PhaseProvision, PhaseVerify, PhaseGate:
		return true
	}
	return false
}

// CanRollBack says whether an order to roll back can be carried out in p: traffic
// may have moved, and the point of no return is not reached.
func (p Phase) CanRollBack() bool {
	switch p {
	case PhaseSwitch, PhaseWatch, PhaseSoak, PhaseWindow, PhaseStop:
		return true
	}
	return false
}

// Live says whether a person's order may still change the course of the release:
// it is going forward and not past the point of no return.
func (p Phase) Live() bool { return p.BeforeSwitch() || p.CanRollBack() }

// Enter moves the state to phase p, closing the entry of the phase it leaves. It
// refuses a move that the phase machine does not have; that is a bug in the
// workflow, never a user's mistake.
func (s *State) Enter(p Phase, now time.Time) error {
	if !s.Phase.MayFollow(p) {
		return fmt.Errorf("enter phase %q from %q: not a legal transition (legal: %v)", p, s.Phase, s.Phase.Next())
	}
	s.closeEntry(now)
	s.Phase = p
	s.Entries = append(s.Entries, Entry{Phase: p, Start: now})
	if p.Ended() {
		s.Entries[len(s.Entries)-1].End = now
		s.EndedAt = now
		s.WaitingFor = ""
	}
	return nil
}

func (s *State) closeEntry(now time.Time) {
	if n := len(s.Entries); n > 0 && s.Entries[n-1].End.IsZero() {
		e := &s.Entries[n-1]
		e.End = now
		if e.Outcome == "" {
			e.Outcome = "done"
		}
	}
}
