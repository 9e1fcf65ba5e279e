package wiring

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// AWS is what baking AMIs needs of the AWS platform.
type AWS interface {
	// Tags is the provenance of an image that is about to be baked, as tags for everything its bake makes.
	Tags(image release.Image, releaseID, bake string) map[string]string
	// Credentials are those in force now in the region.
	Credentials(ctx context.Context, s spec.Settings, region string) (aws.Credentials, error)
	// Accept makes images of the AMIs that a bake with these tags made, by region.
	Accept(ctx context.Context, s spec.Settings, refs, tags map[string]string) error
	// Sweep removes what a bake left behind, and says what.
	Sweep(ctx context.Context, s spec.Settings, bake string) ([]string, error)
}

// bakeAMI bakes in the home region, with the credentials of its role, and accepts what
// the receipt names where AWS confirms it. Copies that Packer made of itself are
// accepted too; those that are missing are made by the Images port.
func (b *Bakery) bakeAMI(ctx context.Context, o activities.BakeOrder, told func(string)) (string, error) {
	if b.AWS == nil {
		return "", platform.NewError(platform.KindInvalid, "bake an AMI", o.Spec.Application, "start one that knows the platform aws", errors.New("this worker bakes no AMIs"))
	}
	bake, err := b.prepare(ctx, o)
	if err != nil {
		return "", err
	}
	settings := o.Spec.Settings()
	home, began := settings.Home(), time.Now()
	tags := b.AWS.Tags(release.Image{
		Application: o.Spec.Application, Version: o.Spec.Version, Commit: o.Spec.Commit,
		InputDigest: o.InputDigest, Base: bake.Release.Parent, CreatedAt: began,
	}, o.Release, o.Tag)
	regional(&bake.Release, settings)
	bake.Release.Tags, bake.Release.ImageName = tags, imageName(o.Spec, began)
	bake.Sweep = func(ctx context.Context) error {
		_, err := b.AWS.Sweep(ctx, settings, o.Tag)
		return err
	}
	server, err := serveCredentials(func(ctx context.Context) (aws.Credentials, error) { return b.AWS.Credentials(ctx, settings, home) })
	if err != nil {
		return "", err
	}
	defer server.close()
	bake.Env = server.environment(packer.Inherited(), home)
	receipt, err := bake.Run(ctx, func(p packer.Progress) { told(p.Detail) })
	if err != nil {
		return "", amiError(ctx, err, attempt(ctx))
	}
	refs, err := receipt.Regions()
	if err != nil {
		return "", acterr.Final(activities.ErrTemplate, "%w (platform aws needs a builder of AMIs, such as amazon-ebs)", err)
	}
	if err := b.AWS.Accept(ctx, settings, refs, tags); err != nil {
		if platform.KindOf(err) == platform.KindInvalid {
			return "", acterr.Final(activities.ErrTemplate, "%w", err)
		}
		return "", err
	}
	return refs[home], nil
}

// regional tells the template of the regions. One with a role of its own is left out:
// Packer works with one role, and the Images port copies there.
func regional(v *packer.Vars, s spec.Settings) {
	home := s.Region(s.Home())
	if home == nil {
		return
	}
	v.Region, v.KMSKey = s.Home(), home.KMSKey
	keys, any := map[string]string{}, v.KMSKey != ""
	for _, r := range s.Regions {
		if r.Name == v.Region || r.AWS == nil || r.AWS.Role != home.Role {
			continue
		}
		v.Regions = append(v.Regions, r.Name)
		keys[r.Name] = r.AWS.KMSKey
		any = any || r.AWS.KMSKey != ""
	}
	if any {
		v.KMSKeys = keys
	}
}

// What the name of an AMI may hold; see
// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html.
var unfitForName = regexp.MustCompile(`[^A-Za-z0-9()\[\]./'@_-]+`)

const (
	longestName = 128
	nameSuffix  = 40 // room for what Switchyard appends here, and to the names of copies
)

// imageName is a name that no other AMI has: AWS refuses one that exists, and an
// earlier attempt may have left its own.
func imageName(s spec.Spec, at time.Time) string {
	name := unfitForName.ReplaceAllString(s.Application+"-"+s.Version, "-")
	name = name[:min(len(name), longestName-nameSuffix)]
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	return name + "-" + at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(random)
}

func isAMI(ref string) bool { return strings.HasPrefix(ref, "ami-") }

// noAttestation refuses to prove what can't be: better no release than a wrong proof.
func noAttestation(image string) error {
	return platform.NewError(platform.KindInvalid, "verify provenance of image", image,
		"leave image.provenance.verify out on platform aws; what an AMI was baked from stands in its tags, which the bake checks",
		errors.New("an AMI has no attestation: Packer's provenance post-processor signs files, and an AMI is none"))
}
