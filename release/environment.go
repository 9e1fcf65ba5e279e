package release

import (
	"fmt"
	"slices"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// Holder is a release that holds a target, or waits for it.
type Holder struct {
	ID         string    `json:"id"`
	Version    string    `json:"version"`
	WorkflowID string    `json:"workflowId"`
	RunID      string    `json:"runId"` // first run of the chain
	Requester  string    `json:"requester,omitempty"`
	Since      time.Time `json:"since"`

	OverrideFreeze string `json:"overrideFreeze,omitempty"` // why it may begin in a freeze; "": it waits for the freeze's end
}

// mayBegin says whether a freeze of the target lets the release begin.
func (h Holder) mayBegin(freezes []Freeze, now time.Time) bool {
	return h.OverrideFreeze != "" || FrozenBy(freezes, now) == nil
}

// Environment is what is known of one target: who holds it, who waits, and what
// is live and previous in each region.
type Environment struct {
	Target   Target      `json:"target"`
	Holder   *Holder     `json:"holder,omitempty"`
	Queue    []Holder    `json:"queue,omitempty"`
	Regions  []LivePair  `json:"regions,omitempty"`
	Freezes  []Freeze    `json:"freezes,omitempty"`
	Schema   Schema      `json:"schema,omitzero"`
	Refusals []Refusal   `json:"refusals,omitempty"` // the last orders that were refused
	History  []PastEntry `json:"history,omitempty"`  // the last releases, newest last
	Runs     int         `json:"runs"`
}

// LivePair is what serves and what is kept for rollback in one region.
type LivePair struct {
	Region          string `json:"region"`
	Live            string `json:"live,omitempty"`
	LiveVersion     string `json:"liveVersion,omitempty"`
	LiveImage       string `json:"liveImage,omitempty"`
	Previous        string `json:"previous,omitempty"`
	PreviousVersion string `json:"previousVersion,omitempty"`
}

// PastEntry is a release that is over.
type PastEntry struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	Outcome string    `json:"outcome"`
	At      time.Time `json:"at"`
}

const (
	maxQueue   = 100
	maxHistory = 50
)

// What an environment answers to a request.
const (
	Admitted = "admitted"
	Queued   = "queued"
	Refused  = "refused"
)

// Admission is the answer to a request for the target.
type Admission struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
	Ahead    int    `json:"ahead,omitempty"` // releases before it, the holder included

	Freezes []Freeze `json:"freezes,omitempty"` // of the target, with an admission
	Schema  Schema   `json:"schema,omitzero"`   // of the target, with an admission
}

// Admit answers a request for the target. The same release again gets its present
// answer; nothing is queued twice. An admission carries the target's freezes and what is
// known of its database.
//
// A freeze lets no release begin: with the policy queue it waits for the freeze's end,
// with any other it is refused. The one that holds the target already keeps it and holds
// still by itself. A release that overrides the freeze, with a reason, is treated as if
// there were none; it may pass those that wait for its end, but nobody else.
func (e *Environment) Admit(h Holder, policy string, now time.Time) Admission {
	if e.Holder != nil && e.Holder.ID == h.ID {
		return e.admitted()
	}
	if i := slices.IndexFunc(e.Queue, func(q Holder) bool { return q.ID == h.ID }); i >= 0 {
		return Admission{Decision: Queued, Ahead: e.ahead(i), Reason: e.heldBy(now)}
	}
	h.Since = now
	free := e.Holder == nil && !slices.ContainsFunc(e.Queue, func(q Holder) bool { return q.mayBegin(e.Freezes, now) })
	switch {
	case free && h.mayBegin(e.Freezes, now):
		e.Holder = &h
		return e.admitted()
	case policy != spec.PolicyQueue && free:
		return Admission{Decision: Refused, Reason: e.heldBy(now) + "; wait for its end, ask with the admission policy queue, or override it with a reason"}
	case policy != spec.PolicyQueue:
		return Admission{Decision: Refused, Reason: e.heldBy(now) + "; wait for it, or ask with the admission policy queue"}
	case len(e.Queue) >= maxQueue:
		return Admission{Decision: Refused, Reason: fmt.Sprintf("%d releases wait already, the longest queue there is", maxQueue)}
	}
	e.Queue = append(e.Queue, h)
	return Admission{Decision: Queued, Ahead: e.ahead(len(e.Queue) - 1), Reason: e.heldBy(now)}
}

