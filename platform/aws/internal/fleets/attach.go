package fleets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

const (
	attach = "attach"
	detach = "detach"
)

// Attach attaches the fleet's group to the target group that it was taken out of, or to
// one that is free when nobody knows which that was. It returns when the group is read
// back as attached; its targets become healthy after that, as Describe tells.
// KindConflict when another fleet has taken the place or it has a weight, which would be
// a share. KindInvalid for a fleet that stands alone.
func (f *Fleets) Attach(ctx context.Context, region, name string) error {
	p, err := f.at(ctx, region)
	if err != nil {
		return err
	}
	g, err := f.group(account.Urgent(ctx), p, attach, name)
	if err != nil {
		return err
	}
	arn := p.regionTargetGroup(g)
	switch {
	case deleting(g):
		return platform.NotFound(attach, in(name, region))
	case tagsOf(g)[tag.Alone] == "true":
		return platform.NewError(platform.KindInvalid, attach, in(name, region), "", errors.New("it stands alone: it is no part of a route"))
	case arn != "" && (placeOf(g) == "" || tagsOf(g)[tag.Place] != placeOf(g)):
		return nil
	case arn == "":
		if arn, err = p.vacant(account.Urgent(ctx), g); err != nil {
			return err
		}
	}
	// Also when it is attached and noted as taken out: a detach may be under way.
	if err := p.register(ctx, name, arn); err != nil {
		return err
	}
	f.memory.forgetInstances(region, name)
	if err := p.tag(ctx, attach, name, placedTag(g, arn, time.Now())); err != nil {
		return err
	}
	return f.until(ctx, attach, name, "its Auto Scaling group is attached", func() (bool, error) {
		now, err := f.group(account.Urgent(ctx), p, attach, name)
		return p.regionTargetGroup(now) == arn, err
	})
}

func (p place) register(ctx context.Context, name, arn string) error {
	_, err := p.AutoScaling.AttachLoadBalancerTargetGroups(ctx, &autoscaling.AttachLoadBalancerTargetGroupsInput{
		AutoScalingGroupName: &name, TargetGroupARNs: []string{arn},
	})
	return account.Classify(attach, in(name, p.Region), true, err)
}

// vacant is the target group that a group goes back to: nobody else has it, and it has no weight.
func (p place) vacant(ctx context.Context, g astypes.AutoScalingGroup) (string, error) {
	name := aws.ToString(g.AutoScalingGroupName)
	home := p.home(g)
	if home == "" {
		return p.idle(ctx, attach, name)
	}
	attached, err := p.Attached(ctx, home)
	if err != nil {
		return "", err
	}
	for _, other := range attached[home] {
		if n := aws.ToString(other.AutoScalingGroupName); n != name {
			return "", platform.NewError(platform.KindConflict, attach, in(name, p.Region), "retire or detach "+n+" first",
				fmt.Errorf("its target group %s has fleet %s", targetGroupName(home), n))
		}
	}
	forward, err := p.Forward(ctx, p.region.Listener)
	if err != nil {
		return "", err
	}
	if weight := share(forward, home); weight > 0 {
		return "", platform.NewError(platform.KindConflict, attach, in(name, p.Region), "set the weight of "+targetGroupName(home)+" to 0",
			fmt.Errorf("its target group %s is empty and has a weight of %d: the fleet would have a share at once", targetGroupName(home), weight))
	}
	return home, nil
}

// Detach takes the fleet's group out of its target group, which it notes on the group
// first. It returns when none of its instances gets new requests: the load balancer has
// let go of them or drains them, for the deregistration delay at most. KindConflict while
// the target group has a weight. AWS keeps the instances:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachLoadBalancerTargetGroups.html.
func (f *Fleets) Detach(ctx context.Context, region, name string) error {
	if !f.known(region) {
		return nil
	}
	p, err := f.at(ctx, region)
	if err != nil {
		return err
	}
	g, err := f.group(account.Urgent(ctx), p, detach, name)
	if err != nil {
		return platform.IgnoreNotFound(err)
	}
	arn := p.regionTargetGroup(g)
	if deleting(g) || arn == "" {
		return nil
	}
	if err := p.notServing(ctx, detach, g); err != nil {
		return err
	}
	if tagsOf(g)[tag.Place] != arn {
		if err := p.tag(ctx, detach, name, placeTag(g, arn)); err != nil {
			return platform.IgnoreNotFound(err)
		}
	}
	_, err = p.AutoScaling.DetachLoadBalancerTargetGroups(ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{
		AutoScalingGroupName: &name, TargetGroupARNs: []string{arn},
	})
	if err = account.Classify(detach, in(name, region), true, err); err != nil {
		return platform.IgnoreNotFound(err)
	}
	f.memory.forgetInstances(region, name)
	return f.until(ctx, detach, name, "the load balancer has let go of its instances", func() (bool, error) { return p.unreached(ctx, name, arn) })
}

// unreached says whether no instance of a group gets new requests through a target group.
// The group itself may be shown as attached until the last target is drained.
func (p place) unreached(ctx context.Context, name, arn string) (bool, error) {
	found, err := p.Groups(account.Urgent(ctx), name)
	if err != nil {
		return false, err
	}
	ids := map[string]bool{}
	for _, i := range found[name].Instances {
		ids[aws.ToString(i.InstanceId)] = true
	}
	targets, err := p.TargetHealth(account.Urgent(ctx), arn)
	if err != nil {
		return false, err
	}
	for _, t := range targets {
		if t.Target == nil || !ids[aws.ToString(t.Target.Id)] {
			continue
		}
		if t.TargetHealth == nil || t.TargetHealth.State != elbtypes.TargetHealthStateEnumDraining {
			return false, nil
		}
	}
	return true, nil
}
