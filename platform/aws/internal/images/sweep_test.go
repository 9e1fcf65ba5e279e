package images_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/aws/internal/images"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// leave makes what a bake that was killed in the middle of its copies leaves behind.
func (c *cloud) leave(tags map[string]string) {
	c.Helper()
	e := c.ec2(home)
	_, err := e.CreateKeyPair(c.ctx, &ec2.CreateKeyPairInput{KeyName: aws.String("packer_" + tags[tag.Bake]), TagSpecifications: specifications(tags, types.ResourceTypeKeyPair)})
	require.NoError(c, err)
	group, err := e.CreateSecurityGroup(c.ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("packer_" + tags[tag.Bake]), Description: aws.String("temporary"), TagSpecifications: specifications(tags, types.ResourceTypeSecurityGroup),
	})
	require.NoError(c, err)
	_, err = e.RunInstances(c.ctx, &ec2.RunInstancesInput{
		ImageId: aws.String(c.base), InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SecurityGroupIds:  []string{aws.ToString(group.GroupId)},
		TagSpecifications: specifications(tags, types.ResourceTypeInstance, types.ResourceTypeVolume),
	})
	require.NoError(c, err)
	_, err = e.CreateVolume(c.ctx, &ec2.CreateVolumeInput{AvailabilityZone: aws.String(home + "a"), Size: aws.Int32(1), TagSpecifications: specifications(tags, types.ResourceTypeVolume)})
	require.NoError(c, err)
	_, err = e.CreateLaunchTemplate(c.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("packer-fleet-" + strings.ReplaceAll(tags[tag.Bake], "/", "-")),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(c.base)}, TagSpecifications: specifications(tags, types.ResourceTypeLaunchTemplate),
	})
	require.NoError(c, err)
	ref := c.made(tags)
	half := c.packerCopy(ref)
	require.NoError(c, server.SetImageState(c.ctx, other, half, "pending"))
}

// left counts what is there with the bake's tag, by kind, in all regions.
func (c *cloud) left(bakeTag string) map[string]int {
	c.Helper()
	left := map[string]int{}
	only := []types.Filter{{Name: aws.String("tag:" + tag.Bake), Values: []string{bakeTag}}}
	count := func(kind string, n int) {
		if n > 0 {
			left[kind] += n
		}
	}
	for _, region := range []string{home, other} {
		e := c.ec2(region)
		instances, err := e.DescribeInstances(c.ctx, &ec2.DescribeInstancesInput{Filters: append(only, types.Filter{Name: aws.String("instance-state-name"), Values: []string{"running", "pending", "stopped"}})})
		require.NoError(c, err)
		count("instance", len(instances.Reservations))
		keys, err := e.DescribeKeyPairs(c.ctx, &ec2.DescribeKeyPairsInput{Filters: only})
		require.NoError(c, err)
		count("key pair", len(keys.KeyPairs))
		groups, err := e.DescribeSecurityGroups(c.ctx, &ec2.DescribeSecurityGroupsInput{Filters: only})
		require.NoError(c, err)
		count("security group", len(groups.SecurityGroups))
		volumes, err := e.DescribeVolumes(c.ctx, &ec2.DescribeVolumesInput{Filters: only})
		require.NoError(c, err)
		count("volume", len(volumes.Volumes))
		templates, err := e.DescribeLaunchTemplates(c.ctx, &ec2.DescribeLaunchTemplatesInput{Filters: only})
		require.NoError(c, err)
		count("launch template", len(templates.LaunchTemplates))
		amis, err := e.DescribeImages(c.ctx, &ec2.DescribeImagesInput{Filters: only})
		require.NoError(c, err)
		count("image", len(amis.Images))
		snapshots, err := e.DescribeSnapshots(c.ctx, &ec2.DescribeSnapshotsInput{Filters: only})
		require.NoError(c, err)
		count("snapshot", len(snapshots.Snapshots))
	}
	return left
}

func TestWhatAKilledBakeLeftIsSwept(t *testing.T) {
	c := newCloud(t)
	accepted := c.baked("v0") // of the same bake, which an earlier attempt finished
	theirs := images.Tags(release.Image{Application: "checkout", Version: "v9", InputDigest: "sha256:9"}, "r2", "checkout/staging/r1")
	c.leave(theirs)
	before := c.left("checkout/staging/r1")
	c.leave(c.provenance("v1"))

	removed, err := c.images.Sweep(c.ctx, bake)
	require.NoError(t, err)
	for _, kind := range []string{"instance i-", "key pair packer_", "security group sg-", "volume vol-", "launch template packer-", "image ami-"} {
		require.Contains(t, strings.Join(removed, "\n"), kind)
	}
	require.Contains(t, strings.Join(removed, "\n"), "in "+other, "the copy in another region too")
	require.Equal(t, map[string]int{"image": 1, "snapshot": 1}, c.left(bake), "the accepted image and its snapshot")
	_, err = c.images.Get(c.ctx, home, accepted)
	require.NoError(t, err)
	require.Equal(t, before, c.left("checkout/staging/r1"), "another bake's")

	removed, err = c.images.Sweep(c.ctx, bake)
	require.NoError(t, err)
	require.Empty(t, removed)
}

func TestASweepOfNothingIsOneCallPerRegion(t *testing.T) {
	c := newCloud(t)
	proxy.Reset()
	removed, err := c.images.Sweep(c.ctx, bake)
	require.NoError(t, err)
	require.Empty(t, removed)
	require.Len(t, proxy.Calls(), 2)
}

// The snapshots of an accepted image whose own mark is missing, as after an accept that was cut short.
func TestSnapshotsOfAnAcceptedImageStay(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	image, _ := c.ami(home, ref)
	_, err := c.ec2(home).DeleteTags(c.ctx, &ec2.DeleteTagsInput{Resources: []string{snapshotOf(image)}, Tags: []types.Tag{{Key: aws.String(tag.Accepted)}}})
	require.NoError(t, err)
	removed, err := c.images.Sweep(c.ctx, bake)
	require.NoError(t, err)
	require.Empty(t, removed)
	require.True(t, c.snapshotExists(home, snapshotOf(image)))
}
