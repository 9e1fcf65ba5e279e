package aws_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

const second = "eu-central-1"

// TestInstancesAreHardened looks at what a release in two regions has made, in the
// second of which there was nothing before.
func TestInstancesAreHardened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := w.request(w.chapter(existing))
	request.Spec.Regions = append(request.Spec.Regions, w.secondRegion(request.Spec.Regions[0]))
	h, err := starter.Start(w.ctx, w.client, starter.StartOptions{Request: request, TaskQueue: w.queue})
	require.NoError(t, err)
	st := w.ended(h)
	require.Equal(t, "completed", st.Outcome(), "%+v", st.WayOut)
	for _, r := range st.Regions {
		t.Run(r.Name, func(t *testing.T) {
			c := w.config()
			c.Region = r.Name
			ec2s, groups := ec2.NewFromConfig(c), autoscaling.NewFromConfig(c)
			out, err := groups.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{r.Candidate}})
			require.NoError(t, err)
			require.Len(t, out.AutoScalingGroups, 1)
			g := out.AutoScalingGroups[0]
			assert.Equal(t, "1", aws.ToString(g.LaunchTemplate.Version), "the version is pinned")
			assert.Equal(t, astypes.DeletionProtectionPreventAllDeletion, g.DeletionProtection)
			templateIsHardened(t, w, ec2s, r.Candidate)
			imageIsEncrypted(t, w, ec2s, r.Image)
			require.Len(t, g.Instances, size)
			for _, i := range g.Instances {
				assert.Equal(t, "1", aws.ToString(i.LaunchTemplate.Version))
				instanceIsHardened(t, w, ec2s, *i.InstanceId)
			}
		})
	}
	require.NotEqual(t, st.Regions[0].Image, st.Regions[1].Image, "the second region has a copy")
}

// secondRegion sets up a listener and target groups in another region of the account.
func (w *world) secondRegion(like spec.Region) spec.Region {
	w.t.Helper()
	c := w.config()
	c.Region = second
	targets, err := awslab.SetUp(w.ctx, c, awslab.TargetOptions{Port: w.port}, w.target.Target)
	require.NoError(w.t, err)
	info := targets[0].Region(second)
	like.Name = second
	like.AWS = &spec.AWSRegion{Listener: info.Listener, TargetGroups: info.TargetGroups[:], Subnets: info.Subnets,
		SecurityGroups: []string{info.InstanceGroup}, Entry: info.Entry}
	return like
}

func templateIsHardened(t *testing.T, w *world, c *ec2.Client, name string) {
	out, err := c.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: &name})
	require.NoError(t, err)
	require.Len(t, out.LaunchTemplateVersions, 1)
	data := out.LaunchTemplateVersions[0].LaunchTemplateData
	assert.Equal(t, ec2types.LaunchTemplateHttpTokensStateRequired, data.MetadataOptions.HttpTokens)
	require.NotEmpty(t, data.BlockDeviceMappings)
	for _, d := range data.BlockDeviceMappings {
		assert.True(t, aws.ToBool(d.Ebs.Encrypted), "%s of the launch template", *d.DeviceName)
	}
}

func instanceIsHardened(t *testing.T, w *world, c *ec2.Client, id string) {
	out, err := c.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	require.NoError(t, err)
	i := out.Reservations[0].Instances[0]
	assert.Equal(t, ec2types.HttpTokensStateRequired, i.MetadataOptions.HttpTokens, "instance %s", id)
	require.NotEmpty(t, i.BlockDeviceMappings)
	for _, d := range i.BlockDeviceMappings {
		volumes, err := c.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{*d.Ebs.VolumeId}})
		require.NoError(t, err)
		assert.True(t, aws.ToBool(volumes.Volumes[0].Encrypted), "%s of instance %s", *d.DeviceName, id)
	}
}

func imageIsEncrypted(t *testing.T, w *world, c *ec2.Client, id string) {
	out, err := c.DescribeImages(w.ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	require.NoError(t, err)
	require.Len(t, out.Images, 1)
	require.NotEmpty(t, out.Images[0].BlockDeviceMappings)
	for _, d := range out.Images[0].BlockDeviceMappings {
		assert.True(t, aws.ToBool(d.Ebs.Encrypted), "%s of image %s", *d.DeviceName, id)
		snapshots, err := c.DescribeSnapshots(w.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*d.Ebs.SnapshotId}})
		require.NoError(t, err)
		assert.True(t, aws.ToBool(snapshots.Snapshots[0].Encrypted), "snapshot of %s", *d.DeviceName)
	}
}

// TestVolumesThatAreNotEncryptedAreRefused: a spec can't ask for them unless the worker
// was started with --aws-allow-unencrypted.
func TestVolumesThatAreNotEncryptedAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := w.request(w.chapter(existing))
	request.Spec.AWS.EncryptVolumes = aws.Bool(false)
	h, err := starter.Start(w.ctx, w.client, starter.StartOptions{Request: request, TaskQueue: w.queue})
	require.NoError(t, err)
	st := w.ended(h)
	require.Equal(t, "failed", st.Outcome())
	require.Contains(t, st.WayOut.Reason, "encrypt")
	require.Equal(t, wasOld, w.fleets())
	require.Empty(t, st.Ledger.Open(release.KindFleet))
}
