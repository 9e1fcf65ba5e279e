package images

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// Retire deregisters the image and deletes its snapshots. KindConflict while a fleet's
// launch template or Auto Scaling group, or an instance, needs it. After an answer
// that was lost the same call deletes what is left: the snapshots carry the image's ref.
func (i *Images) Retire(ctx context.Context, region, ref string) error {
	a, err := i.at(ctx, region)
	if err != nil {
		return err
	}
	if !IsRef(ref) {
		return nil
	}
	image, there, err := read(ctx, a, ref)
	if err != nil {
		return err
	}
	if !there {
		return deleteSnapshotsOf(ctx, a, ref)
	}
	user, err := userOf(ctx, a, ref)
	if err != nil {
		return err
	}
	if user != "" {
		return platform.Conflict("retire image", in(region, ref), "%s uses it", user)
	}
	return remove(ctx, a, image)
}

// userOf names what needs the image, "" when nothing does.
func userOf(ctx context.Context, a *account.Account, ref string) (string, error) {
	what := in(a.Region, ref)
	templates, err := a.EC2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{Filters: []types.Filter{filter("tag:"+tag.Image, ref)}})
	if err != nil {
		return "", account.Classify("find launch templates of image", what, false, err)
	}
	for _, t := range templates.LaunchTemplates {
		return "launch template " + aws.ToString(t.LaunchTemplateName), nil
	}
	groups, err := a.AutoScaling.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{
		Filters: []astypes.Filter{{Name: aws.String("tag:" + tag.Image), Values: []string{ref}}},
	})
	if err != nil {
		return "", account.Classify("find Auto Scaling groups of image", what, false, err)
	}
	for _, g := range groups.AutoScalingGroups {
		return "Auto Scaling group " + aws.ToString(g.AutoScalingGroupName), nil
	}
	list, err := instances(ctx, a, filter("image-id", ref))
	if err != nil {
		return "", err
	}
	for _, n := range list {
		return "instance " + aws.ToString(n.InstanceId), nil
	}
	return "", nil
}

// instances lists the instances that the filters let through and that still exist.
func instances(ctx context.Context, a *account.Account, filters ...types.Filter) ([]types.Instance, error) {
	filters = append(filters, filter("instance-state-name", "pending", "running", "shutting-down", "stopping", "stopped"))
	var all []types.Instance
	pages := ec2.NewDescribeInstancesPaginator(a.EC2, &ec2.DescribeInstancesInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Classify("find instances", a.Region, false, err)
		}
		for _, r := range page.Reservations {
			all = append(all, r.Instances...)
		}
	}
	return all, nil
}

// remove deregisters an image and deletes its snapshots. They are marked as the
// image's first: afterwards nothing else would say whose they were.
func remove(ctx context.Context, a *account.Account, image types.Image) error {
	ref := aws.ToString(image.ImageId)
	if tagsOf(image.Tags)[tag.Image] != ref {
		if err := mark(ctx, a, image); err != nil {
			return err
		}
	}
	out, err := a.EC2.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: image.ImageId, DeleteAssociatedSnapshots: aws.Bool(true)})
	if err != nil {
		if err = platform.IgnoreNotFound(account.Classify("deregister image", in(a.Region, ref), true, err)); err != nil {
			return err
		}
	}
	var done []string
	if out != nil {
		for _, r := range out.DeleteSnapshotResults {
			if r.ReturnCode == types.SnapshotReturnCodesSuccess || r.ReturnCode == types.SnapshotReturnCodesWarnSkipped {
				done = append(done, aws.ToString(r.SnapshotId))
			}
		}
	}
	return deleteSnapshots(ctx, a, slices.DeleteFunc(snapshotsOf(image), func(id string) bool { return slices.Contains(done, id) }))
}

// mark tags the image and its snapshots with its ref: the snapshots are then found
// when it is gone, and the image says that they are marked.
func mark(ctx context.Context, a *account.Account, image types.Image) error {
	ref := aws.ToString(image.ImageId)
	_, err := a.EC2.CreateTags(ctx, &ec2.CreateTagsInput{
		Resources: append(snapshotsOf(image), ref), Tags: tagList(map[string]string{tag.Image: ref}),
	})
	return platform.IgnoreNotFound(account.Classify("tag image and snapshots of", in(a.Region, ref), true, err))
}

// deleteSnapshotsOf deletes what an image that is gone has left.
func deleteSnapshotsOf(ctx context.Context, a *account.Account, ref string) error {
	list, err := snapshots(ctx, a, filter("tag:"+tag.Image, ref))
	if err != nil {
		return err
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, aws.ToString(s.SnapshotId))
	}
	return deleteSnapshots(ctx, a, ids)
}

func snapshots(ctx context.Context, a *account.Account, filters ...types.Filter) ([]types.Snapshot, error) {
	var all []types.Snapshot
	pages := ec2.NewDescribeSnapshotsPaginator(a.EC2, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Classify("find snapshots", a.Region, false, err)
		}
		all = append(all, page.Snapshots...)
	}
	return all, nil
}

// deleteSnapshots deletes snapshots. One that another image needs too stays, as with
// DeleteAssociatedSnapshots (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html).
func deleteSnapshots(ctx context.Context, a *account.Account, ids []string) error {
	for _, id := range ids {
		_, err := a.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: aws.String(id)})
		if account.IsCode(err, "InvalidSnapshot.InUse") {
			continue
		}
		if err := platform.IgnoreNotFound(account.Classify("delete snapshot", in(a.Region, id), true, err)); err != nil {
			return err
		}
	}
	return nil
}
