package fleets

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// carryOver is what is given to a group after it is made. Every step sets what is to
// be, whatever an earlier attempt has set.
type carryOver struct {
	place
	from astypes.AutoScalingGroup // the live group
	to   string                   // the candidate's name
	name string                   // the live group's name
	was  string                   // target group of the live group
	is   string                   // target group of the candidate
}

// finish does what is left to do for a group, and tags it complete.
func (f *Fleets) finish(ctx context.Context, p place, s platform.FleetSpec, g astypes.AutoScalingGroup, like *astypes.AutoScalingGroup) error {
	if s.Like != "" && like == nil {
		return likeGone(s)
	}
	err := p.suspendAs(ctx, s.Name, g, like)
	if err == nil && like != nil && !s.Alone {
		c := carryOver{place: p, from: *like, to: s.Name, name: aws.ToString(like.AutoScalingGroupName), was: p.regionTargetGroup(*like), is: p.regionTargetGroup(g)}
		for _, step := range []func(context.Context) error{c.metrics, c.warmPool, c.notifications, c.scheduled, c.policies} {
			if err = step(ctx); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = p.tag(ctx, provision, s.Name, groupTag(s.Name, complete, "true", false))
	}
	if platform.IsNotFound(err) && f.memory.madeLately(s.Region, s.Name) {
		return platform.NewError("", provision, in(s.Name, s.Region), "", errors.Join(errors.New("its Auto Scaling group was made just now and can't be changed yet"), err))
	}
	return err
}

// suspendAs suspends the processes that are suspended in the live group, and scheduled
// actions while the fleet is held.
func (p place) suspendAs(ctx context.Context, name string, g astypes.AutoScalingGroup, like *astypes.AutoScalingGroup) error {
	var processes []string
	if _, held := holdOf(g); held {
		processes = append(processes, scheduledActions)
	}
	if like != nil {
		l := live{group: *like}
		for _, s := range like.SuspendedProcesses {
			process := aws.ToString(s.ProcessName)
			if l.suspends(process) && (process != scheduledActions || len(processes) == 0) {
				processes = append(processes, process)
			}
		}
	}
	if len(processes) == 0 {
		return nil
	}
	return p.suspend(ctx, provision, name, processes...)
}

// ours turns what speaks of the live group, its target group or one of its policies
// into what speaks of the candidate's.
func (c carryOver) ours(at, s string) string {
	if s == c.name && at == "AutoScalingGroupName" {
		return c.to
	}
	if c.was != "" && c.is != "" {
		s = strings.ReplaceAll(s, targetGroupLabel(c.was), targetGroupLabel(c.is))
	}
	if at == "Expression" {
		s = strings.ReplaceAll(strings.ReplaceAll(s, `"`+c.name+`"`, `"`+c.to+`"`), `'`+c.name+`'`, `'`+c.to+`'`)
	}
	return s
}

func (c carryOver) failed(what string, mutating bool, err error) error {
	return account.Classify("carry over "+what+" to", in(c.to, c.Region), mutating, err)
}

// metrics are the group's own that CloudWatch collects.
func (c carryOver) metrics(ctx context.Context) error {
	if len(c.from.EnabledMetrics) == 0 {
		return nil
	}
	var names []string
	for _, m := range c.from.EnabledMetrics {
		names = append(names, aws.ToString(m.Metric))
	}
	_, err := c.AutoScaling.EnableMetricsCollection(ctx, &autoscaling.EnableMetricsCollectionInput{
		AutoScalingGroupName: &c.to, Granularity: aws.String("1Minute"), Metrics: names,
	})
	return c.failed("metrics collection", true, err)
}

func (c carryOver) warmPool(ctx context.Context) error {
	w := c.from.WarmPoolConfiguration
	if w == nil || w.Status == astypes.WarmPoolStatusPendingDelete {
		return nil
	}
	_, err := c.AutoScaling.PutWarmPool(ctx, &autoscaling.PutWarmPoolInput{
		AutoScalingGroupName: &c.to, InstanceReusePolicy: w.InstanceReusePolicy,
		MaxGroupPreparedCapacity: w.MaxGroupPreparedCapacity, MinSize: w.MinSize, PoolState: w.PoolState,
	})
	return c.failed("the warm pool", true, err)
}
