package moto_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
)

var server *moto.Server

func TestMain(m *testing.M) {
	s, err := moto.Start(context.Background(), moto.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	code := m.Run()
	s.Stop()
	os.Exit(code)
}

const region = "eu-central-1"

// account is a fresh AWS account with clients for one region and a network of two zones.
type account struct {
	*testing.T
	ctx     context.Context
	ec2     *ec2.Client
	asg     *autoscaling.Client
	elb     *elb.Client
	watch   *cloudwatch.Client
	quotas  *servicequotas.Client
	iam     *iam.Client
	image   string
	subnets []string
	vpc     string
}

func config(region string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(server.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		// A connection of its own for every call, as nothing is tried again here: one that is kept may be
		// closed just when it is used.
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true }),
	}
}

func newAccount(t *testing.T) *account {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	require.NoError(t, server.Reset(ctx))
	cfg := config(region)
	a := &account{
		T: t, ctx: ctx, ec2: ec2.NewFromConfig(cfg), asg: autoscaling.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg),
		watch: cloudwatch.NewFromConfig(cfg), quotas: servicequotas.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg),
	}
	subnets, err := a.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(subnets.Subnets), 2)
	a.vpc = *subnets.Subnets[0].VpcId
	for _, s := range subnets.Subnets[:2] {
		a.subnets = append(a.subnets, *s.SubnetId)
	}
	a.image = a.bake("base", false)
	return a
}

// bake makes an image the way Packer does: an instance, an image of it, the instance ended.
func (a *account) bake(name string, encrypted bool) string {
	a.Helper()
	base, err := a.ec2.DescribeImages(a.ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	require.NoError(a, err)
	run, err := a.ec2.RunInstances(a.ctx, &ec2.RunInstancesInput{
		ImageId: base.Images[0].ImageId, InstanceType: ec2types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{
			DeviceName: base.Images[0].RootDeviceName, Ebs: &ec2types.EbsBlockDevice{Encrypted: aws.Bool(encrypted)},
		}},
	})
	require.NoError(a, err)
	made, err := a.ec2.CreateImage(a.ctx, &ec2.CreateImageInput{
		InstanceId: run.Instances[0].InstanceId, Name: aws.String(name), TagSpecifications: imageTags("release", "r1"),
	})
	if err != nil { // the answer may get lost on a busy machine; what was made has its name
		found, lookErr := a.ec2.DescribeImages(a.ctx, &ec2.DescribeImagesInput{Filters: []ec2types.Filter{{Name: aws.String("name"), Values: []string{name}}}})
		require.NoError(a, lookErr)
		require.Len(a, found.Images, 1, "%v", err)
		made = &ec2.CreateImageOutput{ImageId: found.Images[0].ImageId}
	}
	_, err = a.ec2.TerminateInstances(a.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{*run.Instances[0].InstanceId}})
	require.NoError(a, err)
	return *made.ImageId
}

func imageTags(key, value string) []ec2types.TagSpecification {
	tags := []ec2types.Tag{{Key: aws.String(key), Value: aws.String(value)}}
	return []ec2types.TagSpecification{
		{ResourceType: ec2types.ResourceTypeImage, Tags: tags}, {ResourceType: ec2types.ResourceTypeSnapshot, Tags: tags},
	}
}

// template makes a launch template as a fleet has it.
func (a *account) template(name string) string {
	a.Helper()
	out, err := a.ec2.CreateLaunchTemplate(a.ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(name),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId: aws.String(a.image), InstanceType: ec2types.InstanceTypeT3Micro, UserData: aws.String("I2Nsb3VkLWNvbmZpZw=="),
			MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: ec2types.LaunchTemplateHttpTokensStateRequired},
			BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMappingRequest{
				{DeviceName: aws.String("/dev/sda1"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: aws.Bool(true)}},
			},
			TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{
				{ResourceType: ec2types.ResourceTypeVolume, Tags: []ec2types.Tag{{Key: aws.String("release"), Value: aws.String("r1")}}},
			},
		},
	})
	require.NoError(a, err)
	return *out.LaunchTemplate.LaunchTemplateId
}

// group makes a group of the given size, changed by the function.
func (a *account) group(name, template string, size int32, change func(*autoscaling.CreateAutoScalingGroupInput)) {
	a.Helper()
	in := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(name), MinSize: aws.Int32(0), MaxSize: aws.Int32(10), DesiredCapacity: aws.Int32(size),
		LaunchTemplate:    &asgtypes.LaunchTemplateSpecification{LaunchTemplateId: aws.String(template), Version: aws.String("1")},
		VPCZoneIdentifier: aws.String(a.subnets[0] + "," + a.subnets[1]),
	}
	if change != nil {
		change(in)
	}
	_, err := a.asg.CreateAutoScalingGroup(a.ctx, in)
	require.NoError(a, err)
}

func (a *account) describe(name string) asgtypes.AutoScalingGroup {
	a.Helper()
	out, err := a.asg.DescribeAutoScalingGroups(a.ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	require.NoError(a, err)
	require.Len(a, out.AutoScalingGroups, 1)
	return out.AutoScalingGroups[0]
}

func ids(g asgtypes.AutoScalingGroup) []string {
	var out []string
	for _, i := range g.Instances {
		out = append(out, *i.InstanceId)
	}
	return out
}

func (a *account) targetGroup(name string) string {
	a.Helper()
	out, err := a.elb.CreateTargetGroup(a.ctx, &elb.CreateTargetGroupInput{
		Name: aws.String(name), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String(a.vpc),
	})
	require.NoError(a, err)
	return *out.TargetGroups[0].TargetGroupArn
}

// health is the state of every target that DescribeTargetHealth tells of.
func (a *account) health(group string) map[string]string {
	a.Helper()
	out, err := a.elb.DescribeTargetHealth(a.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: aws.String(group)})
	require.NoError(a, err)
	states := map[string]string{}
	for _, h := range out.TargetHealthDescriptions {
		states[*h.Target.Id] = string(h.TargetHealth.State)
	}
	return states
}

// refused asserts that AWS would answer with this error code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
}
