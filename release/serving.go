package release

import "github.com/switchyard/switchyard/release/spec"

// Serves says whether the candidate has all the traffic, as last read.
func (r *RegionState) Serves() bool { return r.Weights.Of(r.Candidate) == 100 }

// TakeShares takes over shares that somebody else set, if they are others than known
// and concern only this region's two fleets, or nobody at all: so it is when the fleet
// that had the traffic was removed. It says whether it did. A stranger's share is never
// taken over.
func (r *RegionState) TakeShares(seen Weights) bool {
	ours := seen.Of(r.Candidate)+seen.Of(r.Previous) == 100
	if seen.Equal(r.Weights) || !ours && !seen.Equal(nil) {
		return false
	}
	r.Weights = seen
	return true
}

// AsSet says whether the shares are as the release last set them: the candidate's is, and
// the rest is the previous fleet's and nobody else's.
func (r *RegionState) AsSet() bool {
	return r.Weights.Of(r.Candidate) == r.Share && (r.Share == 100 || r.Weights.Of(r.Previous) == 100-r.Share)
}

// Scale is how many instances the previous fleet needs for a load that takes a hundred of
// the candidate, at most a hundred: a release that brings a larger fleet along does not
// make the load larger, and the fleet that carried it before can carry it again.
func (r *RegionState) Scale() int {
	if r.Carried <= 0 || r.Capacity <= r.Carried {
		return 100
	}
	return (r.Carried*100 + r.Capacity - 1) / r.Capacity
}

// GoneAll says whether no previous fleet is left, so that nothing needs an older schema.
func (s *State) GoneAll() bool {
	for _, r := range s.Regions {
		if r.Previous != "" {
			return false
		}
	}
	return true
}

// InDoubt lists the regions among those given about whose candidate nothing certain can be told.
func (s *State) InDoubt(regions []int) []string {
	var out []string
	for _, i := range regions {
		if s.Regions[i].Doubt != "" {
			out = append(out, s.Regions[i].Name)
		}
	}
	return out
}

// LostReadiness says in which region whose previous fleet is to go a rollback would not
// work, and why; "" when it would in all of them, as far as is known.
func (s *State) LostReadiness() string {
	for _, r := range s.Regions {
		if TakesAway(r.Previous, r.Adopted, s.Request.Spec.Decommission) && !r.Readiness.At.IsZero() && !r.Readiness.Ready {
			return r.Name + ": " + r.Readiness.Why
		}
	}
	return ""
}

// From is the version that served in a region before, "" when it is not known.
func (s *State) From(region string) string {
	for _, p := range s.Plan.Regions {
		if p.Name == region {
			return p.From
		}
	}
	return ""
}

// AllServe says whether every candidate has all the traffic of its region.
func (s *State) AllServe() bool {
	for i := range s.Regions {
		if !s.Regions[i].Serves() {
			return false
		}
	}
	return true
}

// SwitchedBefore lists the regions of waves before the given one whose traffic was
// moved to the candidate, as indexes into Regions.
func (s *State) SwitchedBefore(wave int) []int {
	var out []int
	for i, r := range s.Regions {
		if r.Switched && r.Wave < wave {
			out = append(out, i)
		}
	}
	return out
}

// TakesAway says whether the decommission removes any fleet.
func (s *State) TakesAway() bool {
	for _, r := range s.Regions {
		if TakesAway(r.Previous, r.Adopted, s.Request.Spec.Decommission) {
			return true
		}
	}
	return false
}

// TakesAway says whether the decommission removes the previous fleet of a region:
// there is one, and it is Switchyard's or the spec says that adopted ones go too.
func TakesAway(previous string, adopted bool, d spec.Decommission) bool {
	return previous != "" && (!adopted || d.Adopted == spec.Remove)
}

// Live says what serves and what is kept in each region whose shares were read.
func (s *State) Live() []LivePair {
	from := map[string]string{}
	for _, p := range s.Plan.Regions {
		from[p.Name] = p.From
	}
	var out []LivePair
	for _, r := range s.Regions {
		if len(r.Weights) == 0 {
			continue
		}
		if r.Weights.Of(r.Candidate) < 50 && r.Previous != "" {
			out = append(out, LivePair{Region: r.Name, Live: r.Previous, LiveVersion: from[r.Name]})
			continue
		}
		pair := LivePair{Region: r.Name, Live: r.Candidate, LiveVersion: s.Request.Spec.Version, LiveImage: r.Image}
		if r.Previous != "" {
			pair.Previous, pair.PreviousVersion = r.Previous, from[r.Name]
		}
		out = append(out, pair)
	}
	return out
}
