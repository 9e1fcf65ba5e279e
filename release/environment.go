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
}

// Environment is what is known of one target: who holds it, who waits, and what
// is live and previous in each region.
type Environment struct {
	Target  Target      `json:"target"`
	Holder  *Holder     `json:"holder,omitempty"`
	Queue   []Holder    `json:"queue,omitempty"`
	Regions []LivePair  `json:"regions,omitempty"`
	History []PastEntry `json:"history,omitempty"` // the last releases, newest last
	Runs    int         `json:"runs"`
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
}

// Admit answers a request for the target. The same release again gets its present
// answer; nothing is queued twice.
func (e *Environment) Admit(h Holder, policy string, now time.Time) Admission {
	if e.Holder != nil && e.Holder.ID == h.ID {
		return Admission{Decision: Admitted}
	}
	if i := slices.IndexFunc(e.Queue, func(q Holder) bool { return q.ID == h.ID }); i >= 0 {
		return Admission{Decision: Queued, Ahead: i + 1, Reason: e.heldBy()}
	}
	h.Since = now
	switch {
	case e.Holder == nil && len(e.Queue) == 0:
		e.Holder = &h
		return Admission{Decision: Admitted}
	case policy != spec.PolicyQueue:
		return Admission{Decision: Refused, Reason: e.heldBy() + "; wait for it, or ask with the admission policy queue"}
	case len(e.Queue) >= maxQueue:
		return Admission{Decision: Refused, Reason: fmt.Sprintf("%d releases wait already, the longest queue there is", maxQueue)}
	}
	e.Queue = append(e.Queue, h)
	return Admission{Decision: Queued, Ahead: len(e.Queue), Reason: e.heldBy()}
}

func (e *Environment) heldBy() string {
	if e.Holder == nil {
		return fmt.Sprintf("%s is being handed over", e.Target)
	}
	return fmt.Sprintf("%s is held by release %s (version %s) since %s", e.Target, e.Holder.ID, e.Holder.Version, e.Holder.Since.UTC().Format(time.RFC3339))
}

// Report takes what a release says about the target: what is live now, and, with
// an outcome, that it is over and holds the target no longer. A report of a
// release that neither holds nor waits changes nothing and is no error: it is an
// answer that was lost and is sent again.
func (e *Environment) Report(id, version, outcome string, regions []LivePair, now time.Time) {
	e.Queue = slices.DeleteFunc(e.Queue, func(q Holder) bool { return q.ID == id && outcome != "" })
	if e.Holder == nil || e.Holder.ID != id {
		return
	}
	for _, r := range regions {
		i := slices.IndexFunc(e.Regions, func(p LivePair) bool { return p.Region == r.Region })
		if i < 0 {
			e.Regions = append(e.Regions, r)
		} else {
			e.Regions[i] = r
		}
	}
	if outcome == "" {
		return
	}
	if version == "" {
		version = e.Holder.Version
	}
	e.Holder = nil
	e.History = append(e.History, PastEntry{ID: id, Version: version, Outcome: outcome, At: now})
	if n := len(e.History); n > maxHistory {
		e.History = e.History[n-maxHistory:]
	}
}

// Next is the release that gets the target now, nil when it is held or nobody
// waits. It becomes the holder.
func (e *Environment) Next(now time.Time) *Holder {
	if e.Holder != nil || len(e.Queue) == 0 {
		return nil
	}
	h := e.Queue[0]
	e.Queue = e.Queue[1:]
	h.Since = now
	e.Holder = &h
	return e.Holder
}

// Forget drops a release that vanished without a report (terminated by hand).
func (e *Environment) Forget(id string, now time.Time) {
	e.Report(id, "", "vanished", nil, now)
}
