package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// caller says who calls, and whether AWS knows them; if not, nothing else can be examined.
func (x *examination) caller(ctx context.Context) (bool, error) {
	subject := "credentials for " + x.acc.Region
	out, err := x.acc.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	err = account.Classify("ask who we are in", x.acc.Region, false, err)
	switch platform.KindOf(err) {
	case platform.KindDenied, platform.KindInvalid, platform.KindNotFound:
		x.blocks(subject, adviceOf(err), "%v", cause(err))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	x.well(fmt.Sprintf("%s: %s", subject, deref(out.Arn)))
	return true, nil
}

// trial is one permission that is tried without an effect.
type trial struct {
	action string
	// absent: tried on something that is not there. A policy that allows the action by
	// tags of the resource, as ours does, refuses it then, so a refusal proves nothing.
	absent bool
	run    func(context.Context) error
}

// permissions tries what AWS lets be tried: EC2 with a dry run
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html), the counts by
// reading. What other steps read is proven by them. Changes in Auto Scaling and
// Elastic Load Balancing can't be tried.
func (x *examination) permissions(ctx context.Context) error {
	image, own, err := x.someImage(ctx)
	if err != nil {
		if err := x.unread("an image for dry runs", err); err != nil {
			return err
		}
	}
	trials := append(x.fleetTrials(), x.bakeTrials()...)
	if image != nil {
		trials = append(trials, trial{"ec2:RunInstances", false, func(ctx context.Context) error { return x.tryLaunch(ctx, *image) }})
	}
	if own {
		trials = append(trials, trial{"ec2:CopyImage", false, func(ctx context.Context) error { return x.tryCopy(ctx, *image) }})
	}
	var untold []string
	for _, t := range append(trials, trial{action: "cloudwatch:GetMetricData", run: x.readMetric}, trial{action: "cloudwatch:DescribeAlarms", run: x.readAlarm}) {
		subject := "permission " + t.action
		err := account.Classify("try "+t.action+" in", x.acc.Region, false, t.run(ctx))
		kind := platform.KindOf(err)
		switch {
		case err == nil, t.absent && (kind == platform.KindNotFound || kind == platform.KindInvalid):
			x.well(subject) // AWS got as far as looking for the resource
		case kind == platform.KindDenied && t.absent:
			untold = append(untold, t.action)
		case kind == platform.KindDenied:
			x.blocks(subject, adviceOf(err), "%v", cause(err))
		case kind == platform.KindNotFound, kind == platform.KindInvalid:
			x.blocks(subject, "correct what the error names in the spec", "%v", err)
		default:
			return err
		}
	}
	if len(untold) > 0 {
		x.well("permissions that show only in use, as AWS refuses them on what is not there: " + strings.Join(untold, ", "))
	}
	return nil
}

// Names of things that are not there, in the form that AWS gives them.
const (
	noImage    = "ami-00000000000000000"
	noInstance = "i-00000000000000000"
	noSnapshot = "snap-00000000000000000"
	noName     = "switchyard-doctor"
)

func (x *examination) fleetTrials() []trial {
	return []trial{
		{"ec2:CreateLaunchTemplate", false, func(ctx context.Context) error {
			_, err := x.acc.EC2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
				DryRun: aws.Bool(true), LaunchTemplateName: aws.String(noName),
				LaunchTemplateData: &ec2types.RequestLaunchTemplateData{InstanceType: ec2types.InstanceType(x.aws.InstanceType)},
				TagSpecifications:  x.tags(ec2types.ResourceTypeLaunchTemplate),
			})
			return err
		}},
		{"ec2:DeleteLaunchTemplate", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{DryRun: aws.Bool(true), LaunchTemplateName: aws.String(noName)})
			return err
		}},
		{"ec2:TerminateInstances", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{DryRun: aws.Bool(true), InstanceIds: []string{noInstance}})
			return err
		}},
	}
}

