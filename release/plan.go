package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/switchyard/switchyard/release/spec"
)

// Observed is what a platform says about a target before a release begins.
type Observed struct {
	InputDigest string           `json:"inputDigest,omitempty"` // over everything the bake would read
	Reusable    *Image           `json:"reusable,omitempty"`    // an image with that digest that exists already
	Parent      *Image           `json:"parent,omitempty"`      // the image to build on, where the spec names it by its provenance
	Regions     []ObservedRegion `json:"regions"`
	Doubts      []string         `json:"doubts,omitempty"` // what the platform found in doubt about the fleets to be made
}

// ObservedRegion is one region of the observation.
type ObservedRegion struct {
	Name    string  `json:"name"`
	Entry   string  `json:"entry"`
	Weights Weights `json:"weights,omitempty"`
	Fleets  []Fleet `json:"fleets,omitempty"`
}

// What the plan does about the image.
const (
	ImageBake     = "bake"
	ImageReuse    = "reuse"
	ImageExisting = "existing"
)

// Plan lists what a release will do. It is a pure function of the spec and the
// observation; approvals bind to its digest.
type Plan struct {
	Release string       `json:"release"`
	Target  Target       `json:"target"`
	Version string       `json:"version"`
	Image   PlanImage    `json:"image"`
	Regions []PlanRegion `json:"regions"`
	Steps   []string     `json:"steps"`
	Doubts  []string     `json:"doubts,omitempty"` // what the platform found in doubt, and does not stand against the release
	Digest  string       `json:"digest"`           // "sha256:…" over all the rest and the spec
}

// PlanImage is the image the plan releases.
type PlanImage struct {
	Action      string `json:"action"`
	Ref         string `json:"ref,omitempty"` // known before the bake when reused or existing
	InputDigest string `json:"inputDigest,omitempty"`
	Parent      string `json:"parent,omitempty"` // ref of the image that is built on, where the spec names it by its provenance
}

// PlanRegion is what the plan does in one region.
type PlanRegion struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Wave      int    `json:"wave"`
	Entry     string `json:"entry"`
	Candidate string `json:"candidate"`
	Previous  string `json:"previous,omitempty"`
	Adopted   bool   `json:"adopted,omitempty"`
	From      string `json:"from,omitempty"` // version that serves now
	Capacity  int    `json:"capacity"`
}

// FleetName is the name of the fleet a release makes; the same in every region.
func FleetName(t Target, releaseID string) string {
	return fmt.Sprintf("%s-%s-%s", t.Application, t.Environment, releaseID)
}

// MakePlan makes the plan. It refuses what can't be released safely: a region
// whose traffic is split between fleets, or whose serving fleet is not known.
func MakePlan(r Request, seen Observed) (Plan, error) {
	s := r.Spec
	if s.Image.Existing == "" && s.Image.Packer == nil {
		return Plan{}, fmt.Errorf("plan release %s: the spec names no image; give image.packer or image.existing", r.ID)
	}
	p := Plan{Release: r.ID, Target: r.Target(), Version: s.Version, Image: planImage(s, seen), Doubts: seen.Doubts}
	for _, want := range s.Regions {
		o, ok := seen.region(want.Name)
		if !ok {
			return Plan{}, fmt.Errorf("plan region %s: the platform said nothing about it; check the region's name", want.Name)
		}
		region, err := planRegion(r, want, o)
		if err != nil {
			return Plan{}, err
		}
		p.Regions = append(p.Regions, region)
	}
	sort.SliceStable(p.Regions, func(i, j int) bool { return p.Regions[i].Wave < p.Regions[j].Wave })
	for i, wave := 0, 0; i < len(p.Regions); i++ {
		if i == 0 || p.Regions[i].Wave != p.Regions[i-1].Wave {
			wave++
		}
		if p.Regions[i].Wave != wave { // waves are numbered without gaps from here on
			old := p.Regions[i].Wave
			for j := i; j < len(p.Regions) && p.Regions[j].Wave == old; j++ {
				p.Regions[j].Wave = wave
			}
		}
	}
	p.Steps = planSteps(s, p)
	digest, err := planDigest(p, s)
	if err != nil {
		return Plan{}, err
	}
	p.Digest = digest
	return p, nil
}

func (o Observed) region(name string) (ObservedRegion, bool) {
	for _, r := range o.Regions {
		if r.Name == name {
			return r, true
		}
	}
	return ObservedRegion{}, false
}

func planImage(s spec.Spec, seen Observed) PlanImage {
	parent := ""
	if seen.Parent != nil {
		parent = seen.Parent.Ref
	}
	switch {
	case s.Image.Existing != "":
		return PlanImage{Action: ImageExisting, Ref: s.Image.Existing}
	case seen.Reusable != nil && !s.Image.Packer.Rebake:
		return PlanImage{Action: ImageReuse, Ref: seen.Reusable.Ref, InputDigest: seen.InputDigest, Parent: parent}
	default:
		return PlanImage{Action: ImageBake, InputDigest: seen.InputDigest, Parent: parent}
	}
}

