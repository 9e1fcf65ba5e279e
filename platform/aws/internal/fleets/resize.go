package fleets

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"github.com/switchyard/switchyard/platform"
)

// Resize sets the desired capacity in one call, with the bounds that it needs: the
// maximum is raised where it is smaller, the minimum lowered where it is larger. While
// scale-in is held, the minimum goes up with the size.
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
	case now == desired && (!held || aws.ToInt32(g.MinSize) >= want):
		return nil
	case now != expected && now != desired:
		return platform.Conflict(op, in(name, region), "its desired capacity is %d, not %d as expected: somebody else changed it; not set to %d", now, expected, desired)
	case held && desired < now:
		return platform.Conflict(op, in(name, region), "scale-in is held by %s: it can't go from %d to %d", h.holder, now, desired)
	}
	change := autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &name, DesiredCapacity: &want}
	if aws.ToInt32(g.MaxSize) < want {
		change.MaxSize = &want
	}
	if held || aws.ToInt32(g.MinSize) > want {
		change.MinSize = &want
	}
	return p.update(ctx, op, change)
}
