package moto_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
)

func TestALaunchTemplateIsMadeOnce(t *testing.T) {
	a := newAccount(t)
	in := &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("fleet"), ClientToken: aws.String("t1"),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String(a.image)},
		TagSpecifications: []ec2types.TagSpecification{
			{ResourceType: ec2types.ResourceTypeLaunchTemplate, Tags: []ec2types.Tag{{Key: aws.String("release"), Value: aws.String("r1")}}},
		},
	}
	first, err := a.ec2.CreateLaunchTemplate(a.ctx, in)
	require.NoError(t, err)
	again, err := a.ec2.CreateLaunchTemplate(a.ctx, in)
	require.NoError(t, err)
	require.Equal(t, *first.LaunchTemplate.LaunchTemplateId, *again.LaunchTemplate.LaunchTemplateId)
	require.Equal(t, "release", *first.LaunchTemplate.Tags[0].Key)
	in.ClientToken = aws.String("t2")
	_, err = a.ec2.CreateLaunchTemplate(a.ctx, in)
	refused(t, err, "InvalidLaunchTemplateName.AlreadyExistsException")

	versions, err := a.ec2.DescribeLaunchTemplateVersions(a.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: aws.String("fleet")})
	require.NoError(t, err)
	require.Empty(t, versions.LaunchTemplateVersions[0].LaunchTemplateData.TagSpecifications, "the template's own tags are not its instances'")
	for range 2 {
		_, err = a.ec2.DeleteLaunchTemplate(a.ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String("fleet")})
	}
	refused(t, err, "InvalidLaunchTemplateName.NotFoundException")
	_, err = a.ec2.DescribeLaunchTemplates(a.ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{*first.LaunchTemplate.LaunchTemplateId}})
	refused(t, err, "InvalidLaunchTemplateId.NotFound")
}

func TestAllLaunchTemplatesAreListed(t *testing.T) {
	a := newAccount(t)
	for i := range 20 {
		a.template(fmt.Sprintf("t%d", i))
	}
	pages := ec2.NewDescribeLaunchTemplatesPaginator(a.ec2, &ec2.DescribeLaunchTemplatesInput{MaxResults: aws.Int32(15)})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(a.ctx)
		require.NoError(t, err)
		n += len(page.LaunchTemplates)
	}
	require.Equal(t, 20, n)
}

func TestAGroupLaunchesTheVersionItNames(t *testing.T) {
	a := newAccount(t)
	template := a.template("fleet")
	_, err := a.ec2.CreateLaunchTemplateVersion(a.ctx, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: aws.String(template), SourceVersion: aws.String("1"),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{InstanceType: ec2types.InstanceTypeT3Small, UserData: aws.String("Y2hhbmdlZA==")},
	})
	require.NoError(t, err)
	a.group("fleet", template, 2, func(in *autoscaling.CreateAutoScalingGroupInput) { in.LaunchTemplate.Version = aws.String("2") })
	g := a.describe("fleet")
	require.Equal(t, "2", *g.LaunchTemplate.Version)
	require.Equal(t, "2", *g.Instances[0].LaunchTemplate.Version)
	out, err := a.ec2.DescribeInstances(a.ctx, &ec2.DescribeInstancesInput{InstanceIds: ids(g)})
	require.NoError(t, err)
	for _, r := range out.Reservations {
		require.Equal(t, ec2types.InstanceTypeT3Small, r.Instances[0].InstanceType)
		require.Equal(t, a.image, *r.Instances[0].ImageId, "from the source version")
	}
}

func TestInstancesAreAsTheirLaunchTemplateSays(t *testing.T) {
	a := newAccount(t)
	_, err := a.iam.CreateInstanceProfile(a.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("web")})
	require.NoError(t, err)
	template := a.template("fleet")
	_, err = a.ec2.CreateLaunchTemplateVersion(a.ctx, &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId: aws.String(template), SourceVersion: aws.String("1"),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: aws.String("web")},
		},
	})
	require.NoError(t, err)
	a.group("fleet", template, 2, func(in *autoscaling.CreateAutoScalingGroupInput) {
		in.LaunchTemplate.Version = aws.String("2")
		in.Tags = []asgtypes.Tag{{Key: aws.String("app"), Value: aws.String("checkout"), PropagateAtLaunch: aws.Bool(true)}}
	})
	out, err := a.ec2.DescribeInstances(a.ctx, &ec2.DescribeInstancesInput{InstanceIds: ids(a.describe("fleet"))})
	require.NoError(t, err)
	subnets := map[string]bool{}
	for _, r := range out.Reservations {
		i := r.Instances[0]
		subnets[*i.SubnetId] = true
		require.Equal(t, ec2types.HttpTokensStateRequired, i.MetadataOptions.HttpTokens)
		require.Contains(t, *i.IamInstanceProfile.Arn, "/web")
		require.Len(t, i.BlockDeviceMappings, 1)
		require.Contains(t, i.Tags, ec2types.Tag{Key: aws.String("app"), Value: aws.String("checkout")})
		volumes, err := a.ec2.DescribeVolumes(a.ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{*i.BlockDeviceMappings[0].Ebs.VolumeId}})
		require.NoError(t, err)
		require.True(t, *volumes.Volumes[0].Encrypted)
		require.Equal(t, "r1", *volumes.Volumes[0].Tags[0].Value)
	}
	require.Len(t, subnets, 2, "instances are spread over the subnets")
}

