package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/activities/secretscan"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Scanner searches a directory for secrets. Findings in paths that match one of the
// allowed glob patterns are left out.
type Scanner func(ctx context.Context, root string, allow []string) ([]Finding, error)

// Finding is where a secret was found: the file, as a path in the image, and the
// rule. Never the secret.
type Finding = secretscan.Finding

// Scanned says what was proven about an image.
type Scanned struct {
	Image      string `json:"image"`
	Provenance bool   `json:"provenance"`           // proven, as the spec asked
	Unsearched bool   `json:"unsearched,omitempty"` // its files can't be read, which the spec accepts
}

// ScanImage searches the image for secrets, a baked one once more, and, where the spec asks for it, proves
// its provenance. ErrSecretsFound names files and rules, and says in its details whether
// the image, if a bake made it, was removed; ErrProvenance says what could not be
// proven. An image that can't be read is not accepted.
func (b *Baker) ScanImage(ctx context.Context, in ScanInput) (Scanned, error) {
	p, err := b.Platforms.at(in.Place)
	if err != nil {
		return Scanned{}, err
	}
	pulse := beat(ctx, "searching image "+in.Image+" for secrets")
	defer pulse.Stop()
	root, err := p.Images.Root(ctx, in.Image)
	if err != nil {
		return Scanned{}, fmt.Errorf("read the files of image %s: %w", in.Image, err)
	}
	if root == "" && in.Spec.SecretScan.Unreadable != spec.UnreadableAccept {
		return Scanned{}, platform.NewError(platform.KindInvalid, "scan image", in.Image,
			"search in the Packer template, before the image is made, and say so with image.secretScan.unreadable: accept", errors.New("the platform can't show the image's files"))
	}
	if root == "" {
		return b.proven(ctx, in, Scanned{Image: in.Image, Unsearched: true}, pulse)
	}
	if err := b.search(ctx, root, "image "+in.Image, in.Spec.SecretScan.Allow); err != nil {
		var found *temporal.ApplicationError
		if !errors.As(err, &found) || found.Type() != ErrSecretsFound {
			return Scanned{}, err
		}
		gone, what := removeUnfit(ctx, p.Images, in)
		return Scanned{}, acterr.FinalWith(ErrSecretsFound, gone, "%s%s", found.Message(), what)
	}
	return b.proven(ctx, in, Scanned{Image: in.Image}, pulse)
}

// proven proves the provenance of the image where the spec asks for it.
func (b *Baker) proven(ctx context.Context, in ScanInput, out Scanned, pulse *pulse) (Scanned, error) {
	if in.Spec.Provenance.Verify {
		pulse.Set("proving the provenance of image " + in.Image)
		if err := b.Bakery.VerifyProvenance(ctx, in.Image, in.Spec.Provenance.PublicKey); err != nil {
			return Scanned{}, unproven(ctx, in.Image, err)
		}
		out.Provenance = true
	}
	return out, nil
}

// search looks for secrets below root. Findings end it with ErrSecretsFound, naming
// files and rules, never the secret.
func (b *Baker) search(ctx context.Context, root, image string, allow []string) error {
	scan := b.Scan
	if scan == nil {
		scan = secretscan.Scan
	}
	findings, err := scan(ctx, root, allow)
	if err != nil {
		return fmt.Errorf("search %s for secrets: %w", image, err)
	}
	if len(findings) > 0 {
		return acterr.Final(ErrSecretsFound, "%s holds secrets: %s; bake without them, or accept the path with image.secretScan.allow", image, places(findings))
	}
	return nil
}

// removeUnfit removes an image that a bake made and that must not be released, so
// that its secrets stay nowhere and no release of the same inputs finds it. One that
// existed before is its owner's. It says whether the image is gone, and what to add.
func removeUnfit(ctx context.Context, images platform.Images, in ScanInput) (gone bool, what string) {
	if in.Spec.Packer == nil {
		return false, ""
	}
	switch err := platform.IgnoreNotFound(images.Retire(ctx, in.Place.Region, in.Image)); {
	case platform.IsConflict(err):
		return false, "; the image stays, because a fleet runs it"
	case err != nil:
		return false, "; remove the image by hand, it could not be removed: " + err.Error()
	}
	return true, "; the image was removed"
}

func unproven(ctx context.Context, image string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return acterr.Final(ErrProvenance, "the provenance of image %s is not proven: %w", image, err)
}

const maxFindings = 20

func places(findings []Finding) string {
	var out []string
	for i, f := range findings {
		if i == maxFindings {
			out = append(out, fmt.Sprintf("and %d more", len(findings)-i))
			break
		}
		out = append(out, f.String())
	}
	return strings.Join(out, ", ")
}

// RetireImages keeps the newest images of the application and removes the others,
// except those a fleet of the target runs, those in Never, and those the platform
// says are in use. Fleets that can't be read end it before anything is removed. It
// returns the refs that are gone; what could not be removed is in the error.
func (b *Baker) RetireImages(ctx context.Context, in RetireImagesInput) ([]string, error) {
	p, err := b.Platforms.at(in.Place)
	if err != nil {
		return nil, err
	}
	pulse := beat(ctx, "looking for images to remove")
	defer pulse.Stop()
	used, err := usedImages(ctx, p.Fleets, in)
	if err != nil {
		return nil, err
	}
	images, err := p.Images.Find(ctx, platform.ImageQuery{Application: in.Place.Target.Application})
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", in.Place.Target.Application, err)
	}
	removed := []string{}
	var errs []error
	for i, image := range images {
		if i < max(1, in.Keep) || mustStay(image, used) {
			continue
		}
		gone, err := retireImage(ctx, p.Images, in.Regions, image)
		if err != nil {
			errs = append(errs, err)
		}
		if gone {
			removed = append(removed, image.Ref)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return removed, nil
}

// usedImages are the refs that stay: those asked for, and those that fleets run.
func usedImages(ctx context.Context, fleets platform.Fleets, in RetireImagesInput) ([]string, error) {
	used := slices.Clone(in.Never)
	for _, region := range in.Regions {
		list, err := fleets.List(ctx, region, in.Place.Target)
		if err != nil {
			return nil, fmt.Errorf("list the fleets of %s: %w", at(region, in.Place.Target.String()), err)
		}
		for _, f := range list {
			used = append(used, f.Image)
		}
	}
	return used, nil
}

func mustStay(image release.Image, used []string) bool {
	if slices.Contains(used, image.Ref) {
		return true
	}
	for _, ref := range image.Regions {
		if slices.Contains(used, ref) {
			return true
		}
	}
	return false
}

// retireImage removes an image from every region and says whether it is gone from
// all. One that a fleet still runs stays, which is no error.
func retireImage(ctx context.Context, images platform.Images, regions []string, image release.Image) (bool, error) {
	gone := true
	for _, region := range regions {
		ref := image.Ref
		if there := image.Regions[region]; there != "" {
			ref = there
		}
		err := images.Retire(ctx, region, ref)
		switch {
		case platform.IsConflict(err):
			gone = false
		case platform.IgnoreNotFound(err) != nil:
			return false, fmt.Errorf("remove image %s: %w", at(region, ref), err)
		}
	}
	return gone, nil
}
