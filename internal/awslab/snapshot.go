package awslab

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// State is everything in the account that a release could leave behind, as
// "region kind id" with a name where there is one: of an instance and a volume the fleet
// it is of, of a snapshot the image.
type State map[string]string

// Diff says what this state has and the other has not ("+"), and the other way round ("-").
func (s State) Diff(other State) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		if _, ok := other[k]; !ok {
			out = append(out, "+ "+k+named(s[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(other)) {
		if _, ok := s[k]; !ok {
			out = append(out, "- "+k+named(other[k]))
		}
	}
	return out
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// collector notes resources of one region.
type collector struct {
	state  State
	region string
}

func (c collector) add(kind string, id, name *string) {
	c.state[c.region+" "+kind+" "+aws.ToString(id)] = aws.ToString(name)
}

// owner is whose a resource is by its tag, else what is known of it.
func owner(tags []ec2types.Tag, key string, otherwise *string) *string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return t.Value
		}
	}
	return otherwise
}

// Snapshot reads launch templates, groups with their policies and scheduled actions,
// instances that are not terminated, volumes, key pairs, security groups, the account's
// images and snapshots, and alarms, in all regions.
func (l *Lab) Snapshot(ctx context.Context) (State, error) {
	state := State{}
	for _, name := range l.o.Regions {
		r, c := l.regions[name], collector{state, name}
		for _, read := range []func(context.Context, collector) error{
			r.readTemplates, r.readGroups, r.readInstances, r.readVolumes, r.readKeys, r.readImages, r.readAlarms,
		} {
			if err := read(ctx, c); err != nil {
				return nil, fmt.Errorf("read what is in the account in %s: %w", name, err)
			}
		}
	}
	return state, nil
}

func (r *region) readTemplates(ctx context.Context, c collector) error {
	pages := ec2.NewDescribeLaunchTemplatesPaginator(r.aws.ec2, &ec2.DescribeLaunchTemplatesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, t := range page.LaunchTemplates {
			c.add("launch-template", t.LaunchTemplateId, t.LaunchTemplateName)
		}
	}
	return nil
}

func (r *region) readGroups(ctx context.Context, c collector) error {
	groups := autoscaling.NewDescribeAutoScalingGroupsPaginator(r.aws.groups, &autoscaling.DescribeAutoScalingGroupsInput{})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, g := range page.AutoScalingGroups {
			c.add("group", g.AutoScalingGroupName, nil)
		}
	}
	policies := autoscaling.NewDescribePoliciesPaginator(r.aws.groups, &autoscaling.DescribePoliciesInput{})
	for policies.HasMorePages() {
		page, err := policies.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range page.ScalingPolicies {
			c.add("policy", p.PolicyARN, p.PolicyName)
		}
	}
	actions := autoscaling.NewDescribeScheduledActionsPaginator(r.aws.groups, &autoscaling.DescribeScheduledActionsInput{})
	for actions.HasMorePages() {
		page, err := actions.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, a := range page.ScheduledUpdateGroupActions {
			c.add("scheduled-action", aws.String(aws.ToString(a.AutoScalingGroupName)+"/"+aws.ToString(a.ScheduledActionName)), nil)
		}
	}
	return nil
}

func (r *region) readInstances(ctx context.Context, c collector) error {
	pages := ec2.NewDescribeInstancesPaginator(r.aws.ec2, &ec2.DescribeInstancesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				if i.State.Name != ec2types.InstanceStateNameTerminated {
					c.add("instance", i.InstanceId, owner(i.Tags, "switchyard:fleet", i.ImageId))
				}
			}
		}
	}
	return nil
}

func (r *region) readVolumes(ctx context.Context, c collector) error {
	volumes := ec2.NewDescribeVolumesPaginator(r.aws.ec2, &ec2.DescribeVolumesInput{})
	for volumes.HasMorePages() {
		page, err := volumes.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, v := range page.Volumes {
			c.add("volume", v.VolumeId, owner(v.Tags, "switchyard:fleet", nil))
		}
	}
	return nil
}

func (r *region) readKeys(ctx context.Context, c collector) error {
	keys, err := r.aws.ec2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{})
	if err != nil {
		return err
	}
	for _, k := range keys.KeyPairs {
		c.add("key-pair", k.KeyPairId, k.KeyName)
	}
	groups := ec2.NewDescribeSecurityGroupsPaginator(r.aws.ec2, &ec2.DescribeSecurityGroupsInput{})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, g := range page.SecurityGroups {
			c.add("security-group", g.GroupId, g.GroupName)
		}
	}
	return nil
}

func (r *region) readImages(ctx context.Context, c collector) error {
	images, err := r.aws.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}})
	if err != nil {
		return err
	}
	for _, i := range images.Images {
		c.add("image", i.ImageId, i.Name)
	}
	snapshots := ec2.NewDescribeSnapshotsPaginator(r.aws.ec2, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}})
	for snapshots.HasMorePages() {
		page, err := snapshots.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, s := range page.Snapshots {
			c.add("snapshot", s.SnapshotId, owner(s.Tags, "switchyard:image", s.Description))
		}
	}
	return nil
}

func (r *region) readAlarms(ctx context.Context, c collector) error {
	pages := cloudwatch.NewDescribeAlarmsPaginator(r.aws.cloudwatch, &cloudwatch.DescribeAlarmsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, a := range page.MetricAlarms {
			c.add("alarm", a.AlarmArn, a.AlarmName)
		}
	}
	return nil
}
