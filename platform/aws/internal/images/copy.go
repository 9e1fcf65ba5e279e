package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

const (
	copyTries = 2  // a copy that failed is made once again
	lookTries = 12 // looks for a new image that AWS does not show yet, before it counts as gone
	nameLimit = 128
)

// Copy makes the image available in the region, encrypted unless the spec says
// otherwise, and to the accounts of aws.shareWith. A copy that is there already, from
// an earlier call or from Packer's ami_regions, is taken. KindNotFound when no region
// of the spec has the image.
func (i *Images) Copy(ctx context.Context, region, ref string) (string, error) {
	there, err := i.at(ctx, region)
	if err != nil {
		return "", err
	}
	image, from, err := i.source(ctx, region, ref)
	if err != nil {
		return "", err
	}
	copied := image
	if from.Region != region {
		if copied, err = i.copied(ctx, there, from, image); err != nil {
			return "", err
		}
	}
	if err := share(ctx, there, copied, i.settings.AWS.ShareWith); err != nil {
		return "", err
	}
	return aws.ToString(copied.ImageId), nil
}

// source finds the image where it is: at home, in the region itself, or elsewhere.
func (i *Images) source(ctx context.Context, region, ref string) (types.Image, *account.Account, error) {
	order := append([]string{i.settings.Home(), region}, i.regions()...)
	for n, r := range order {
		if slices.Contains(order[:n], r) {
			continue
		}
		a, err := i.at(ctx, r)
		if err != nil {
			return types.Image{}, nil, err
		}
		image, err := usable(ctx, a, ref)
		if err == nil || !platform.IsNotFound(err) {
			return image, a, err
		}
	}
	return types.Image{}, nil, platform.NotFound("copy image", in(strings.Join(i.regions(), ", "), ref))
}

// copied finds the copy of the image or makes it, and waits until it is available.
// What could not be finished is removed.
func (i *Images) copied(ctx context.Context, there, from *account.Account, image types.Image) (types.Image, error) {
	c, err := findCopy(ctx, there, from.Region, image)
	if err != nil {
		return c, err
	}
	if c.State == types.ImageStateAvailable {
		if tagsOf(c.Tags)[tag.Image] == aws.ToString(c.ImageId) {
			return c, nil
		}
		return c, mark(ctx, there, c)
	}
	id, salt := aws.ToString(c.ImageId), ""
	for failed := 0; failed < copyTries; {
		if id == "" {
			if id, err = i.start(ctx, there, from, image, salt); err != nil {
				return c, err
			}
		}
		var seen bool
		if c, seen, err = i.await(ctx, there, id); err != nil {
			return c, err
		}
		if seen && c.State == types.ImageStateAvailable {
			return c, mark(ctx, there, c)
		}
		if seen {
			failed++
			if err := remove(ctx, there, c); err != nil {
				return c, err
			}
		}
		// The token of a copy that is gone would bring its id again.
		salt, id = id, ""
	}
	return c, platform.NewError("", "copy image", in(from.Region, aws.ToString(image.ImageId))+" to "+there.Region,
		"see whether the role may use the KMS keys of both regions", failedState(c))
}

// findCopy finds a copy that was begun or finished before; without one it has no id.
func findCopy(ctx context.Context, there *account.Account, home string, image types.Image) (types.Image, error) {
	filters := []types.Filter{filter("tag-key", tag.Accepted)}
	if digest := tagsOf(image.Tags)[tag.InputDigest]; digest != "" {
		filters = append(filters, filter("tag:"+tag.InputDigest, digest))
	} else {
		filters = append(filters, filter("tag:"+tag.Source, sourceOf(home, image)))
	}
	list, err := own(ctx, there, filters)
	if err != nil {
		return types.Image{}, err
	}
	slices.SortStableFunc(list, newestFirst)
	var begun types.Image
	for _, c := range list {
		if c.State == types.ImageStateDeregistered || !isCopy(c, home, image) {
			continue
		}
		if c.State == types.ImageStateAvailable {
			return c, nil
		}
		begun = c
	}
	return begun, nil
}

// start asks for a copy. It is tagged from the first moment, so that a call whose
// answer was lost is found again; the token closes the gap until AWS shows the tags.
// See docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html.
func (i *Images) start(ctx context.Context, there, from *account.Account, image types.Image, salt string) (string, error) {
	ref := aws.ToString(image.ImageId)
	if err := i.letRead(ctx, there, from, image); err != nil {
		return "", err
	}
	tags := copyTags(from.Region, image)
	token := tokenOf(from.Region, ref, there.Region, salt)
	input := &ec2.CopyImageInput{
		Name:          aws.String(copyName(image, token)),
		SourceImageId: aws.String(ref), SourceRegion: aws.String(from.Region), ClientToken: aws.String(token),
		Description: image.Description,
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeImage, Tags: tagList(tags)},
			{ResourceType: types.ResourceTypeSnapshot, Tags: tagList(tags)},
		},
	}
	if i.settings.AWS.EncryptVolumes == nil || *i.settings.AWS.EncryptVolumes {
		input.Encrypted = aws.Bool(true)
		if r := i.settings.Region(there.Region); r != nil && r.KMSKey != "" {
			input.KmsKeyId = aws.String(r.KMSKey)
		}
	}
	out, err := there.EC2.CopyImage(ctx, input)
	if err != nil {
		return "", account.Classify("copy image", in(from.Region, ref)+" to "+there.Region, true, err)
	}
	return aws.ToString(out.ImageId), nil
}

// letRead shares the image with the account of the region, where it is another one.
func (i *Images) letRead(ctx context.Context, there, from *account.Account, image types.Image) error {
	if there.Role == from.Role {
		return nil
	}
	reader, err := there.Number(ctx)
	if err != nil {
		return err
	}
	if reader == aws.ToString(image.OwnerId) {
		return nil
	}
	return share(ctx, from, image, []string{reader})
}

// await waits until the image is finished, one way or the other. seen is false when
// AWS never showed it: a new image may take a moment, one that was removed stays away.
func (i *Images) await(ctx context.Context, a *account.Account, ref string) (image types.Image, seen bool, err error) {
	for absent := 0; absent < lookTries; {
		image, there, err := read(ctx, a, ref)
		switch {
		case err != nil:
			return image, false, err
		case !there:
			absent++
		case image.State != types.ImageStatePending && image.State != types.ImageStateTransient:
			return image, true, nil
		}
		if err := i.wait(ctx); err != nil {
			return image, false, err
		}
	}
	return image, false, nil
}

// copyTags are the user's and the provenance tags of the image, and where it is from.
// They are given explicitly, because AWS copies no tags of another account's image.
func copyTags(region string, image types.Image) map[string]string {
	tags := tagsOf(image.Tags)
	for key := range tags {
		if strings.HasPrefix(key, "aws:") || key == tag.Image {
			delete(tags, key)
		}
	}
	tags[tag.Source] = sourceOf(region, image)
	tags[tag.Accepted] = now()
	return tags
}

// copyName is the image's name and part of the token: a name exists once per region
// and account, and the region may have one of the same name.
func copyName(image types.Image, token string) string {
	suffix := "-" + token[:8]
	name := aws.ToString(image.Name)
	if len(name) > nameLimit-len(suffix) {
		name = name[:nameLimit-len(suffix)]
	}
	return name + suffix
}

func tokenOf(parts ...string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q", parts)))
	return hex.EncodeToString(sum[:])
}
