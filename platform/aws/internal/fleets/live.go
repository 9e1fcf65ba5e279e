package fleets

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// live is the fleet whose settings a candidate takes over.
type live struct {
	name     string
	group    astypes.AutoScalingGroup
	image    string                             // that it launches from
	template ec2types.RequestLaunchTemplateData // what it launches, as a launch template would say it
	userData []byte
	hooks    []astypes.LifecycleHook
}

// readLive reads what is needed before the candidate is made. What is carried over
// afterwards is read when it is.
func (p place) readLive(ctx context.Context, g astypes.AutoScalingGroup) (*live, error) {
	l := &live{name: aws.ToString(g.AutoScalingGroupName), group: g}
	var err error
	if s := templateOf(g); s != nil {
		err = l.fromTemplate(ctx, p, *s)
	} else {
		err = l.fromConfiguration(ctx, p, aws.ToString(g.LaunchConfigurationName))
	}
	if err != nil {
		return nil, err
	}
	if l.userData, err = base64.StdEncoding.DecodeString(aws.ToString(l.template.UserData)); err != nil {
		return nil, l.refused("its user data is not base64: "+err.Error(), "")
	}
	l.image = aws.ToString(l.template.ImageId)
	hooks, err := p.AutoScaling.DescribeLifecycleHooks(ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &l.name})
	if err != nil {
		return nil, account.Classify("read lifecycle hooks of", in(l.name, p.Region), false, err)
	}
	l.hooks = hooks.LifecycleHooks
	return l, nil
}

func (l *live) refused(why, advice string) error {
	return platform.NewError(platform.KindInvalid, "carry over the settings of", l.name, advice, errors.New(why))
}

// templateOf is the launch template of a group, nil when it has a launch configuration.
func templateOf(g astypes.AutoScalingGroup) *astypes.LaunchTemplateSpecification {
	if m := g.MixedInstancesPolicy; m != nil && m.LaunchTemplate != nil {
		return m.LaunchTemplate.LaunchTemplateSpecification
	}
	return g.LaunchTemplate
}

// version reads the data of the template version that a group names; without a version
// that is the default one: docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html.
func (p place) version(ctx context.Context, s astypes.LaunchTemplateSpecification) (ec2types.ResponseLaunchTemplateData, error) {
	input := &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: s.LaunchTemplateId,
		Versions:         []string{cmp.Or(aws.ToString(s.Version), "$Default")},
	}
	if s.LaunchTemplateId == nil {
		input.LaunchTemplateName = s.LaunchTemplateName
	}
	const op = "read launch template"
	what := in(cmp.Or(aws.ToString(s.LaunchTemplateName), aws.ToString(s.LaunchTemplateId)), p.Region)
	out, err := p.EC2.DescribeLaunchTemplateVersions(ctx, input)
	if err != nil {
		return ec2types.ResponseLaunchTemplateData{}, account.Classify(op, what, false, err)
	}
	if len(out.LaunchTemplateVersions) != 1 || out.LaunchTemplateVersions[0].LaunchTemplateData == nil {
		return ec2types.ResponseLaunchTemplateData{}, platform.NotFound(op, what+", version "+input.Versions[0])
	}
	return *out.LaunchTemplateVersions[0].LaunchTemplateData, nil
}

func (l *live) fromTemplate(ctx context.Context, p place, s astypes.LaunchTemplateSpecification) error {
	data, err := p.version(ctx, s)
	if err != nil {
		return err
	}
	if o := data.Operator; o != nil && !aws.ToBool(o.Managed) {
		data.Operator = nil // says only that nobody else manages it
	}
	if m := data.MetadataOptions; m != nil {
		options := *m
		options.State = "" // says how far a change of the options is
		data.MetadataOptions = &options
	}
	if err := convert(&l.template, &data); err != nil {
		return l.refused(fmt.Sprintf("launch template %s: %v", aws.ToString(s.LaunchTemplateName), err), "take it out of the live fleet's launch template, or release without a live fleet")
	}
	return nil
}

// fromConfiguration says with a launch template what a launch configuration says:
// docs.aws.amazon.com/autoscaling/ec2/userguide/migrate-to-launch-templates.html.
func (l *live) fromConfiguration(ctx context.Context, p place, name string) error {
	const op = "read launch configuration"
	out, err := p.AutoScaling.DescribeLaunchConfigurations(ctx, &autoscaling.DescribeLaunchConfigurationsInput{LaunchConfigurationNames: []string{name}})
	if err != nil {
		return account.Classify(op, in(name, p.Region), false, err)
	}
	if name == "" || len(out.LaunchConfigurations) != 1 {
		return platform.NotFound(op, in(name, p.Region))
	}
	c := out.LaunchConfigurations[0]
	if aws.ToString(c.ClassicLinkVPCId) != "" {
		return l.refused("it uses ClassicLink, which AWS has ended", "make a launch template for it first")
	}
	t := &l.template
	t.ImageId, t.KernelId, t.RamDiskId, t.KeyName = notEmpty(c.ImageId), notEmpty(c.KernelId), notEmpty(c.RamdiskId), notEmpty(c.KeyName)
	t.UserData, t.EbsOptimized = notEmpty(c.UserData), c.EbsOptimized
	if m := c.InstanceMonitoring; m != nil {
		t.Monitoring = &ec2types.LaunchTemplatesMonitoringRequest{Enabled: m.Enabled}
	}
	if tenancy := aws.ToString(c.PlacementTenancy); tenancy != "" {
		t.Placement = &ec2types.LaunchTemplatePlacementRequest{Tenancy: ec2types.Tenancy(tenancy)}
	}
	if price := notEmpty(c.SpotPrice); price != nil {
		t.InstanceMarketOptions = &ec2types.LaunchTemplateInstanceMarketOptionsRequest{
			MarketType:  ec2types.MarketTypeSpot,
			SpotOptions: &ec2types.LaunchTemplateSpotMarketOptionsRequest{MaxPrice: price},
		}
	}
	if c.AssociatePublicIpAddress != nil {
		t.NetworkInterfaces = []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{
			{DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: c.AssociatePublicIpAddress},
		}
	}
	if m := c.MetadataOptions; m != nil {
		t.MetadataOptions = &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpEndpoint:            ec2types.LaunchTemplateInstanceMetadataEndpointState(m.HttpEndpoint),
			HttpPutResponseHopLimit: m.HttpPutResponseHopLimit,
		}
	}
	for _, d := range c.BlockDeviceMappings {
		t.BlockDeviceMappings = append(t.BlockDeviceMappings, deviceOfConfiguration(d))
	}
	return nil
}

func deviceOfConfiguration(d astypes.BlockDeviceMapping) device {
	to := device{DeviceName: d.DeviceName, VirtualName: notEmpty(d.VirtualName)}
	if aws.ToBool(d.NoDevice) {
		to.NoDevice = aws.String("")
		return to
	}
	if e := d.Ebs; e != nil && to.VirtualName == nil {
		to.Ebs = &ec2types.LaunchTemplateEbsBlockDeviceRequest{
			DeleteOnTermination: e.DeleteOnTermination, Encrypted: e.Encrypted, Iops: e.Iops, SnapshotId: notEmpty(e.SnapshotId),
			Throughput: e.Throughput, VolumeSize: e.VolumeSize, VolumeType: ec2types.VolumeType(aws.ToString(e.VolumeType)),
		}
	}
	return to
}

func notEmpty(s *string) *string {
	if aws.ToString(s) == "" {
		return nil
	}
	return s
}
