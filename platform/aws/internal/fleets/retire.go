package fleets

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

const retire = "retire"

// Retire takes a fleet out of its target group, waits until its connections are
// drained, scales it to nothing, and removes the group, then the launch template. It
// scales instead of deleting by force because force skips the lifecycle hooks, in which
// operators ship logs or leave clusters:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html.
// The launch template goes last: while it is there, there may be more to remove.
func (f *Fleets) Retire(ctx context.Context, region, name string) error {
	if !f.known(region) {
		return nil
	}
	p, err := f.at(ctx, region)
	if err != nil {
		return err
	}
	g, err := f.group(account.Urgent(ctx), p, retire, name)
	if platform.IsNotFound(err) {
		return p.leftOver(ctx, name)
	}
	if err != nil {
		return err
	}
	if err := p.notServing(ctx, retire, g); err != nil {
		return err
	}
	ours := tagsOf(g)[tag.Fleet] == name
	if !deleting(g) {
		if err := f.empty(ctx, p, g); err != nil {
			return err
		}
		if ours {
			if err := p.deleteAlarms(ctx, name); err != nil {
				return err
			}
		}
		if err := f.delete(ctx, p, name); err != nil {
			return err
		}
	}
	if err := f.gone(ctx, p, name); err != nil {
		return err
	}
	f.memory.forget(region, name)
	if !ours {
		return nil
	}
	return p.deleteTemplate(ctx, name)
}

// leftOver removes what an interrupted Provision or Retire has left of a fleet without a group.
func (p place) leftOver(ctx context.Context, name string) error {
	t, err := p.readTemplate(ctx, name)
	if err != nil {
		return platform.IgnoreNotFound(err)
	}
	for _, tg := range t.Tags {
		if aws.ToString(tg.Key) == tag.Fleet && aws.ToString(tg.Value) == name {
			if err := p.deleteAlarms(ctx, name); err != nil {
				return err
			}
			return p.deleteTemplate(ctx, name)
		}
	}
	return nil // somebody else's
}

// notServing refuses to take away what users may reach.
func (p place) notServing(ctx context.Context, op string, g astypes.AutoScalingGroup) error {
	arns := targetGroupsOf(g)
	if len(arns) == 0 || p.regionTargetGroup(g) == "" {
		return nil
	}
	forward, err := p.Forward(account.Urgent(ctx), p.region.Listener)
	if err != nil {
		return err
	}
	for _, arn := range arns {
		if weight := share(forward, arn); weight > 0 {
			return platform.NewError(platform.KindConflict, op, in(aws.ToString(g.AutoScalingGroupName), p.Region), "move its traffic to another fleet first",
				fmt.Errorf("its target group %s has a weight of %d", targetGroupName(arn), weight))
		}
	}
	return nil
}

// empty drains a group and takes its instances away.
func (f *Fleets) empty(ctx context.Context, p place, g astypes.AutoScalingGroup) error {
	name := aws.ToString(g.AutoScalingGroupName)
	if arns := targetGroupsOf(g); len(arns) > 0 {
		_, err := p.AutoScaling.DetachLoadBalancerTargetGroups(ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: &name, TargetGroupARNs: arns})
		if err != nil {
			return account.Classify(retire, in(name, p.Region), true, err)
		}
	}
	if tagsOf(g)[tag.Alone] == "" {
		if err := f.drained(ctx, p, g); err != nil {
			return err
		}
	}
	if err := p.unprotect(ctx, retire, g, len(g.Instances)); err != nil {
		return err
	}
	if isSuspended(g, "Terminate") {
		if err := p.resume(ctx, retire, name, "Terminate"); err != nil {
			return err
		}
	}
	if g.WarmPoolConfiguration != nil && g.WarmPoolConfiguration.Status != astypes.WarmPoolStatusPendingDelete {
		_, err := p.AutoScaling.DeleteWarmPool(ctx, &autoscaling.DeleteWarmPoolInput{AutoScalingGroupName: &name, ForceDelete: aws.Bool(true)})
		if err = platform.IgnoreNotFound(account.Classify(retire, in(name, p.Region), true, err)); err != nil {
			return err
		}
	}
	none := int32(0)
	err := p.update(ctx, retire, autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: &none, MaxSize: &none, DesiredCapacity: &none,
		DeletionProtection: astypes.DeletionProtectionNone, NewInstancesProtectedFromScaleIn: aws.Bool(false),
	})
	if err != nil {
		return platform.IgnoreNotFound(err)
	}
	return f.until(ctx, retire, name, "its instances are gone", func() (bool, error) {
		found, err := p.Groups(ctx, name)
		g, there := found[name]
		return !there || len(g.Instances) == 0 && aws.ToInt32(g.DesiredCapacity) == 0, err
	})
}

// drained waits until no instance of the group is a target any more: a target stays
// until its connections have ended, at most for the deregistration delay.
func (f *Fleets) drained(ctx context.Context, p place, g astypes.AutoScalingGroup) error {
	arns := slices.Clone(p.region.TargetGroups)
	for _, arn := range targetGroupsOf(g) {
		if !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	ids := map[string]bool{}
	for _, i := range g.Instances {
		ids[aws.ToString(i.InstanceId)] = true
	}
	if len(ids) == 0 {
		return nil
	}
	return f.until(ctx, retire, aws.ToString(g.AutoScalingGroupName), "its connections are drained", func() (bool, error) {
		for _, arn := range arns {
			targets, err := p.TargetHealth(ctx, arn)
			if err != nil {
				return false, err
			}
			for _, t := range targets {
				if t.Target != nil && ids[aws.ToString(t.Target.Id)] {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// delete asks for the group's end. An activity that still runs has to end first.
func (f *Fleets) delete(ctx context.Context, p place, name string) error {
	// If the answer is lost, not finding the group afterwards means that it is gone.
	f.memory.forget(p.Region, name)
	return f.until(ctx, retire, name, "its Auto Scaling group can be deleted", func() (bool, error) {
		_, err := p.AutoScaling.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &name})
		if account.IsCode(err, "ScalingActivityInProgress", "ResourceInUse") {
			return false, nil
		}
		err = platform.IgnoreNotFound(account.Classify(retire, in(name, p.Region), true, err))
		return err == nil, err
	})
}

// gone waits until the group is not there, in two reads in a row.
func (f *Fleets) gone(ctx context.Context, p place, name string) error {
	misses := 0
	return f.until(ctx, retire, name, "its Auto Scaling group is gone", func() (bool, error) {
		for misses < 2 {
			found, err := p.Groups(ctx, name)
			if err != nil {
				return false, err
			}
			if _, there := found[name]; there {
				misses = 0
				return false, nil
			}
			misses++
		}
		return true, nil
	})
}

func (p place) deleteTemplate(ctx context.Context, name string) error {
	_, err := p.EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: &name})
	return platform.IgnoreNotFound(account.Classify("delete the launch template of", in(name, p.Region), true, err))
}

// until looks now and then, until done or the context ends.
func (f *Fleets) until(ctx context.Context, op, name, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s: wait until %s: %w", op, name, what, ctx.Err())
		case <-time.After(f.Poll):
		}
	}
}
