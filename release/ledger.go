package release

import (
	"slices"
	"time"
)

// Kinds of resources in the ledger.
const (
	KindImage = "image"
	KindFleet = "fleet"
	KindHold  = "scale-in hold"
)

// What the ledger knows about a resource.
const (
	LedgerPlanned = "planned" // written before the create call; it may or may not exist
	LedgerMade    = "made"    // the platform said it exists
	LedgerTaken   = "taken over"
	LedgerKept    = "kept" // meant to outlive the release
	LedgerGone    = "gone" // removal was confirmed
)

// Resource is one line of the ledger.
type Resource struct {
	Kind   string    `json:"kind"`
	Region string    `json:"region,omitempty"`
	Name   string    `json:"name"`
	Status string    `json:"status"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at"`
}

// Ledger lists every resource a release made or took over. A line is written
// before the create call and is never removed; only its status changes.
type Ledger []Resource

// Set writes or updates the line of a resource.
func (l *Ledger) Set(kind, region, name, status, note string, now time.Time) {
	for i := range *l {
		r := &(*l)[i]
		if r.Kind == kind && r.Region == region && r.Name == name {
			r.Status, r.At = status, now
			if note != "" {
				r.Note = note
			}
			return
		}
	}
	*l = append(*l, Resource{Kind: kind, Region: region, Name: name, Status: status, Note: note, At: now})
}

// Has says whether the ledger has a line of the resource.
func (l Ledger) Has(kind, region, name string) bool {
	return slices.ContainsFunc(l, func(r Resource) bool { return r.Kind == kind && r.Region == region && r.Name == name })
}

// Open lists the lines of a kind that may still exist and are not meant to stay.
func (l Ledger) Open(kind string) []Resource {
	var out []Resource
	for _, r := range l {
		if r.Kind == kind && (r.Status == LedgerPlanned || r.Status == LedgerMade) {
			out = append(out, r)
		}
	}
	return out
}