func planRegion(r Request, want spec.Region, o ObservedRegion) (PlanRegion, error) {
	out := PlanRegion{
		Name: want.Name, Role: want.Role, Wave: max(1, want.Wave), Entry: o.Entry,
		Candidate: FleetName(r.Target(), r.ID), Capacity: want.Instances,
	}
	if out.Capacity == 0 {
		out.Capacity = r.Spec.Fleet.Instances
	}
	for _, w := range o.Weights {
		switch {
		case w.Percent == 0:
		case w.Percent != 100 || out.Previous != "":
			return out, fmt.Errorf("plan region %s: traffic is split (%s), so no fleet is the live one; move it to one fleet, then release again", want.Name, o.Weights)
		case w.Fleet == out.Candidate:
			return out, fmt.Errorf("plan region %s: fleet %s of this release serves already; use a new release id", want.Name, w.Fleet)
		default:
			out.Previous = w.Fleet
		}
	}
	if out.Previous == "" {
		return out, nil
	}
	for _, f := range o.Fleets {
		if f.Name == out.Previous {
			out.From, out.Adopted = f.Version, !f.Managed()
			out.Capacity = max(out.Capacity, f.InService())
			return out, nil
		}
	}
	return out, fmt.Errorf("plan region %s: the router sends all traffic to fleet %s, which the platform does not list; look why before you release", want.Name, out.Previous)
}

// String is the shares as people read them: "web-1 100 %, web-2 0 %".
func (w Weights) String() string {
	out := ""
	for i, x := range w {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%s %d %%", x.Fleet, x.Percent)
	}
	if out == "" {
		return "no shares"
	}
	return out
}

func planSteps(s spec.Spec, p Plan) []string {
	var steps []string
	add := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	switch p.Image.Action {
	case ImageBake:
		add("bake %s %s with Packer template %s, at most %s", s.Application, s.Version, s.Image.Packer.Template, s.Image.Packer.Timeout)
	case ImageReuse:
		add("reuse image %s, baked from the same inputs", p.Image.Ref)
	default:
		add("use image %s", p.Image.Ref)
	}
	if p.Image.Parent != "" && p.Image.Action == ImageBake {
		add("build it on image %s of %s", p.Image.Parent, s.Image.Packer.ParentOf.Application)
	}
	add("scan the image for secrets")
	if s.Image.Prove {
		add("boot one instance from the image, alone, and ask it the checks")
	}
	for i, r := range p.Regions {
		if i > 0 && p.Regions[i-1].Wave != r.Wave {
			add("wave %d begins when wave %d serves", r.Wave, r.Wave-1)
		}
		add("%s: provision %d instances as fleet %s, verify %d rounds in a row", r.Name, r.Capacity, r.Candidate, s.Verification.Consecutive)
	}
	addGates := func(before string) {
		for _, g := range s.Gates {
			if g.Before == before {
				add("gate %q: wait for %s, at most %s", g.Name, approvals(max(1, g.Count)), g.Expiry)
			}
		}
	}
	addGates(spec.BeforeSwitch)
	for _, r := range p.Regions {
		if r.Previous == "" {
			add("%s: first release, give %s all traffic", r.Name, r.Candidate)
		} else {
			add("%s: move all traffic from %s (%s) to %s (%s)", r.Name, r.Previous, orUnknown(r.From), r.Candidate, p.Version)
		}
	}
	add("soak %s, every fleet that has served stays up, looked at every %s", s.Soak.Duration, s.Soak.Interval)
	if slices.ContainsFunc(p.Regions, func(r PlanRegion) bool { return TakesAway(r.Previous, r.Adopted, s.Decommission) }) {
		addGates(spec.BeforeDecommission)
		if w := s.Decommission.Window; w != nil {
			add("wait for the window %s–%s %s", w.From, w.To, w.TimeZone)
		}
	}
	for _, r := range p.Regions {
		switch {
		case r.Previous == "":
		case !TakesAway(r.Previous, r.Adopted, s.Decommission):
			add("%s: leave %s as it is, without traffic: Switchyard did not make it", r.Name, r.Previous)
		default:
			add("%s: decommission %s (the point of no return)", r.Name, r.Previous)
		}
	}
	add("keep the newest %d images", s.Retention.Images)
	return steps
}

func approvals(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals, each by another person", n)
}

func orUnknown(v string) string {
	if v == "" {
		return "version unknown"
	}
	return v
}

func planDigest(p Plan, s spec.Spec) (string, error) {
	p.Digest = ""
	data, err := json.Marshal(struct {
		Plan Plan
		Spec spec.Spec
	}{p, s})
	if err != nil {
		return "", fmt.Errorf("digest of the plan of release %s: %w", p.Release, err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Adopt takes the plan into the state: the regions with their fleets. The ledger is
// the caller's to write.
func (s *State) Adopt(p Plan) {
	s.Plan = p
	s.Regions = nil
	for _, r := range p.Regions {
		s.Regions = append(s.Regions, RegionState{
			Name: r.Name, Role: r.Role, Wave: r.Wave, Entry: r.Entry,
			Candidate: r.Candidate, Previous: r.Previous, Adopted: r.Adopted, Capacity: r.Capacity,
		})
	}
}
