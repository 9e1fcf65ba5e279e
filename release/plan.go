package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/switchyard/switchyard/release/spec"
)

// Observed is what a platform says about a target before a release begins.
type Observed struct {
	InputDigest string           `json:"inputDigest,omitempty"` // over everything the bake would read
	Reusable    *Image           `json:"reusable,omitempty"`    // an image with that digest that exists already
	Retained    *Image           `json:"retained,omitempty"`    // the newest image of the version that image.retained names; nil when none is kept
	Parent      *Image           `json:"parent,omitempty"`      // the image to build on, where the spec names it by its provenance
	Schema      Schema           `json:"schema,omitzero"`       // of the target's database, as the environment knows it
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
	ImageRetained = "retained"
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
// whose traffic is split between fleets, or whose serving fleet is not known, a version
// whose image is not kept any more, and one that does not run on the database as it is.
func MakePlan(r Request, seen Observed) (Plan, error) {
	s := r.Spec
	if err := plannable(r, seen); err != nil {
		return Plan{}, fmt.Errorf("plan release %s: %w", r.ID, err)
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
	closeGaps(p.Regions)
	p.Steps = planSteps(r, p)
	digest, err := planDigest(p, s)
	if err != nil {
		return Plan{}, err
	}
	p.Digest = digest
	return p, nil
}

// plannable refuses what no region has to be looked at for.
func plannable(r Request, seen Observed) error {
	s := r.Spec
	switch {
	case s.Image.Existing == "" && s.Image.Packer == nil && s.Image.Retained == "":
		return errors.New("the spec names no image; give image.packer, image.existing or image.retained")
	case s.Image.Retained != "" && seen.Retained == nil:
		return fmt.Errorf("no image of version %s of %s is kept; bake it again with image.packer", s.Image.Retained, s.Application)
	}
	version, needs := s.Version, 0
	if s.Migrations != nil {
		needs = s.Migrations.Schema
	}
	if s.Image.Retained != "" { // an older build than the spec was written for: what was recorded of it counts
		version = s.Image.Retained
		if recorded := seen.Schema.Needs(version); recorded > 0 {
			needs = recorded
		}
	}
	return seen.Schema.CheckBuild(version, needs)
}

// closeGaps numbers the waves of regions in the order of waves from 1 on, without gaps.
func closeGaps(regions []PlanRegion) {
	wave, last := 0, 0
	for i := range regions {
		if regions[i].Wave != last || i == 0 {
			wave, last = wave+1, regions[i].Wave
		}
		regions[i].Wave = wave
	}
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
	case s.Image.Retained != "":
		return PlanImage{Action: ImageRetained, Ref: seen.Retained.Ref}
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
