package activities

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/secretref"
	"github.com/switchyard/switchyard/release"
)

// Baker makes, checks and retires images.
type Baker struct {
	Platforms Set
	Bakery    Bakery
	Scan      Scanner // nil: the gitleaks detector
}

// sweepWithin bounds the clean-up after a bake that was cancelled or failed.
const sweepWithin = 3 * time.Minute

// BakeImage gets the image of the plan and makes it available in every region. A
// bake that was interrupted before is swept first, and an image that an earlier
// attempt finished is taken instead of baking again. ErrTemplate when the template,
// or what it runs, is wrong.
func (b *Baker) BakeImage(ctx context.Context, in BakeInput) (release.Image, error) {
	p, err := b.Platforms.at(in.Place)
	if err != nil {
		return release.Image{}, err
	}
	pulse := beat(ctx, "looking for the image")
	defer pulse.Stop()
	ref := in.Plan.Ref
	if in.Plan.Action == release.ImageBake {
		if ref, err = b.bake(ctx, p.Images, in, pulse); err != nil {
			return release.Image{}, err
		}
	}
	pulse.Set("making image " + ref + " available")
	return distribute(ctx, p.Images, in.Regions, ref)
}

// bake runs Packer, unless an earlier attempt of this release got to the end.
func (b *Baker) bake(ctx context.Context, images platform.Images, in BakeInput, pulse *pulse) (string, error) {
	if _, err := images.Sweep(ctx, in.Place.bakeTag()); err != nil {
		return "", fmt.Errorf("sweep what an earlier bake of release %s left: %w", in.Place.Release, err)
	}
	in.Spec = onParent(in.Spec, in.Plan.Parent)
	packer := in.Spec.Image.Packer
	if packer == nil {
		return "", acterr.Final(ErrInvalidRequest, "bake release %s: the spec has no Packer template", in.Place.Release)
	}
	if !packer.Rebake {
		// The plan found no such image: it is ours, from an attempt whose answer was
		// lost, or another release's of the same inputs. Both are as good as a bake.
		found, err := findBaked(ctx, images, in.Spec.Application, in.Plan.InputDigest)
		if err != nil {
			return "", err
		}
		if found != nil {
			return found.Ref, nil
		}
	}
	secrets, err := secretref.ResolveAll(packer.Secrets)
	if err != nil {
		// A worker's environment and files do not change by waiting.
		return "", acterr.Final(ErrInvalidRequest, "bake release %s: %w; give it to the workers that bake, then release again", in.Place.Release, err)
	}
	ref, err := b.Bakery.Bake(ctx, BakeOrder{
		Release: in.Place.Release, Tag: in.Place.bakeTag(), Spec: in.Spec, InputDigest: in.Plan.InputDigest, Secrets: secrets,
		Inspect: func(ctx context.Context, root string) error {
			return b.search(ctx, root, "the baked image", in.Spec.Image.SecretScan.Allow)
		},
	}, func(line string) { pulse.Set(clip(line, maxValue)) })
	if err == nil {
		return ref, nil
	}
	b.sweepAfter(ctx, images, in.Place.bakeTag(), pulse)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", fmt.Errorf("bake %s %s: %w", in.Spec.Application, in.Spec.Version, err)
}

// sweepAfter removes what a failed bake left, with a deadline of its own: the
// activity's context may be cancelled, and stays so. What it can't remove is found
// again by the next attempt's sweep and by SweepBake.
func (b *Baker) sweepAfter(ctx context.Context, images platform.Images, tag string, pulse *pulse) {
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepWithin)
	defer cancel()
	pulse.Set("removing what the bake left")
	if _, err := images.Sweep(sctx, tag); err != nil {
		pulse.Set(clip("the sweep failed: "+err.Error(), maxValue))
	}
}

// distribute reads the image and makes it available in every region.
func distribute(ctx context.Context, images platform.Images, regions []string, ref string) (release.Image, error) {
	image, err := locate(ctx, images, regions, ref)
	if err != nil {
		return release.Image{}, err
	}
	// All copies are made at once: where a copy takes minutes, the regions share the wait.
	there := make([]string, len(regions))
	group, gctx := errgroup.WithContext(ctx)
	for i, region := range regions {
		group.Go(func() (err error) {
			if there[i], err = images.Copy(gctx, region, ref); err != nil {
				return fmt.Errorf("make image %s available: %w", at(region, ref), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return release.Image{}, err
	}
	image.Regions = make(map[string]string, len(regions))
	for i, region := range regions {
		image.Regions[region] = there[i]
	}
	return image, nil
}

// SweepBake removes what an interrupted bake of the release left and says what.
func (b *Baker) SweepBake(ctx context.Context, in SweepInput) ([]string, error) {
	p, err := b.Platforms.at(in.Place)
	if err != nil {
		return nil, err
	}
	removed, err := p.Images.Sweep(ctx, in.Place.bakeTag())
	if err != nil {
		return nil, fmt.Errorf("sweep the bake of release %s: %w", in.Place.Release, err)
	}
	return removed, nil
}
