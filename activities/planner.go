package activities

import (
	"context"
	"fmt"

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
	var seen release.Observed
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
	return plan, nil
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
// must be there, or one baked from the same inputs.
func (pl *Planner) observeImage(ctx context.Context, images platform.Images, s spec.Spec, seen *release.Observed) error {
	if s.Image.Existing != "" {
		_, err := locate(ctx, images, regionNames(s), s.Image.Existing)
		if platform.IsNotFound(err) {
			return acterr.Final(ErrPlan, "image %s is not on platform %s; bake it, or name one that is there: %w", s.Image.Existing, s.Platform, err)
		}
		return err
	}
	digest, err := pl.Bakery.InputDigest(ctx, s)
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