func TestNothingIsLeftOfADeletedGroup(t *testing.T) {
	a := newAccount(t)
	before, err := a.ec2.DescribeNetworkInterfaces(a.ctx, &ec2.DescribeNetworkInterfacesInput{})
	require.NoError(t, err)
	a.group("fleet", a.template("fleet"), 2, nil)
	instances := ids(a.describe("fleet"))
	_, err = a.asg.SetInstanceProtection(a.ctx, &autoscaling.SetInstanceProtectionInput{
		AutoScalingGroupName: aws.String("fleet"), InstanceIds: instances, ProtectedFromScaleIn: aws.Bool(true),
	})
	require.NoError(t, err)
	_, err = a.asg.PutScalingPolicy(a.ctx, scaleOut("fleet"))
	require.NoError(t, err)
	_, err = a.asg.DeleteAutoScalingGroup(a.ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("fleet")})
	refused(t, err, "ResourceInUse")
	_, err = a.asg.DeleteAutoScalingGroup(a.ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("fleet"), ForceDelete: aws.Bool(true)})
	require.NoError(t, err)

	out, err := a.ec2.DescribeInstances(a.ctx, &ec2.DescribeInstancesInput{InstanceIds: instances})
	require.NoError(t, err)
	for _, r := range out.Reservations {
		require.Equal(t, ec2types.InstanceStateNameTerminated, r.Instances[0].State.Name)
	}
	volumes, err := a.ec2.DescribeVolumes(a.ctx, &ec2.DescribeVolumesInput{})
	require.NoError(t, err)
	require.Empty(t, volumes.Volumes)
	after, err := a.ec2.DescribeNetworkInterfaces(a.ctx, &ec2.DescribeNetworkInterfacesInput{})
	require.NoError(t, err)
	require.Len(t, after.NetworkInterfaces, len(before.NetworkInterfaces))
	policies, err := a.asg.DescribePolicies(a.ctx, &autoscaling.DescribePoliciesInput{})
	require.NoError(t, err)
	require.Empty(t, policies.ScalingPolicies)
	_, err = a.asg.DeleteAutoScalingGroup(a.ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("fleet")})
	refused(t, err, "ValidationError")
}

func scaleOut(group string) *autoscaling.PutScalingPolicyInput {
	return &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: aws.String(group), PolicyName: aws.String("cpu"), PolicyType: aws.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: &asgtypes.TargetTrackingConfiguration{
			TargetValue:                   aws.Float64(50),
			PredefinedMetricSpecification: &asgtypes.PredefinedMetricSpecification{PredefinedMetricType: asgtypes.MetricTypeASGAverageCPUUtilization},
		},
	}
}

func TestDeletionProtection(t *testing.T) {
	a := newAccount(t)
	a.group("fleet", a.template("fleet"), 1, func(in *autoscaling.CreateAutoScalingGroupInput) {
		in.DeletionProtection = asgtypes.DeletionProtectionPreventForceDeletion
	})
	force := &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("fleet"), ForceDelete: aws.Bool(true)}
	_, err := a.asg.DeleteAutoScalingGroup(a.ctx, force)
	refused(t, err, "ValidationError")
	require.Equal(t, asgtypes.DeletionProtectionPreventForceDeletion, a.describe("fleet").DeletionProtection)
	for _, step := range []struct {
		set     asgtypes.DeletionProtection
		refused bool
	}{{asgtypes.DeletionProtectionPreventAllDeletion, true}, {asgtypes.DeletionProtectionNone, false}} {
		_, err = a.asg.UpdateAutoScalingGroup(a.ctx, &autoscaling.UpdateAutoScalingGroupInput{
			AutoScalingGroupName: aws.String("fleet"), DeletionProtection: step.set,
		})
		require.NoError(t, err)
		_, err = a.asg.DeleteAutoScalingGroup(a.ctx, force)
		if step.refused {
			refused(t, err, "ValidationError")
		}
	}
	require.NoError(t, err)
}
