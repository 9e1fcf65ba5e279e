package moto_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

func (a *account) imageOf(c *ec2.Client, id string) (ec2types.Image, ec2types.Snapshot) {
	a.Helper()
	images, err := c.DescribeImages(a.ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	require.NoError(a, err)
	require.Len(a, images.Images, 1)
	snapshot := images.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId
	snapshots, err := c.DescribeSnapshots(a.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*snapshot}})
	require.NoError(a, err)
	return images.Images[0], snapshots.Snapshots[0]
}

func TestACreatedImageAndItsSnapshotCarryTheTagsAndTheEncryption(t *testing.T) {
	a := newAccount(t)
	image, snapshot := a.imageOf(a.ec2, a.bake("app", true))
	require.Equal(t, "release", *image.Tags[0].Key)
	require.Equal(t, "release", *snapshot.Tags[0].Key)
	require.True(t, *snapshot.Encrypted)
	require.True(t, *image.BlockDeviceMappings[0].Ebs.Encrypted)

	_, err := a.ec2.CreateImage(a.ctx, &ec2.CreateImageInput{InstanceId: aws.String("i-00000000000000000"), Name: aws.String("app")})
	refused(t, err, "InvalidAMIName.Duplicate")
}

func TestACopyIsEncryptedTaggedAndMadeOnce(t *testing.T) {
	a := newAccount(t)
	there := ec2.NewFromConfig(config("us-west-2"))
	in := &ec2.CopyImageInput{
		Name: aws.String("copy"), SourceImageId: aws.String(a.image), SourceRegion: aws.String(region), ClientToken: aws.String("t1"),
		Encrypted: aws.Bool(true), CopyImageTags: aws.Bool(true), TagSpecifications: imageTags("region", "second"),
	}
	first, err := there.CopyImage(a.ctx, in)
	require.NoError(t, err)
	again, err := there.CopyImage(a.ctx, in)
	require.NoError(t, err)
	require.Equal(t, *first.ImageId, *again.ImageId)

	image, snapshot := a.imageOf(there, *first.ImageId)
	require.True(t, *snapshot.Encrypted)
	require.Equal(t, a.image, *image.SourceImageId)
	require.Len(t, image.Tags, 2, "its own and the source's")
	require.Len(t, snapshot.Tags, 1)

	in.ClientToken = aws.String("t2")
	_, err = there.CopyImage(a.ctx, in)
	refused(t, err, "InvalidAMIName.Duplicate")
}

func TestImagesArePendingWhenTheLabSaysSo(t *testing.T) {
	a := newAccount(t)
	require.NoError(t, server.SetDefaultImageState(a.ctx, "pending"))
	id := a.bake("slow", false)
	image, _ := a.imageOf(a.ec2, id)
	require.Equal(t, ec2types.ImageStatePending, image.State)
	require.NoError(t, server.SetImageState(a.ctx, region, id, "available"))
	image, _ = a.imageOf(a.ec2, id)
	require.Equal(t, ec2types.ImageStateAvailable, image.State)
}

func TestUnknownAndMalformedImagesAreErrors(t *testing.T) {
	a := newAccount(t)
	for id, code := range map[string]string{"ami-0123456789abcdef0": "InvalidAMIID.NotFound", "ami-nonsense": "InvalidAMIID.Malformed"} {
		_, err := a.ec2.DescribeImages(a.ctx, &ec2.DescribeImagesInput{ImageIds: []string{a.image, id}})
		refused(t, err, code)
	}
	_, err := a.ec2.RunInstances(a.ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-0123456789abcdef0"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
	})
	refused(t, err, "InvalidAMIID.NotFound")
}

func TestDeregisteringKeepsSnapshotsUnlessAskedOtherwise(t *testing.T) {
	a := newAccount(t)
	for name, remove := range map[string]bool{"keeps": false, "removes": true} {
		id := a.bake(name, false)
		_, snapshot := a.imageOf(a.ec2, id)
		_, err := a.ec2.DeregisterImage(a.ctx, &ec2.DeregisterImageInput{ImageId: aws.String(id), DeleteAssociatedSnapshots: aws.Bool(remove)})
		require.NoError(t, err)
		out, err := a.ec2.DescribeImages(a.ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
		require.NoError(t, err)
		require.Empty(t, out.Images)
		_, err = a.ec2.DescribeSnapshots(a.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*snapshot.SnapshotId}})
		if remove {
			refused(t, err, "InvalidSnapshot.NotFound")
		} else {
			require.NoError(t, err)
		}
	}
}

func TestAnImageIsDeprecated(t *testing.T) {
	a := newAccount(t)
	when := time.Now().Add(48 * time.Hour).UTC()
	_, err := a.ec2.EnableImageDeprecation(a.ctx, &ec2.EnableImageDeprecationInput{ImageId: aws.String(a.image), DeprecateAt: &when})
	require.NoError(t, err)
	image, _ := a.imageOf(a.ec2, a.image)
	require.Equal(t, when.Truncate(time.Minute).Format("2006-01-02T15:04:05.000Z"), *image.DeprecationTime)
	_, err = a.ec2.DisableImageDeprecation(a.ctx, &ec2.DisableImageDeprecationInput{ImageId: aws.String(a.image)})
	require.NoError(t, err)
	image, _ = a.imageOf(a.ec2, a.image)
	require.Nil(t, image.DeprecationTime)
}

func TestDryRunsAreRefusedWithoutEffect(t *testing.T) {
	a := newAccount(t)
	dry := aws.Bool(true)
	_, err := a.ec2.DeregisterImage(a.ctx, &ec2.DeregisterImageInput{ImageId: aws.String(a.image), DryRun: dry})
	refused(t, err, "DryRunOperation")
	_, err = a.ec2.RunInstances(a.ctx, &ec2.RunInstancesInput{ImageId: aws.String(a.image), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), DryRun: dry})
	refused(t, err, "DryRunOperation")
	_, err = a.ec2.CreateLaunchTemplate(a.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("dry"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{}, DryRun: dry,
	})
	refused(t, err, "DryRunOperation")
	_, err = a.ec2.CreateTags(a.ctx, &ec2.CreateTagsInput{
		Resources: []string{a.image}, Tags: []ec2types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, DryRun: dry,
	})
	refused(t, err, "DryRunOperation")
	a.imageOf(a.ec2, a.image)
}
