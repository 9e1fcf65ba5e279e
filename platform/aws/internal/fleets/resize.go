package fleets

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"github.com/switchyard/switchyard/platform"
)

// Resize sets the desired capacity in one call, with the bounds that it needs: the
// maximum is raised where it is smaller, the minimum lowered where it is larger, and
// raised again, to what it was, when the size allows it. While scale-in is held, the
// minimum goes up with the size. Instances that are protected from scale-in are let go as
// far as the size needs it. KindConflict also when the group ends no instances because
// somebody has suspended its process Terminate.
func (f *Fleets) Resize(ctx context.Context, region, name string, expected, desired int) error {
	const op = "resize"
	p, err := f.at(ctx, region)
	if err != nil {
		return err
	}
	g, err := f.group(ctx, p, op, name)
	if err != nil {
		return err
	}
	if deleting(g) {
		return platform.NotFound(op, in(name, region))
	}
	now, want := int(aws.ToInt32(g.DesiredCapacity)), int32(desired)
	h, held := holdOf(g)
	switch {
	case now == desired && (!held && aws.ToInt32(g.MinSize) >= min(ownMin(g), want) || held && aws.ToInt32(g.MinSize) >= want):
		return nil
	case now != expected && now != desired:
		return platform.Conflict(op, in(name, region), "its desired capacity is %d, not %d as expected: somebody else changed it; not set to %d", now, expected, desired)
	case held && desired < now:
		return platform.Conflict(op, in(name, region), "scale-in is held by %s: it can't go from %d to %d", h.holder, now, desired)
	case desired < now && isSuspended(g, "Terminate"):
		return platform.Conflict(op, in(name, region), "its process Terminate is suspended, so that it ends no instance: resume the process, or find out why it is suspended")
	}
	if desired < now {
		if err := p.unprotect(ctx, op, g, len(g.Instances)-desired); err != nil {
			return err
		}
	}
	low := want
	if !held {
		low = min(ownMin(g), want)
		if err := p.putOff(ctx, op, g, low); err != nil {
			return err
		}
	}
	change := autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &name, DesiredCapacity: &want}
	if aws.ToInt32(g.MaxSize) < want {
		change.MaxSize = &want
	}
	if aws.ToInt32(g.MinSize) != low {
		change.MinSize = &low
	}
	if err := p.update(ctx, op, change); err != nil || held || low < ownMin(g) {
		return err
	}
	return p.bringBack(ctx, op, g)
}
