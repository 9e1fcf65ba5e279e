package images

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// share lets the accounts launch the image and copy its snapshots, as far as they may
// not yet. A snapshot that is encrypted with the account's default key can't be
// shared; AWS then refuses (docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html).
func share(ctx context.Context, a *account.Account, image types.Image, with []string) error {
	if len(with) == 0 {
		return nil
	}
	ref := aws.ToString(image.ImageId)
	have, err := a.EC2.DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{
		ImageId: image.ImageId, Attribute: types.ImageAttributeNameLaunchPermission,
	})
	if err != nil {
		return account.Classify("read launch permissions of image", in(a.Region, ref), false, err)
	}
	var missing []types.LaunchPermission
	for _, number := range with {
		if !slices.ContainsFunc(have.LaunchPermissions, func(p types.LaunchPermission) bool { return aws.ToString(p.UserId) == number }) {
			missing = append(missing, types.LaunchPermission{UserId: aws.String(number)})
		}
	}
	if len(missing) > 0 {
		_, err := a.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{
			ImageId: image.ImageId, LaunchPermission: &types.LaunchPermissionModifications{Add: missing},
		})
		if err != nil {
			return account.Classify("share image", in(a.Region, ref), true, err)
		}
	}
	for _, snapshot := range snapshotsOf(image) {
		if err := shareSnapshot(ctx, a, snapshot, with); err != nil {
			return err
		}
	}
	return nil
}

func shareSnapshot(ctx context.Context, a *account.Account, snapshot string, with []string) error {
	have, err := a.EC2.DescribeSnapshotAttribute(ctx, &ec2.DescribeSnapshotAttributeInput{
		SnapshotId: aws.String(snapshot), Attribute: types.SnapshotAttributeNameCreateVolumePermission,
	})
	if err != nil {
		return account.Classify("read permissions of snapshot", in(a.Region, snapshot), false, err)
	}
	var missing []string
	for _, number := range with {
		if !slices.ContainsFunc(have.CreateVolumePermissions, func(p types.CreateVolumePermission) bool { return aws.ToString(p.UserId) == number }) {
			missing = append(missing, number)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = a.EC2.ModifySnapshotAttribute(ctx, &ec2.ModifySnapshotAttributeInput{
		SnapshotId: aws.String(snapshot), Attribute: types.SnapshotAttributeNameCreateVolumePermission,
		OperationType: types.OperationTypeAdd, UserIds: missing,
	})
	if err != nil {
		return account.Classify("share snapshot (one that is encrypted with the account's default key can't be: set kmsKey of the region)",
			in(a.Region, snapshot), true, err)
	}
	return nil
}
