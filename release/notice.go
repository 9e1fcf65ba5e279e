package release

import (
	"fmt"
	"slices"
)

// Seen is what one look saw of the two fleets of a region. A nil fleet is not there.
type Seen struct {
	Candidate, Previous *Fleet
	Made                int      // instances the release gave the candidate
	Missing             int      // looks in a row in which the candidate had fewer in service than desired
	ImagesGone          []string // refs of images that are certainly gone
}

// missingLooks is how many looks in a row an instance has to be missing to be told of:
// one that is replaced at once is no news.
const missingLooks = 2

// Irregularities says in words what is not as the release left it and what nobody
// would see in the checks: sorted, so that two answers can be compared. A fleet that
// is not there is not among them; the checks and the readiness say so.
func Irregularities(s Seen) []string {
	var out []string
	if c := s.Candidate; c != nil {
		out = append(out, ShrunkBy(*c, s.Made)...)
		if s.Missing >= missingLooks {
			out = append(out, fmt.Sprintf("%s has fewer instances in service than it should have", c.Name))
		}
	}
	for _, f := range []*Fleet{s.Candidate, s.Previous} {
		if f != nil && slices.Contains(s.ImagesGone, f.Image) {
			out = append(out, fmt.Sprintf("image %s of %s is gone: somebody removed it, and no instance of that fleet can be replaced", f.Image, f.Name))
		}
	}
	slices.Sort(out)
	return out
}

// maxKnown bounds the instances that a release remembers of a fleet that waits for traffic.
const maxKnown = 200

// Known are the instances of a fleet that WentAway can tell apart; none of a very large fleet.
func Known(f Fleet) []string {
	if len(f.Instances) > maxKnown {
		return nil
	}
	var ids []string
	for _, i := range f.Instances {
		ids = append(ids, i.ID)
	}
	return ids
}

// WentAway says in words which instances a fleet has no longer that were known when it
// was ready.
func WentAway(f Fleet, known []string) []string {
	here := Known(f)
	var out []string
	for _, id := range known {
		if !slices.Contains(here, id) && len(out) < maxNotices {
			out = append(out, fmt.Sprintf("instance %s of %s went away after the fleet was ready, and others took its place", id, f.Name))
		}
	}
	return out
}

// Short counts looks in a row in which the fleet had fewer in service than desired.
func (w Watched) Short(f *Fleet) Watched {
	if f == nil || f.InService() >= f.Desired {
		w.Missing = 0
	} else {
		w.Missing++
	}
	return w
}