func (e *Environment) admitted() Admission {
	return Admission{Decision: Admitted, Freezes: slices.Clone(e.Freezes), Schema: e.Schema}
}

// ahead is how many releases come before the one at this place of the queue.
func (e *Environment) ahead(place int) int {
	if e.Holder != nil {
		place++
	}
	return place
}

// heldBy says why the target can't be had now.
func (e *Environment) heldBy(now time.Time) string {
	if f := FrozenBy(e.Freezes, now); f != nil && e.Holder == nil {
		return fmt.Sprintf("%s is frozen: %s", e.Target, f)
	}
	if e.Holder == nil {
		return fmt.Sprintf("%s is being handed over", e.Target)
	}
	return fmt.Sprintf("%s is held by release %s (version %s) since %s", e.Target, e.Holder.ID, e.Holder.Version, e.Holder.Since.UTC().Format(time.RFC3339))
}

// Report takes what a release says about the target: what is live now, what it did to
// the database, and, with an outcome, that it is over and holds the target no longer. A
// report of a release that neither holds nor waits changes nothing and is no error: it
// is an answer that was lost and is sent again.
func (e *Environment) Report(r ReportRequest, now time.Time) {
	e.Schema = e.Schema.Take(r.Schema) // whoever says it: its numbers only grow, and a floor that got lost would be unsafe
	e.Queue = slices.DeleteFunc(e.Queue, func(q Holder) bool { return q.ID == r.ID && r.Outcome != "" })
	if e.Holder == nil || e.Holder.ID != r.ID {
		return
	}
	for _, pair := range r.Regions {
		i := slices.IndexFunc(e.Regions, func(p LivePair) bool { return p.Region == pair.Region })
		if i < 0 {
			e.Regions = append(e.Regions, pair)
		} else {
			e.Regions[i] = pair
		}
	}
	if r.Outcome == "" {
		return
	}
	version := r.Version
	if version == "" {
		version = e.Holder.Version
	}
	e.Holder = nil
	e.History = append(e.History, PastEntry{ID: r.ID, Version: version, Outcome: r.Outcome, At: now})
	if n := len(e.History); n > maxHistory {
		e.History = e.History[n-maxHistory:]
	}
}

// Next is the release that gets the target now, nil when it is held or nobody may begin.
// It becomes the holder. First come, first served; in a freeze only a release that
// overrides it is served.
func (e *Environment) Next(now time.Time) *Holder {
	if e.Holder != nil {
		return nil
	}
	i := slices.IndexFunc(e.Queue, func(q Holder) bool { return q.mayBegin(e.Freezes, now) })
	if i < 0 {
		return nil
	}
	h := e.Queue[i]
	e.Queue = slices.Delete(e.Queue, i, i+1)
	h.Since = now
	e.Holder = &h
	return e.Holder
}

// Thaws is when a release that waits only for the end of a freeze may begin: the time at
// which Next has to be asked again. Zero when nobody waits for that.
func (e *Environment) Thaws(now time.Time) time.Time {
	if e.Holder != nil || len(e.Queue) == 0 {
		return time.Time{}
	}
	if f := FrozenBy(e.Freezes, now); f != nil {
		return f.Until
	}
	return time.Time{}
}

// Forget drops a release that vanished without a report (terminated by hand).
func (e *Environment) Forget(id string, now time.Time) {
	e.Report(ReportRequest{ID: id, Outcome: "vanished"}, now)
}
