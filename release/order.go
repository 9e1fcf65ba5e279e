package release

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// OrderKind is what a person, or a program, may tell a running release. Each kind
// is the name of a signal and of an update.
type OrderKind string

// The orders.
const (
	OrderApprove    OrderKind = "approve"
	OrderReject     OrderKind = "reject"
	OrderRollback   OrderKind = "rollback"
	OrderPause      OrderKind = "pause"
	OrderResume     OrderKind = "resume"
	OrderAbort      OrderKind = "abort"
	OrderExtendSoak OrderKind = "extend-soak"
	OrderFinishSoak OrderKind = "finish-soak"
	OrderOverride   OrderKind = "override"
)

// OrderKinds lists every order with what it does, in words for the Temporal UI.
func OrderKinds() []OrderHelp {
	return []OrderHelp{
		{OrderApprove, `Counts your approval for a gate. Body: {"by": "you", "gate": "switch", "plan": "<digest shown>"}`},
		{OrderReject, `Refuses the release: the candidate is removed, or rolled back if it serves. Body: {"by": "you", "comment": "why"}`},
		{OrderRollback, `Moves traffic back to the previous fleet. Body: {"by": "you", "comment": "why"}`},
		{OrderPause, `Holds the release before its next phase; watching goes on. Body: {"by": "you"}`},
		{OrderResume, `Lets a paused release go on. Body: {"by": "you"}`},
		{OrderAbort, `Ends the release before traffic moves and removes the candidate. Body: {"by": "you", "comment": "why"}`},
		{OrderExtendSoak, `Makes the soak longer. Body: {"by": "you", "for": "2h"}`},
		{OrderFinishSoak, `Ends the soak now. Body: {"by": "you", "comment": "why"}`},
		{OrderOverride, `Lets the release pass what holds it: freeze, window, readiness or analysis. Body: {"by": "you", "gate": "window", "comment": "why"}`},
	}
}

// OrderHelp describes an order.
type OrderHelp struct {
	Kind OrderKind
	Help string
}

// Order is the body of a signal or update; Kind comes from its name.
type Order struct {
	Kind    OrderKind     `json:"-"`
	ID      string        `json:"id,omitempty"` // the same id again is the same order
	By      string        `json:"by"`
	Comment string        `json:"comment,omitempty"`
	Gate    string        `json:"gate,omitempty"` // override: what is overridden
	Plan    string        `json:"plan,omitempty"` // digest of the plan that was shown, or its first 12 hex digits or more
	For     spec.Duration `json:"for,omitempty"`  // extend-soak only
}

// Taken is an order that was taken.
type Taken struct {
	Kind    OrderKind `json:"kind"`
	ID      string    `json:"id,omitempty"`
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	Effect  string    `json:"effect"` // what it did, in words
	At      time.Time `json:"at"`
}

