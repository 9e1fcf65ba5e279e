package activities

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Planner observes a target and makes the plan of a release.
type Planner struct {
	Platforms Set
	Bakery    Bakery
}

// MakePlan observes every region of the request and makes the plan. It changes
// nothing. What can't be released safely as it is ends it with ErrPlan; a region
// that can't be read is an error and never an empty observation.
func (pl *Planner) MakePlan(ctx context.Context, in PlanInput) (release.Plan, error) {
	s := in.Request.Spec
	p, err := pl.Platforms.Open(s.Platform, s.Settings())
	if err != nil {
		return release.Plan{}, err
	}
	pulse := beat(ctx, "observing")
	defer pulse.Stop()
	seen := release.Observed{Schema: in.Schema}
	for _, r := range s.Regions {
		o, err := observe(ctx, p, r.Name, in.Request.Target())
		if err != nil {
			return release.Plan{}, fmt.Errorf("observe %s of %s: %w", r.Name, in.Request.Target(), err)
		}
		seen.Regions = append(seen.Regions, o)
	}
	if err := pl.observeImage(ctx, p.Images, s, &seen); err != nil {
		return release.Plan{}, err
	}
	plan, err := release.MakePlan(in.Request, seen)
	if err != nil {
		return release.Plan{}, acterr.Final(ErrPlan, "%w", err)
	}
	pulse.Set("looking for what stands against it")
	if seen.Doubts, err = preflight(ctx, p.Fleets, s, plan, cmp.Or(seen.Reusable, seen.Retained)); err != nil {
		return release.Plan{}, err
	}
	if plan, err = release.MakePlan(in.Request, seen); err != nil {
		return release.Plan{}, acterr.Final(ErrPlan, "%w", err)
	}
	return plan, nil
}

// preflight asks the platform what stands against the fleets of the plan, before
// anything is baked. What does ends it with ErrPlan, all of it at once; what is in
// doubt is returned in words.
func preflight(ctx context.Context, fleets platform.Fleets, s spec.Spec, plan release.Plan, known *release.Image) (doubts []string, err error) {
	var against []string
	for _, r := range plan.Regions {
		findings, err := fleets.Preflight(ctx, platform.FleetSpec{
			Name: r.Candidate, Region: r.Name, Target: plan.Target, Release: plan.Release, Version: plan.Version,
			Image: imageIn(r.Name, s, plan, known), Instances: r.Capacity, Command: s.Fleet.Command, Environment: s.Fleet.Environment,
			Secrets: s.Fleet.Secrets, HealthPath: s.Fleet.HealthPath, Like: r.Previous, HeldBy: plan.Release,
		})
		if err != nil {
			return nil, fmt.Errorf("look for what stands against fleet %s: %w", at(r.Name, r.Candidate), err)
		}
		for _, f := range findings {
			switch {
			case f.Problem == "":
			case f.Blocking:
				against = append(against, r.Name+": "+f.String())
			default:
				doubts = append(doubts, r.Name+": "+f.String())
			}
		}
	}
	if len(against) > 0 {
		return nil, acterr.Final(ErrPlan, "the release could not go through as it is: %s", strings.Join(against, "; "))
	}
	return doubts, nil
}

// imageIn is the plan's image as the region knows it; "" where it is baked, or copied
// from the first region, only later.
func imageIn(region string, s spec.Spec, plan release.Plan, known *release.Image) string {
	if known != nil && known.Ref == plan.Image.Ref && known.Regions[region] != "" {
		return known.Regions[region]
	}
	if region == s.Regions[0].Name {
		return plan.Image.Ref
	}
	return ""
}

func observe(ctx context.Context, p platform.Platform, region string, target release.Target) (release.ObservedRegion, error) {
	o := release.ObservedRegion{Name: region}
	var err error
	if o.Entry, err = p.Router.Entry(ctx, region, target); err != nil {
		return o, err
	}
	if o.Weights, err = p.Router.Weights(ctx, region, target); err != nil {
		return o, err
	}
	o.Fleets, err = p.Fleets.List(ctx, region, target)
	return o, err
}

