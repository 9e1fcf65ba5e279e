package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// Points of a release that a gate may stand before.
const (
	BeforeSwitch       = spec.BeforeSwitch
	BeforeDecommission = spec.BeforeDecommission
)

// What became of a gate.
const (
	GateApproved = "approved"
	GateExpired  = "expired"
)

// GateState is a gate with the approvals it has.
type GateState struct {
	Name      string     `json:"name"`
	Before    string     `json:"before"`
	Count     int        `json:"count"`
	Approvers []string   `json:"approvers,omitempty"` // empty: anyone
	FourEyes  bool       `json:"fourEyes"`
	Expiry    string     `json:"expiry"`
	OnExpiry  string     `json:"onExpiry"`
	Opened    time.Time  `json:"opened,omitzero"` // when the release began to wait here
	Approvals []Approval `json:"approvals,omitempty"`
	Decided   string     `json:"decided,omitempty"`
	DecidedAt time.Time  `json:"decidedAt,omitzero"`
}

// Approval is one counted approval.
type Approval struct {
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	Plan    string    `json:"plan"`
	At      time.Time `json:"at"`
}

func newGate(g spec.Gate) GateState {
	return GateState{
		Name: g.Name, Before: g.Before, Count: max(1, g.Count), Approvers: g.Approvers,
		FourEyes: g.FourEyes == nil || *g.FourEyes, Expiry: g.Expiry.String(), OnExpiry: g.OnExpiry,
	}
}

// Missing is how many approvals the gate still needs.
func (g GateState) Missing() int {
	if g.Decided == GateApproved {
		return 0
	}
	return max(0, g.Count-len(g.Approvals))
}

// OpenGate is the first gate before the given point that is not approved, nil
// when the release may go on. Expired gates stay closed.
func (s *State) OpenGate(before string) *GateState {
	for i := range s.Gates {
		if s.Gates[i].Before == before && s.Gates[i].Decided != GateApproved {
			return &s.Gates[i]
		}
	}
	return nil
}

const minPlanDigits = 12

func (s *State) gateFor(o Order) (*GateState, error) {
	g, err := s.findGate(o.Gate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Kind, err)
	}
	if g.Decided != "" {
		return nil, fmt.Errorf("%s: gate %q is %s already", o.Kind, g.Name, g.Decided)
	}
	if err := s.mayDecide(g, o); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Kind, err)
	}
	if g.FourEyes && strings.EqualFold(o.By, strings.TrimSpace(s.Request.Requester)) {
		return nil, fmt.Errorf("approve: %s asked for this release; gate %q wants somebody else to approve it (four eyes)", o.By, g.Name)
	}
	for _, a := range g.Approvals {
		if strings.EqualFold(a.By, o.By) {
			return nil, fmt.Errorf("approve: the approval of %s counts for gate %q already; %d more needed from others", o.By, g.Name, g.Missing())
		}
	}
	return g, s.checkPlanDigest(o)
}

func (s *State) findGate(name string) (*GateState, error) {
	var open []*GateState
	var names []string
	for i := range s.Gates {
		g := &s.Gates[i]
		names = append(names, g.Name)
		if g.Name == name {
			return g, nil
		}
		if g.Decided == "" {
			open = append(open, g)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("this release has no gate")
	case name != "":
		return nil, fmt.Errorf("there is no gate %q; the gates are: %s", name, strings.Join(names, ", "))
	case len(open) == 1:
		return open[0], nil
	case len(open) == 0:
		return nil, fmt.Errorf("no gate is open; the gates are: %s", strings.Join(names, ", "))
	default:
		return nil, fmt.Errorf(`%d gates are open, say which with "gate": %s`, len(open), strings.Join(names, ", "))
	}
}

func (s *State) mayDecide(g *GateState, o Order) error {
	if len(g.Approvers) == 0 || slices.ContainsFunc(g.Approvers, func(a string) bool { return strings.EqualFold(a, o.By) }) {
		return nil
	}
	return fmt.Errorf("%s may not decide gate %q; it is for: %s", o.By, g.Name, strings.Join(g.Approvers, ", "))
}

func (s *State) checkPlanDigest(o Order) error {
	want := s.Plan.Digest
	if want == "" {
		return fmt.Errorf("%s: the plan is not made yet; read it first, then approve it by its digest", o.Kind)
	}
	if o.Plan == "" {
		return fmt.Errorf(`%s: "plan" is missing; an approval counts for one plan only, this one is %s`, o.Kind, want)
	}
	hex, given := strings.TrimPrefix(want, "sha256:"), strings.TrimPrefix(strings.ToLower(o.Plan), "sha256:")
	if len(given) < minPlanDigits {
		return fmt.Errorf(`%s: "plan" has %d hex digits, at least %d are needed; the plan is %s`, o.Kind, len(given), minPlanDigits, want)
	}
	if !strings.HasPrefix(hex, given) {
		return fmt.Errorf("%s: plan %s is not the plan of this release, which is %s; look at it again before you approve", o.Kind, o.Plan, want)
	}
	return nil
}

func (s *State) checkReject(o Order) error {
	if s.TrafficMayHaveMoved() {
		if err := s.noWayBack(); err != nil {
			return fmt.Errorf("reject: the candidate serves, and %w", err)
		}
	}
	if o.Gate == "" && len(s.Gates) == 0 {
		return nil
	}
	if o.Gate == "" && !slices.ContainsFunc(s.Gates, func(g GateState) bool { return g.Decided == "" }) {
		instead := OrderAbort
		if s.TrafficMayHaveMoved() {
			instead = OrderRollback
		}
		return fmt.Errorf("reject: every gate is decided already; send %s instead", instead)
	}
	g, err := s.findGate(o.Gate)
	if err != nil {
		return fmt.Errorf("reject: %w", err)
	}
	if o.Plan != "" {
		if err := s.checkPlanDigest(o); err != nil {
			return err
		}
	}
	if err := s.mayDecide(g, o); err != nil {
		return fmt.Errorf("reject: %w", err)
	}
	return nil
}

func (s *State) approve(o Order, now time.Time) string {
	g, err := s.gateFor(o)
	if err != nil {
		return err.Error()
	}
	g.Approvals = append(g.Approvals, Approval{By: o.By, Comment: o.Comment, Plan: s.Plan.Digest, At: now})
	if n := g.Count - len(g.Approvals); n > 0 {
		return fmt.Sprintf("counted for gate %q; %d more needed", g.Name, n)
	}
	g.Decided, g.DecidedAt = GateApproved, now
	return fmt.Sprintf("gate %q is approved", g.Name)
}

// Expire closes a gate whose time is up, by the gate's stated action: reject
// leaves by clean-up or rollback, hold keeps waiting. Says whether it rejected. A
// gate that was decided meanwhile stays as it is.
func (s *State) Expire(g *GateState, now time.Time) bool {
	if g.Decided != "" {
		return false
	}
	if g.OnExpiry == spec.OnExpiryHold {
		s.Warn(fmt.Sprintf("gate %q has waited longer than %s; it goes on waiting, as its spec says", g.Name, g.Expiry))
		return false
	}
	g.Decided, g.DecidedAt = GateExpired, now
	return s.LeaveBy(LeaveReject, "", fmt.Sprintf("gate %q was not approved within %s", g.Name, g.Expiry), now)
}