// Refusal is an order that was not taken, and why.
type Refusal struct {
	Kind   OrderKind `json:"kind"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

const (
	maxRefusals = 20
	maxTaken    = 200
	maxReason   = 2000
)

// Refuse keeps why an order was not taken; the last maxRefusals are kept, long texts shortened.
func (s *State) Refuse(kind OrderKind, by string, err error, now time.Time) {
	s.Refusals = append(s.Refusals, Refusal{Kind: kind, By: clip(by, maxNameLength), Reason: clip(err.Error(), maxReason), At: now})
	if n := len(s.Refusals); n > maxRefusals {
		s.Refusals = s.Refusals[n-maxRefusals:]
	}
}

// CheckOrder says why the order can't be taken now, nil when it can. It changes nothing.
// On the way back only pause and resume are taken: they hold it between two moves.
func (s *State) CheckOrder(o Order, now time.Time) error {
	if before := s.seen(o.ID); before != nil {
		return before.sameAs(o)
	}
	if o.By == "" {
		return fmt.Errorf(`%s: "by" is missing: who gives this order?`, o.Kind)
	}
	if s.Phase.Ended() {
		return fmt.Errorf("%s: the release is over (%s)", o.Kind, s.Phase)
	}
	if len(s.Orders) >= maxTaken && !o.Kind.waysOut() && o.Kind != OrderResume {
		return fmt.Errorf("%s: the release has taken %d orders, its limit; only abort, reject, rollback and resume are taken now", o.Kind, maxTaken)
	}
	if s.Phase == PhaseRollback {
		if o.Kind == OrderPause || o.Kind == OrderResume {
			return s.checkPause(o)
		}
		return fmt.Errorf("%s: traffic is on its way back already; only pause and resume are taken now", o.Kind)
	}
	if s.Leaving() {
		return fmt.Errorf("%s: the release is on its way out already (%s: %s)", o.Kind, s.WayOut.Leave, s.WayOut.Reason)
	}
	if !s.Phase.Live() {
		return fmt.Errorf("%s: the release is in %s, past the point where orders change its course", o.Kind, s.Phase)
	}
	switch o.Kind {
	case OrderApprove:
		_, err := s.gateFor(o)
		return err
	case OrderReject:
		return s.checkReject(o)
	case OrderAbort:
		if s.TrafficMayHaveMoved() {
			if err := s.noWayBack(); err != nil {
				return fmt.Errorf("abort: traffic has moved to the candidate already, and %w", err)
			}
			return errors.New("abort: traffic may have moved to the candidate already; send rollback instead")
		}
	case OrderRollback:
		return s.checkRollback()
	case OrderPause, OrderResume:
		return s.checkPause(o)
	case OrderOverride:
		return s.checkOverride(o, now)
	case OrderExtendSoak, OrderFinishSoak:
		return s.checkSoakOrder(o)
	default:
		return fmt.Errorf("%q is not an order", o.Kind)
	}
	return nil
}

// checkPause refuses a second pause and a resume of what is not paused. A resume is taken
// however many orders were: a pause that can't be lifted would hold the release for ever.
func (s *State) checkPause(o Order) error {
	switch {
	case o.Kind == OrderPause && s.Paused != nil:
		return fmt.Errorf("pause: paused already by %s", s.Paused.By)
	case o.Kind == OrderResume && s.Paused == nil:
		return errors.New("resume: the release is not paused")
	}
	return nil
}

// waysOut says whether the order ends the release. At most one such order is taken.
func (k OrderKind) waysOut() bool {
	return k == OrderAbort || k == OrderReject || k == OrderRollback
}

func (s *State) checkRollback() error {
	if !s.TrafficMayHaveMoved() {
		return fmt.Errorf("rollback: no traffic has moved yet (the release is in %s); send abort instead", s.Phase)
	}
	if err := s.noWayBack(); err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	return nil
}

// noWayBack says why traffic that has moved can't go back, and what can be done.
func (s *State) noWayBack() error {
	for _, r := range s.Regions {
		if r.Switched && r.Previous == "" {
			return fmt.Errorf("region %s has no previous fleet to go back to, this is its first release; finish-soak ends the release, cancelling it in Temporal too, and the candidate keeps the traffic until a better version is released", r.Name)
		}
	}
	return nil
}

func (s *State) checkSoakOrder(o Order) error {
	if s.Phase != PhaseSoak {
		return fmt.Errorf("%s: the release is in %s, not in its soak", o.Kind, s.Phase)
	}
	if s.Soak.Finished != "" {
		return fmt.Errorf("%s: %s has ended the soak already", o.Kind, s.Soak.Finished)
	}
	if o.Kind == OrderExtendSoak && o.For <= 0 {
		return errors.New(`extend-soak: "for" is missing: how much longer?`)
	}
	if total := s.Soak.Extended + o.For; total > MaxSoakExtension {
		return fmt.Errorf("extend-soak: %s in all is more than the %s a soak may be extended by", total, MaxSoakExtension)
	}
	if o.Kind == OrderFinishSoak {
		if err := mayGive(o, s.Request.Spec.Rights.FinishSoak, "rights.finishSoak"); err != nil {
			return err
		}
	}
	deadline := s.RequestedAt.Add(s.Request.Spec.Deadline.Std())
	if end := s.Soak.End.Add(o.For.Std()); s.Request.Spec.Deadline > 0 && o.Kind == OrderExtendSoak && end.After(deadline) {
		return fmt.Errorf("extend-soak: the soak would end %s, after the release's deadline %s, which would roll it back",
			end.UTC().Format(time.RFC3339), deadline.UTC().Format(time.RFC3339))
	}
	return nil
}

// MaxSoakExtension bounds all extensions of one soak together.
const MaxSoakExtension = spec.Duration(7 * 24 * time.Hour)

func (s *State) seen(id string) *Taken {
	if id == "" {
		return nil
	}
	for i := range s.Orders {
		if s.Orders[i].ID == id {
			return &s.Orders[i]
		}
	}
	return nil
}

// sameAs refuses an order that came under the id of another one: answering "taken
// before" to it would swallow it.
func (t Taken) sameAs(o Order) error {
	if t.Kind == o.Kind && t.By == o.By {
		return nil
	}
	return fmt.Errorf("%s: id %q was taken for another order (%s by %s); send this one with an id of its own, or none", o.Kind, o.ID, t.Kind, t.By)
}

// TakeOrder checks the order and applies it, and says what it did. An order with
// an id that was taken before has no second effect.
func (s *State) TakeOrder(o Order, now time.Time) (string, error) {
	if err := s.CheckOrder(o, now); err != nil {
		return "", err
	}
	if s.seen(o.ID) != nil {
		return "taken before; nothing more was done", nil
	}
	effect := s.apply(o, now)
	s.Attended = now
	s.Orders = append(s.Orders, Taken{Kind: o.Kind, ID: o.ID, By: o.By, Comment: o.Comment, Effect: effect, At: now})
	return effect, nil
}

func (s *State) apply(o Order, now time.Time) string {
	reason := o.Comment
	if reason == "" {
		reason = fmt.Sprintf("%s by %s", o.Kind, o.By)
	}
	switch o.Kind {
	case OrderApprove:
		return s.approve(o, now)
	case OrderReject:
		s.LeaveBy(LeaveReject, o.By, reason, now)
	case OrderAbort:
		s.LeaveBy(LeaveAbort, o.By, reason, now)
	case OrderRollback:
		s.LeaveBy(LeaveRollback, o.By, reason, now)
	case OrderPause:
		s.Paused = &Pause{By: o.By, Comment: o.Comment, At: now}
		if s.Phase == PhaseRollback {
			return "paused: no share moves until resume"
		}
		return "paused: nothing new starts until resume; watching goes on"
	case OrderResume:
		s.Paused = nil
		return "resumed"
	case OrderExtendSoak:
		s.Soak.Extended += o.For
		s.Soak.End = s.Soak.End.Add(time.Duration(o.For))
		return "the soak ends " + s.Soak.End.UTC().Format(time.RFC3339)
	case OrderFinishSoak:
		s.Soak.Finished, s.Soak.End = o.By, now
		return "the soak ends now"
	case OrderOverride:
		return s.override(o, now)
	}
	if next := s.LeavePhase(); next.Ended() {
		return fmt.Sprintf("the release ends: %s", next)
	}
	return fmt.Sprintf("the release leaves by %s", s.LeavePhase())
}
