package images

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// Accept makes images of what a bake says it made: refs are its AMIs by region, tags
// the bake's own (see Tags). Each AMI has to exist, to be available, and to carry the
// input digest of the bake; what AWS says counts, not the receipt. They and their
// snapshots then get the mark that keeps them from the sweep and lets Find see them,
// and what the template forgot of the provenance. The home region comes first: without
// its image the copies are left-overs, and the sweep may have them. Accepting again
// changes nothing. KindInvalid for an AMI that is of something else.
func (i *Images) Accept(ctx context.Context, refs, tags map[string]string) error {
	home := i.settings.Home()
	if refs[home] == "" {
		return platform.NewError(platform.KindInvalid, "accept image", fmt.Sprint(refs), "bake in the first region of the spec: region = var.switchyard_region",
			fmt.Errorf("there is none in %s", home))
	}
	mark := now()
	if err := i.accept(ctx, home, refs[home], tags, mark); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	for _, region := range slices.Sorted(maps.Keys(refs)) {
		if region != home {
			group.Go(func() error { return i.accept(gctx, region, refs[region], tags, mark) })
		}
	}
	return group.Wait()
}

func (i *Images) accept(ctx context.Context, region, ref string, tags map[string]string, mark string) error {
	a, err := i.at(ctx, region)
	if err != nil {
		return err
	}
	image, seen, err := i.await(ctx, a, ref)
	switch {
	case err != nil:
		return err
	case !seen:
		return platform.NewError(platform.KindInvalid, "accept image", in(region, ref), "bake again", errors.New("the receipt names it, and AWS does not know it"))
	case image.State != types.ImageStateAvailable:
		return platform.NewError(platform.KindInvalid, "accept image", in(region, ref), "bake again", failedState(image))
	}
	have := tagsOf(image.Tags)
	if have[tag.InputDigest] != tags[tag.InputDigest] {
		return refuse(ctx, a, image, tags)
	}
	all := map[string]string{tag.Accepted: mark, tag.Image: ref}
	maps.Copy(all, tags)
	for key := range all {
		// What the template says of its image stays; the snapshots of a copy may lack it.
		if value := have[key]; value != "" && key != tag.Image {
			all[key] = value
		}
	}
	_, err = a.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: append([]string{ref}, snapshotsOf(image)...), Tags: tagList(all)})
	return account.Classify("accept image", in(region, ref), true, err)
}

// refuse leaves an AMI that is not what was asked for to the sweep: without the bake's
// tag nobody would find it.
func refuse(ctx context.Context, a *account.Account, image types.Image, tags map[string]string) error {
	ref, have := aws.ToString(image.ImageId), tagsOf(image.Tags)
	why := fmt.Errorf("its input digest is %q and has to be %q", have[tag.InputDigest], tags[tag.InputDigest])
	if have[tag.Bake] == "" && have[tag.Accepted] == "" {
		_, err := a.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{ref}, Tags: tagList(map[string]string{tag.Bake: tags[tag.Bake]})})
		if err := account.Classify("mark the image for removal", in(a.Region, ref), true, err); err != nil {
			return err
		}
	}
	return platform.NewError(platform.KindInvalid, "accept image", in(a.Region, ref),
		"give tags, run_tags and snapshot_tags of the template the value var.switchyard_tags", why)
}
