package release

import (
	"fmt"
	"time"
)

// Attend keeps Needs true: what the release needs a person for, and since when it has
// needed one without a break.
func (s *State) Attend(now time.Time) {
	what := s.needs()
	switch {
	case what == "":
		s.Needs = nil
	case s.Needs == nil:
		s.Needs = &PersonNeeded{What: what, Since: now}
	default:
		s.Needs.What = what
	}
}

func (s *State) needs() string {
	switch {
	case s.Leaving() || !s.Phase.Live():
		return ""
	case s.Blocked != "":
		return s.Blocked
	case s.Overdue != "" && s.Phase == PhaseWindow:
		return s.Overdue
	case s.Paused != nil:
		return "resume: paused by " + s.Paused.By
	}
	for _, r := range s.Regions {
		switch {
		case r.Doubt != "":
			return fmt.Sprintf("%s: %s", r.Name, r.Doubt)
		case r.Switched && !r.Moving && len(r.Weights) > 0 && !r.AsSet() && !r.SwitchedAt.IsZero():
			return fmt.Sprintf("%s: somebody else changed the shares of traffic", r.Name)
		}
	}
	return ""
}

// SchemaToTell is what this release knows of the database: the version that its expand
// left, the floor that its contract leaves, and what its build needs.
func (s *State) SchemaToTell() Schema {
	out := Schema{Version: s.Schema.Version, Floor: s.Schema.Floor}
	if m := s.Request.Spec.Migrations; m != nil {
		out.Builds = []Build{{Version: s.Request.Spec.Version, Needs: m.Schema}}
	}
	return out
}
