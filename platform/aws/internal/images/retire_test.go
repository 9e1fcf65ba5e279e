package images_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

func TestAnImageThatIsNeededStays(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	template := func(name, image string) {
		_, err := c.ec2(home).CreateLaunchTemplate(c.ctx, &ec2.CreateLaunchTemplateInput{
			LaunchTemplateName: aws.String(name),
			LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(ref), InstanceType: types.InstanceTypeT3Micro},
			TagSpecifications:  specifications(map[string]string{tag.Image: image}, types.ResourceTypeLaunchTemplate),
		})
		require.NoError(t, err)
	}
	template("fleet", ref)
	requireStays := func(user string) {
		t.Helper()
		err := c.images.Retire(c.ctx, home, ref)
		requireKind(t, platform.KindConflict, err)
		require.ErrorContains(t, err, user)
		_, there := c.ami(home, ref)
		require.True(t, there)
	}
	requireStays("launch template fleet")
	_, err := c.ec2(home).DeleteLaunchTemplate(c.ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String("fleet")})
	require.NoError(t, err)

	a, err := c.pool.At(c.ctx, account.Place{Region: home})
	require.NoError(t, err)
	template("by-hand", "another")
	_, err = a.AutoScaling.CreateAutoScalingGroup(c.ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("fleet"), MinSize: aws.Int32(0), MaxSize: aws.Int32(1), DesiredCapacity: aws.Int32(0),
		AvailabilityZones: []string{home + "a"},
		LaunchTemplate:    &astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String("by-hand"), Version: aws.String("1")},
		Tags:              []astypes.Tag{{Key: aws.String(tag.Image), Value: aws.String(ref), ResourceId: aws.String("fleet"), ResourceType: aws.String("auto-scaling-group"), PropagateAtLaunch: aws.Bool(true)}},
	})
	require.NoError(t, err)
	requireStays("Auto Scaling group fleet")
	_, err = a.AutoScaling.DeleteAutoScalingGroup(c.ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("fleet"), ForceDelete: aws.Bool(true)})
	require.NoError(t, err)

	run, err := c.ec2(home).RunInstances(c.ctx, &ec2.RunInstancesInput{ImageId: aws.String(ref), InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1)})
	require.NoError(t, err)
	requireStays("instance i-")
	c.terminate(aws.ToString(run.Instances[0].InstanceId))
	require.NoError(t, c.images.Retire(c.ctx, home, ref))
}

func TestARetiredImageLeavesNoSnapshot(t *testing.T) {
	c := newCloud(t)
	ref, kept := c.baked("v1"), c.baked("v2")
	image, _ := c.ami(home, ref)
	keptImage, _ := c.ami(home, kept)
	for range 2 {
		require.NoError(t, c.images.Retire(c.ctx, home, ref))
	}
	_, there := c.ami(home, ref)
	require.False(t, there)
	require.False(t, c.snapshotExists(home, snapshotOf(image)))
	require.True(t, c.snapshotExists(home, snapshotOf(keptImage)))
	for _, unknown := range []string{noImage, "nonsense", ""} {
		require.NoError(t, c.images.Retire(c.ctx, home, unknown))
	}
}

// The image was deregistered, and the answer and with it the removal of its snapshot lost.
func TestTheSnapshotsOfAnImageThatIsGoneAreFound(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	image, _ := c.ami(home, ref)
	_, err := c.ec2(home).DeregisterImage(c.ctx, &ec2.DeregisterImageInput{ImageId: aws.String(ref)})
	require.NoError(t, err)
	require.True(t, c.snapshotExists(home, snapshotOf(image)))
	require.NoError(t, c.images.Retire(c.ctx, home, ref))
	require.False(t, c.snapshotExists(home, snapshotOf(image)))
}
