package images

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// freeTries is how often a security group is tried again while the network interface
// of an instance that has just ended still holds it.
const freeTries = 12

// Sweep removes, in every region of the spec, what carries the tag of a bake and no
// release needs: instances, launch templates of spot requests, key pairs, security
// groups, volumes, images that were not accepted and their snapshots. It waits until
// the instances are terminated. An image that was accepted stays, with its snapshots.
// One call per region when there is nothing.
func (i *Images) Sweep(ctx context.Context, bakeTag string) ([]string, error) {
	regions := i.regions()
	removed := make([][]string, len(regions))
	group, gctx := errgroup.WithContext(ctx)
	for n, region := range regions {
		group.Go(func() error {
			a, err := i.at(gctx, region)
			if err != nil {
				return err
			}
			s := sweep{images: i, account: a, filter: filter("tag:"+tag.Bake, bakeTag)}
			err = s.run(gctx, bakeTag)
			removed[n] = s.removed
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(removed...), err
}

// sweep is the sweep of one region.
type sweep struct {
	images  *Images
	account *account.Account
	filter  types.Filter
	removed []string
}

func (s *sweep) run(ctx context.Context, bakeTag string) error {
	found, err := tagged(ctx, s.account, bakeTag)
	if err != nil {
		return err
	}
	// The order is that of what holds what: an instance its key, group and volumes, an image its snapshots.
	for _, step := range []struct {
		kind types.ResourceType
		run  func(context.Context) error
	}{
		{types.ResourceTypeInstance, s.instances},
		{types.ResourceTypeLaunchTemplate, s.launchTemplates},
		{types.ResourceTypeKeyPair, s.keyPairs},
		{types.ResourceTypeSecurityGroup, s.securityGroups},
		{types.ResourceTypeVolume, s.volumes},
		{types.ResourceTypeImage, s.unaccepted},
		{types.ResourceTypeSnapshot, s.snapshots},
	} {
		if !found[step.kind] {
			continue
		}
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tagged says of which kinds there may be something with the bake's tag. AWS lists
// the tags of what has just been removed for a while, so each kind is then looked at.
func tagged(ctx context.Context, a *account.Account, bakeTag string) (map[types.ResourceType]bool, error) {
	found := map[types.ResourceType]bool{}
	pages := ec2.NewDescribeTagsPaginator(a.EC2, &ec2.DescribeTagsInput{Filters: []types.Filter{filter("key", tag.Bake), filter("value", bakeTag)}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Classify("find what the bake left", in(a.Region, bakeTag), false, err)
		}
		for _, t := range page.Tags {
			found[t.ResourceType] = true
		}
	}
	return found, nil
}

// gone takes note of what a removal did. Removed already is no error, and no news.
func (s *sweep) gone(what, id string, err error) error {
	switch err = account.Classify("remove "+what, in(s.account.Region, id), true, err); {
	case platform.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	s.removed = append(s.removed, in(s.account.Region, what+" "+id))
	return nil
}

func (s *sweep) instances(ctx context.Context) error {
	list, err := instances(ctx, s.account, s.filter)
	if err != nil || len(list) == 0 {
		return err
	}
	var ids []string
	for _, n := range list {
		id := aws.ToString(n.InstanceId)
		ids = append(ids, id)
		if n.State != nil && n.State.Name == types.InstanceStateNameShuttingDown {
			continue
		}
		// One call each: AWS ends none when one of them is protected or gone.
		_, err := s.account.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
		if err := s.gone("instance", id, err); err != nil {
			return err
		}
	}
	for {
		now, err := s.account.Instances(ctx, ids...)
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool {
			n, there := now[id]
			return !there || n.State != nil && n.State.Name == types.InstanceStateNameTerminated
		})
		if len(ids) == 0 {
			return nil
		}
		if err := s.images.wait(ctx); err != nil {
			return err
		}
	}
}

func (s *sweep) launchTemplates(ctx context.Context) error {
	out, err := s.account.EC2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{Filters: []types.Filter{s.filter}})
	if err != nil {
		return account.Classify("find launch templates", s.account.Region, false, err)
	}
	for _, t := range out.LaunchTemplates {
		_, err := s.account.EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: t.LaunchTemplateId})
		if err := s.gone("launch template", aws.ToString(t.LaunchTemplateName), err); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) keyPairs(ctx context.Context) error {
	out, err := s.account.EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: []types.Filter{s.filter}})
	if err != nil {
		return account.Classify("find key pairs", s.account.Region, false, err)
	}
	for _, k := range out.KeyPairs {
		_, err := s.account.EC2.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyName: k.KeyName})
		if err := s.gone("key pair", aws.ToString(k.KeyName), err); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) securityGroups(ctx context.Context) error {
	out, err := s.account.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{s.filter}})
	if err != nil {
		return account.Classify("find security groups", s.account.Region, false, err)
	}
	for _, g := range out.SecurityGroups {
		id := aws.ToString(g.GroupId)
		for try := 1; ; try++ {
			_, err := s.account.EC2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId})
			if account.IsCode(err, "DependencyViolation") && try < freeTries {
				if err := s.images.wait(ctx); err != nil {
					return err
				}
				continue
			}
			if err := s.gone("security group", id, err); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// volumes removes those that no instance has: the others go with their instance, or
// somebody has attached them elsewhere.
func (s *sweep) volumes(ctx context.Context) error {
	filters := []types.Filter{s.filter, filter("status", string(types.VolumeStateAvailable), string(types.VolumeStateError))}
	pages := ec2.NewDescribeVolumesPaginator(s.account.EC2, &ec2.DescribeVolumesInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return account.Classify("find volumes", s.account.Region, false, err)
		}
		for _, v := range page.Volumes {
			_, err := s.account.EC2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: v.VolumeId})
			if err := s.gone("volume", aws.ToString(v.VolumeId), err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sweep) unaccepted(ctx context.Context) error {
	list, err := own(ctx, s.account, []types.Filter{s.filter})
	if err != nil {
		return err
	}
	for _, image := range list {
		if tagsOf(image.Tags)[tag.Accepted] != "" || image.State == types.ImageStateDeregistered {
			continue
		}
		if err := remove(ctx, s.account, image); err != nil {
			return err
		}
		s.removed = append(s.removed, in(s.account.Region, "image "+aws.ToString(image.ImageId)))
	}
	return nil
}

// snapshots removes those of images that are gone. The snapshots of accepted images
// carry the tag too, and stay even where their own mark is missing.
func (s *sweep) snapshots(ctx context.Context) error {
	list, err := snapshots(ctx, s.account, s.filter)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(n types.Snapshot) bool { return tagsOf(n.Tags)[tag.Accepted] != "" })
	if len(list) == 0 {
		return nil
	}
	kept, err := own(ctx, s.account, []types.Filter{s.filter})
	if err != nil {
		return err
	}
	var needed []string
	for _, image := range kept {
		needed = append(needed, snapshotsOf(image)...)
	}
	for _, n := range list {
		id := aws.ToString(n.SnapshotId)
		if slices.Contains(needed, id) {
			continue
		}
		_, err := s.account.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: n.SnapshotId})
		if account.IsCode(err, "InvalidSnapshot.InUse") {
			continue // of an image that somebody else registered
		}
		if err := s.gone("snapshot", id, err); err != nil {
			return err
		}
	}
	return nil
}