// tryLaunch tries a launch as a fleet's: it needs the rights to launch, to tag and to
// pass the instance profile, and the subnet, security groups and profile to be there.
func (x *examination) tryLaunch(ctx context.Context, image ec2types.Image) error {
	in := &ec2.RunInstancesInput{
		DryRun: aws.Bool(true), ImageId: image.ImageId, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		InstanceType: ec2types.InstanceType(x.aws.InstanceType), SubnetId: aws.String(x.cfg.Subnets[0]), SecurityGroupIds: x.cfg.SecurityGroups,
		MetadataOptions:   &ec2types.InstanceMetadataOptionsRequest{HttpTokens: ec2types.HttpTokensStateRequired},
		TagSpecifications: x.tags(ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume),
	}
	if image.RootDeviceName != nil && (x.aws.EncryptVolumes == nil || *x.aws.EncryptVolumes) {
		in.BlockDeviceMappings = []ec2types.BlockDeviceMapping{{DeviceName: image.RootDeviceName, Ebs: &ec2types.EbsBlockDevice{Encrypted: aws.Bool(true)}}}
		if x.cfg.KMSKey != "" {
			in.BlockDeviceMappings[0].Ebs.KmsKeyId = aws.String(x.cfg.KMSKey)
		}
	}
	if x.aws.InstanceProfile != "" {
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: aws.String(x.aws.InstanceProfile)}
	}
	_, err := x.acc.EC2.RunInstances(ctx, in)
	return err
}

func (x *examination) bakeTrials() []trial {
	return []trial{
		{"ec2:CreateImage", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.CreateImage(ctx, &ec2.CreateImageInput{DryRun: aws.Bool(true), InstanceId: aws.String(noInstance), Name: aws.String(noName)})
			return err
		}},
		{"ec2:DeregisterImage", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.DeregisterImage(ctx, &ec2.DeregisterImageInput{DryRun: aws.Bool(true), ImageId: aws.String(noImage)})
			return err
		}},
		{"ec2:DeleteSnapshot", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{DryRun: aws.Bool(true), SnapshotId: aws.String(noSnapshot)})
			return err
		}},
		{"ec2:CreateTags", true, func(ctx context.Context) error {
			_, err := x.acc.EC2.CreateTags(ctx, &ec2.CreateTagsInput{
				DryRun: aws.Bool(true), Resources: []string{noImage}, Tags: x.tags(ec2types.ResourceTypeImage)[0].Tags,
			})
			return err
		}},
	}
}

// tryCopy tries a copy within the region, of an image of the account.
func (x *examination) tryCopy(ctx context.Context, image ec2types.Image) error {
	_, err := x.acc.EC2.CopyImage(ctx, &ec2.CopyImageInput{
		DryRun: aws.Bool(true), SourceImageId: image.ImageId, SourceRegion: aws.String(x.acc.Region), Name: aws.String(noName), Encrypted: aws.Bool(true),
	})
	return err
}

func (x *examination) tags(kinds ...ec2types.ResourceType) []ec2types.TagSpecification {
	var out []ec2types.TagSpecification
	for _, kind := range kinds {
		out = append(out, ec2types.TagSpecification{ResourceType: kind, Tags: []ec2types.Tag{
			{Key: aws.String(tag.Application), Value: aws.String(x.fleet.Target.Application)},
			{Key: aws.String(tag.Environment), Value: aws.String(x.fleet.Target.Environment)},
			{Key: aws.String(tag.Release), Value: aws.String(noName)},
			{Key: aws.String(tag.Fleet), Value: aws.String(noName)},
		}})
	}
	return out
}

// someImage finds an image that the instance type could boot: one of the account, else
// one of Amazon's. Nil when there is none.
func (x *examination) someImage(ctx context.Context) (_ *ec2types.Image, own bool, _ error) {
	filters := []ec2types.Filter{{Name: aws.String("state"), Values: []string{"available"}}}
	amazon := append(slices.Clone(filters), ec2types.Filter{Name: aws.String("name"), Values: []string{"al2023-ami-2023*", "amzn2-ami-hvm-2*"}})
	for i, in := range []*ec2.DescribeImagesInput{
		{Owners: []string{"self"}, Filters: filters},
		{Owners: []string{"amazon"}, Filters: amazon},
	} {
		out, err := x.acc.EC2.DescribeImages(ctx, in)
		if err != nil {
			return nil, false, account.Classify("find an image in", x.acc.Region, false, err)
		}
		for _, image := range out.Images {
			if x.kind == nil || x.kind.ProcessorInfo == nil || runsOn(image, x.kind.ProcessorInfo.SupportedArchitectures) {
				return &image, i == 0, nil
			}
		}
	}
	return nil, false, nil
}

func (x *examination) readAlarm(ctx context.Context) error {
	_, err := x.acc.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{noName}})
	return err
}

func (x *examination) readMetric(ctx context.Context) error {
	now := time.Now().UTC().Truncate(time.Minute)
	_, err := x.acc.CloudWatch.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(now.Add(-5 * time.Minute)), EndTime: aws.Time(now),
		MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("doctor"), MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String("AWS/ApplicationELB"), MetricName: aws.String("RequestCount")},
			Period: aws.Int32(60), Stat: aws.String("Sum"),
		}}},
	})
	return err
}
