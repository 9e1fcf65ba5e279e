// Package images is the images port on AWS: AMIs, found by the tags that are their
// provenance, copied to the regions that need them, proven to be unused before they
// go. What a bake leaves behind when it is killed is found by its tag and removed.
package images

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release/spec"
)

// Deps is what the port works with.
type Deps struct {
	Pool     *account.Pool
	Settings spec.Settings
	Options  Options
}

// Options tune the port.
type Options struct {
	Poll time.Duration // between two looks while something is waited for; default 5s
}

// Images is the images port for the regions of one spec. Its home region, where
// images are baked and found, is the spec's first.
type Images struct {
	pool     *account.Pool
	settings spec.Settings
	poll     time.Duration
}

var _ platform.Images = (*Images)(nil)

// New makes the port. It makes no call.
func New(d Deps) *Images {
	i := &Images{pool: d.Pool, settings: d.Settings, poll: d.Options.Poll}
	if i.poll <= 0 {
		i.poll = 5 * time.Second
	}
	return i
}

// Root answers that the files of an AMI can't be read: its snapshots are no files.
func (i *Images) Root(context.Context, string) (string, error) { return "", nil }

// at is the account that holds the images of the region.
func (i *Images) at(ctx context.Context, region string) (*account.Account, error) {
	return i.pool.Of(ctx, i.settings, region)
}

// regions are the regions of the spec, the home first.
func (i *Images) regions() []string {
	var names []string
	for _, r := range i.settings.Regions {
		names = append(names, r.Name)
	}
	return names
}

// wait sleeps until the next look.
func (i *Images) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(i.poll):
		return nil
	}
}

func in(region, what string) string { return what + " in " + region }

// amiID is the form of an AMI's id. Anything else names no AMI, and AWS refuses the
// whole call for it.
var amiID = regexp.MustCompile(`^ami-([0-9a-f]{8}|[0-9a-f]{17})$`)

// IsRef says whether the ref names an AMI.
func IsRef(ref string) bool { return amiID.MatchString(ref) }

// read reads an image in whatever state it is. false when it is certainly not there.
func read(ctx context.Context, a *account.Account, ref string) (types.Image, bool, error) {
	if !IsRef(ref) {
		return types.Image{}, false, nil
	}
	found, err := a.Images(ctx, ref)
	if err != nil {
		return types.Image{}, false, err
	}
	image, ok := found[ref]
	// A deregistered image may be shown for a while: see the states in
	// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html.
	return image, ok && image.State != types.ImageStateDeregistered, nil
}

func snapshotsOf(image types.Image) []string {
	var ids []string
	for _, m := range image.BlockDeviceMappings {
		if m.Ebs != nil && aws.ToString(m.Ebs.SnapshotId) != "" {
			ids = append(ids, *m.Ebs.SnapshotId)
		}
	}
	return ids
}

func tagsOf(list []types.Tag) map[string]string {
	out := make(map[string]string, len(list))
	for _, t := range list {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// tagList is the tags in a fixed order, so that the same call looks the same again.
func tagList(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return out
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// failedState is the error of an image that AWS could not finish.
func failedState(image types.Image) error {
	why := "no reason given"
	if image.StateReason != nil {
		why = aws.ToString(image.StateReason.Message)
	}
	return fmt.Errorf("AWS says that it is %s: %s", image.State, why)
}
