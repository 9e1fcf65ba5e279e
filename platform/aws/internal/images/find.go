package images

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// Find lists the accepted images of this account in the home region that match,
// newest first, each with its copies in the spec's other regions. One call per region,
// all at once.
func (i *Images) Find(ctx context.Context, q platform.ImageQuery) ([]release.Image, error) {
	regions := i.regions()
	if len(regions) == 0 {
		return nil, nil
	}
	lists := make([][]types.Image, len(regions))
	group, gctx := errgroup.WithContext(ctx)
	for n, region := range regions {
		group.Go(func() error {
			a, err := i.at(gctx, region)
			if err != nil {
				return err
			}
			lists[n], err = own(gctx, a, matching(q))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := lists[0]
	slices.SortStableFunc(found, newestFirst)
	out := make([]release.Image, 0, len(found))
	for _, image := range found {
		known := imageOf(regions[0], image)
		for n, region := range regions[1:] {
			if c := slices.IndexFunc(lists[n+1], func(c types.Image) bool { return isCopy(c, regions[0], image) }); c >= 0 {
				known.Regions[region] = aws.ToString(lists[n+1][c].ImageId)
			}
		}
		out = append(out, known)
	}
	return out, nil
}

// Get reads one image of any owner in one region. KindNotFound when there is none, or
// none that will ever start; an error without a kind while it is being made.
func (i *Images) Get(ctx context.Context, region, ref string) (release.Image, error) {
	a, err := i.at(ctx, region)
	if err != nil {
		return release.Image{}, err
	}
	image, err := usable(ctx, a, ref)
	if err != nil {
		return release.Image{}, err
	}
	return imageOf(region, image), nil
}

// usable reads an image that instances can be started from.
func usable(ctx context.Context, a *account.Account, ref string) (types.Image, error) {
	image, there, err := read(ctx, a, ref)
	switch {
	case err != nil:
		return image, err
	case !there:
		return image, platform.NotFound("get image", in(a.Region, ref))
	case image.State == types.ImageStateAvailable:
		return image, nil
	case image.State == types.ImageStatePending, image.State == types.ImageStateTransient:
		return image, platform.NewError("", "get image", in(a.Region, ref), "it will be there when its snapshots are", errors.New("it is still being made"))
	}
	return image, platform.NewError(platform.KindNotFound, "get image", in(a.Region, ref), "no instance can be started from it", failedState(image))
}

func matching(q platform.ImageQuery) []types.Filter {
	filters := []types.Filter{filter("state", string(types.ImageStateAvailable)), filter("tag-key", tag.Accepted)}
	for _, f := range []struct{ key, value string }{{tag.Application, q.Application}, {tag.Version, q.Version}, {tag.InputDigest, q.InputDigest}} {
		if f.value != "" {
			filters = append(filters, filter("tag:"+f.key, f.value))
		}
	}
	return filters
}

// own lists the images that the account owns and the filters let through.
func own(ctx context.Context, a *account.Account, filters []types.Filter) ([]types.Image, error) {
	var all []types.Image
	pages := ec2.NewDescribeImagesPaginator(a.EC2, &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Classify("find images", a.Region, false, err)
		}
		all = append(all, page.Images...)
	}
	return all, nil
}

// imageOf is what the tags of an AMI say about it.
func imageOf(region string, image types.Image) release.Image {
	tags := tagsOf(image.Tags)
	ref := aws.ToString(image.ImageId)
	return release.Image{
		Ref: ref, Application: tags[tag.Application], Version: tags[tag.Version], Commit: tags[tag.Commit],
		InputDigest: tags[tag.InputDigest], Base: tags[tag.Base], CreatedAt: created(image),
		Regions: map[string]string{region: ref},
	}
}

// created is when the AMI was made; zero when AWS does not say.
func created(image types.Image) time.Time {
	t, err := time.Parse(time.RFC3339, aws.ToString(image.CreationDate))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// newestFirst goes by AWS's own date. Where two are of the same second, the bake's
// own times and at last the ids decide, so that the order is always the same.
func newestFirst(a, b types.Image) int {
	at, bt := tagsOf(a.Tags), tagsOf(b.Tags)
	return cmp.Or(created(b).Compare(created(a)), cmp.Compare(bt[tag.Built], at[tag.Built]),
		cmp.Compare(bt[tag.Accepted], at[tag.Accepted]), cmp.Compare(aws.ToString(b.ImageId), aws.ToString(a.ImageId)))
}

// isCopy says whether c is a copy of the image in the region: one that Copy made, or
// one that the same bake made, which has the same inputs and the same time of build.
func isCopy(c types.Image, region string, image types.Image) bool {
	ct, it := tagsOf(c.Tags), tagsOf(image.Tags)
	if source := ct[tag.Source]; source != "" {
		return source == sourceOf(region, image)
	}
	return it[tag.InputDigest] != "" && it[tag.Built] != "" && ct[tag.InputDigest] == it[tag.InputDigest] && ct[tag.Built] == it[tag.Built]
}

func sourceOf(region string, image types.Image) string {
	return region + "/" + aws.ToString(image.ImageId)
}
