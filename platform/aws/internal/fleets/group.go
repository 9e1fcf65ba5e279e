package fleets

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// groupInput is the candidate's group. The template's version is pinned: it has one
// only, and a later one that somebody adds must not change the fleet.
func (p place) groupInput(s platform.FleetSpec, digest, template, targetGroup string, l *live) *autoscaling.CreateAutoScalingGroupInput {
	z := sizesOf(s, p.aws, l)
	pinned := &astypes.LaunchTemplateSpecification{LaunchTemplateId: &template, Version: aws.String("1")}
	g := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName:   &s.Name,
		LaunchTemplate:         pinned,
		MinSize:                &z.first,
		MaxSize:                &z.high,
		DesiredCapacity:        &z.desired,
		VPCZoneIdentifier:      aws.String(strings.Join(p.region.Subnets, ",")),
		HealthCheckType:        aws.String("EC2"),
		HealthCheckGracePeriod: aws.Int32(int32(p.aws.HealthGrace.Std().Seconds())),
		Tags:                   groupTags(s, digest, z, l),
	}
	if s.Alone {
		return g
	}
	g.TargetGroupARNs = []string{targetGroup}
	g.HealthCheckType = aws.String("ELB")
	g.DeletionProtection = astypes.DeletionProtectionPreventAllDeletion
	if l != nil {
		l.into(g, pinned)
	}
	return g
}

// into takes over what the live group has and an operator would miss.
func (l *live) into(g *autoscaling.CreateAutoScalingGroupInput, pinned *astypes.LaunchTemplateSpecification) {
	from := l.group
	g.HealthCheckType = aws.String(healthChecks(aws.ToString(from.HealthCheckType)))
	g.AvailabilityZoneDistribution = from.AvailabilityZoneDistribution
	g.AvailabilityZoneImpairmentPolicy = from.AvailabilityZoneImpairmentPolicy
	g.CapacityRebalance = from.CapacityRebalance
	g.CapacityReservationSpecification = from.CapacityReservationSpecification
	g.Context = notEmpty(from.Context)
	g.DefaultCooldown = from.DefaultCooldown
	g.DefaultInstanceWarmup = from.DefaultInstanceWarmup
	g.InstanceLifecyclePolicy = from.InstanceLifecyclePolicy
	g.InstanceMaintenancePolicy = from.InstanceMaintenancePolicy
	g.MaxInstanceLifetime = from.MaxInstanceLifetime
	g.NewInstancesProtectedFromScaleIn = from.NewInstancesProtectedFromScaleIn
	g.PlacementGroup = notEmpty(from.PlacementGroup)
	g.ServiceLinkedRoleARN = ownRole(from.ServiceLinkedRoleARN)
	g.TerminationPolicies = from.TerminationPolicies
	if m := from.MixedInstancesPolicy; m != nil {
		policy := *m
		template := astypes.LaunchTemplate{LaunchTemplateSpecification: pinned}
		if m.LaunchTemplate != nil {
			template.Overrides = m.LaunchTemplate.Overrides
		}
		policy.LaunchTemplate = &template
		g.MixedInstancesPolicy, g.LaunchTemplate = &policy, nil
	}
	for _, h := range l.hooks {
		g.LifecycleHookSpecificationList = append(g.LifecycleHookSpecificationList, astypes.LifecycleHookSpecification{
			LifecycleHookName: h.LifecycleHookName, LifecycleTransition: h.LifecycleTransition, DefaultResult: h.DefaultResult,
			HeartbeatTimeout: h.HeartbeatTimeout, NotificationMetadata: notEmpty(h.NotificationMetadata),
			NotificationTargetARN: notEmpty(h.NotificationTargetARN), RoleARN: notEmpty(h.RoleARN),
		})
	}
}

// ownRole is a service-linked role of one's own. The default one needs no naming, and
// naming it would need the permission to pass it:
// docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html.
func ownRole(arn *string) *string {
	if strings.HasSuffix(aws.ToString(arn), "/AWSServiceRoleForAutoScaling") {
		return nil
	}
	return notEmpty(arn)
}

// healthChecks are the live group's, and those of the load balancer.
func healthChecks(liveTypes string) string {
	kinds := []string{"ELB"}
	for _, kind := range strings.Split(liveTypes, ",") {
		if kind != "" && kind != "EC2" && kind != "ELB" {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, ",")
}

func groupTags(s platform.FleetSpec, digest string, z sizes, l *live) []astypes.Tag {
	var tags []astypes.Tag
	own := facts(s)
	if l != nil {
		for _, t := range l.group.Tags {
			if k := aws.ToString(t.Key); carriedTag(k) {
				tags = append(tags, groupTag(s.Name, k, aws.ToString(t.Value), aws.ToBool(t.PropagateAtLaunch)))
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(own)) {
		tags = append(tags, groupTag(s.Name, k, own[k], true))
	}
	also := marks(s, digest)
	if s.HeldBy != "" {
		also[tag.Hold] = hold{holder: s.HeldBy, min: z.low, max: z.high, suspended: l != nil && l.suspends(scheduledActions)}.String()
	}
	if s.HeldBy == "" && z.first < z.low {
		also[tag.Least] = aws.ToString(leastTag(s.Name, z.low, z.first).Value)
	}
	if l == nil && s.HeldBy == "" || s.Alone {
		also[complete] = "true"
	}
	for _, k := range slices.Sorted(maps.Keys(also)) {
		tags = append(tags, groupTag(s.Name, k, also[k], false))
	}
	return tags
}

// makeGroup makes the group; exists is true when one of that name is there already.
func (f *Fleets) makeGroup(ctx context.Context, p place, input *autoscaling.CreateAutoScalingGroupInput) (exists bool, err error) {
	_, err = p.AutoScaling.CreateAutoScalingGroup(ctx, input)
	switch {
	case err == nil:
		f.memory.make(p.Region, *input.AutoScalingGroupName)
		return false, nil
	case account.IsCode(err, "AlreadyExists"):
		return true, nil
	}
	return false, account.Classify("make the Auto Scaling group of", in(*input.AutoScalingGroupName, p.Region), true, err)
}