// observeImage finds the image that exists already: the one the spec names, which
// must be there, the newest kept one of a version, or one baked from the same inputs.
func (pl *Planner) observeImage(ctx context.Context, images platform.Images, s spec.Spec, seen *release.Observed) error {
	if s.Image.Existing != "" {
		_, err := locate(ctx, images, regionNames(s), s.Image.Existing)
		if platform.IsNotFound(err) {
			return acterr.Final(ErrPlan, "image %s is not on platform %s; bake it, or name one that is there: %w", s.Image.Existing, s.Platform, err)
		}
		return err
	}
	if version := s.Image.Retained; version != "" {
		found, err := images.Find(ctx, platform.ImageQuery{Application: s.Application, Version: version})
		if err != nil {
			return fmt.Errorf("find the kept image of %s %s: %w", s.Application, version, err)
		}
		if len(found) > 0 {
			seen.Retained = &found[0]
		}
		return nil
	}
	parent, err := findParent(ctx, images, s)
	if err != nil {
		return err
	}
	seen.Parent = parent
	digest, err := pl.Bakery.InputDigest(ctx, onParent(s, parentRef(parent)))
	if err != nil {
		return fmt.Errorf("read the inputs of the bake: %w", err)
	}
	seen.InputDigest = digest
	image, err := findBaked(ctx, images, s.Application, digest)
	if err != nil {
		return err
	}
	seen.Reusable = image
	return nil
}

// findParent is the image that the spec names by its provenance, nil when it names none.
func findParent(ctx context.Context, images platform.Images, s spec.Spec) (*release.Image, error) {
	if s.Image.Packer == nil || s.Image.Packer.ParentOf == nil {
		return nil, nil
	}
	of := s.Image.Packer.ParentOf
	found, err := images.Find(ctx, platform.ImageQuery{Application: of.Application, Version: of.Version})
	if err != nil {
		return nil, fmt.Errorf("find the image of %s to build on: %w", of.Application, err)
	}
	if len(found) == 0 {
		return nil, acterr.Final(ErrPlan, "no image of %s %s is there to build on; release or bake it first, or change image.packer.parentOf", of.Application, of.Version)
	}
	return &found[0], nil
}

func parentRef(parent *release.Image) string {
	if parent == nil {
		return ""
	}
	return parent.Ref
}

// onParent is the spec with the image to build on pinned, where the plan pins one.
func onParent(s spec.Spec, ref string) spec.Spec {
	if ref == "" || s.Image.Packer == nil {
		return s
	}
	packer := *s.Image.Packer
	packer.Parent, packer.ParentOf = ref, nil
	s.Image.Packer = &packer
	return s
}

func regionNames(s spec.Spec) []string {
	var out []string
	for _, r := range s.Regions {
		out = append(out, r.Name)
	}
	return out
}

// locate reads the image in the first of the regions that has it. KindNotFound only
// when every region says so.
func locate(ctx context.Context, images platform.Images, regions []string, ref string) (release.Image, error) {
	err := error(platform.NotFound("find image", ref))
	for _, region := range regions {
		var image release.Image
		image, err = images.Get(ctx, region, ref)
		if err == nil {
			return image, nil
		}
		if !platform.IsNotFound(err) {
			return release.Image{}, fmt.Errorf("find image %s: %w", at(region, ref), err)
		}
	}
	return release.Image{}, err
}

// findBaked is the newest image of the application with that input digest, nil when
// there is none.
func findBaked(ctx context.Context, images platform.Images, application, digest string) (*release.Image, error) {
	if digest == "" {
		return nil, nil
	}
	found, err := images.Find(ctx, platform.ImageQuery{Application: application, InputDigest: digest})
	if err != nil {
		return nil, fmt.Errorf("find an image of %s with input digest %s: %w", application, digest, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}
