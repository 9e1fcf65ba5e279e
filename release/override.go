package release

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What an override lets a release pass.
const (
	OverrideFreeze    = "freeze"    // go on although the target is frozen
	OverrideWindow    = "window"    // take the previous fleet away now
	OverrideReadiness = "readiness" // take it away although a rollback would not work
	OverrideAnalysis  = "analysis"  // take the next step although the analysis has no verdict
)

// Overridable lists what can be overridden.
func Overridable() []string {
	return []string{OverrideFreeze, OverrideWindow, OverrideReadiness, OverrideAnalysis}
}

// Override is the decision of a person to go on although something holds the release,
// with the reason. It never makes a verdict: a failed analysis still rolls back.
type Override struct {
	What    string    `json:"what"`
	By      string    `json:"by"`
	Comment string    `json:"comment"` // the reason
	At      time.Time `json:"at"`
}

// Overridden says whether a person has overridden what holds the release. Freeze, window
// and readiness are overridden for the rest of the release; an analysis only for the
// step that is being taken, from the moment its share was moved in the last region.
func (s *State) Overridden(what string) bool {
	switch what {
	case OverrideAnalysis:
		since := s.shifted()
		return !since.IsZero() && s.OverriddenSince(what, since)
	case OverrideFreeze:
		return s.Request.OverrideFreeze != "" || s.OverriddenSince(what, time.Time{})
	}
	return s.OverriddenSince(what, time.Time{})
}

// OverriddenSince says whether it was overridden at that time or later.
func (s *State) OverriddenSince(what string, since time.Time) bool {
	return slices.ContainsFunc(s.Overrides, func(o Override) bool { return o.What == what && !o.At.Before(since) })
}

// OverriddenAfter says whether it was overridden after the first n overrides.
func (s *State) OverriddenAfter(what string, n int) bool {
	return slices.ContainsFunc(s.Overrides[min(n, len(s.Overrides)):], func(o Override) bool { return o.What == what })
}

// shifted is when the last region of the present wave that holds a share was given it;
// zero when none holds one.
func (s *State) shifted() time.Time {
	var last time.Time
	for _, i := range s.RegionsOf(s.Wave) {
		r := s.Regions[i]
		if n := len(r.Steps); n > 0 && r.Steps[n-1].Done.IsZero() && r.Steps[n-1].Shifted.After(last) {
			last = r.Steps[n-1].Shifted
		}
	}
	return last
}

// wrongOverride says what is wrong with the body of an override, "" when nothing is.
func (o Order) wrongOverride() string {
	known := strings.Join(Overridable(), ", ")
	switch {
	case o.Gate == "":
		return `"gate" is missing: what is overridden? One of ` + known
	case !slices.Contains(Overridable(), o.Gate):
		return fmt.Sprintf(`"gate" is %q; an override is of one of %s`, o.Gate, known)
	case strings.TrimSpace(o.Comment) == "":
		return `"comment" is missing: an override needs a reason`
	}
	return ""
}

func (s *State) checkOverride(o Order, now time.Time) error {
	if wrong := o.wrongOverride(); wrong != "" {
		return fmt.Errorf("override: %s", wrong)
	}
	if err := mayGive(o, s.Request.Spec.Rights.Override, "rights.override"); err != nil {
		return err
	}
	if s.Overridden(o.Gate) {
		return fmt.Errorf("override: %s is overridden already", o.Gate)
	}
	return s.somethingToOverride(o.Gate, now)
}

func (s *State) override(o Order, now time.Time) string {
	s.Overrides = append(s.Overrides, Override{What: o.Gate, By: o.By, Comment: o.Comment, At: now})
	if o.Gate == OverrideAnalysis {
		return "the release takes the next step without a verdict of the analysis, if it gets none; a failed one still rolls back"
	}
	return fmt.Sprintf("%s is overridden for the rest of the release", o.Gate)
}

// somethingToOverride refuses an override of what does not hold the release, nor will as
// far as is known: it would let pass later what nobody has looked at.
func (s *State) somethingToOverride(what string, now time.Time) error {
	switch what {
	case OverrideFreeze:
		if !slices.ContainsFunc(s.Freezes, func(f Freeze) bool { return now.Before(f.Until) }) {
			return fmt.Errorf("override: %s has no freeze, now or later", s.Request.Target())
		}
	case OverrideWindow:
		if s.Phase != PhaseWindow {
			return fmt.Errorf("override: the release is in %s, it does not wait for its window", s.Phase)
		}
	case OverrideReadiness:
		if s.Phase != PhaseSoak && s.Phase != PhaseWindow && s.Phase != PhaseStop {
			return fmt.Errorf("override: the release is in %s, where no readiness holds it", s.Phase)
		}
		if !slices.ContainsFunc(s.Regions, func(r RegionState) bool { return !r.Readiness.At.IsZero() && !r.Readiness.Ready }) {
			return fmt.Errorf("override: no region has lost its readiness")
		}
	case OverrideAnalysis:
		if s.Phase != PhaseSwitch || s.shifted().IsZero() {
			return fmt.Errorf("override: no share is being judged (the release is in %s)", s.Phase)
		}
	}
	return nil
}

// mayGive refuses an order whose giver does not have the right to it. An empty list is everybody.
func mayGive(o Order, who []string, field string) error {
	if len(who) == 0 || slices.ContainsFunc(who, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), o.By) }) {
		return nil
	}
	return fmt.Errorf("%s: %s may not give this order; it is for: %s (%s)", o.Kind, o.By, strings.Join(who, ", "), field)
}

// CheckOverride refuses a request that asks to begin in a freeze without the right to it.
func (r Request) CheckOverride() error {
	if r.OverrideFreeze == "" {
		return nil
	}
	if len(r.OverrideFreeze) > maxCommentLength {
		return fmt.Errorf("override: the reason is %d bytes long, at most %d are taken", len(r.OverrideFreeze), maxCommentLength)
	}
	return mayGive(Order{Kind: OrderOverride, By: strings.TrimSpace(r.Requester)}, r.Spec.Rights.Override, "rights.override")
}
