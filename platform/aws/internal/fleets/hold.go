package fleets

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// scheduledActions is the process that a hold suspends: a scheduled action may lower
// the minimum, which is what holds.
const scheduledActions = "ScheduledActions"

// hold is who holds scale-in of a group, and what to put back afterwards. It is the
// value of the Hold tag: "holder;min=1;max=4;scheduled=running".
type hold struct {
	holder    string
	min, max  int32
	suspended bool // scheduled actions were suspended before
}

func (h hold) String() string {
	scheduled := "running"
	if h.suspended {
		scheduled = "suspended"
	}
	return fmt.Sprintf("%s;min=%d;max=%d;scheduled=%s", h.holder, h.min, h.max, scheduled)
}

// holdOf reads the hold of a group; ok is false when nobody holds it. A tag that
// somebody garbled still holds: what can't be read is as the group has it now.
func holdOf(g astypes.AutoScalingGroup) (h hold, ok bool) {
	text, ok := tagsOf(g)[tag.Hold]
	if !ok {
		return hold{}, false
	}
	h = hold{min: aws.ToInt32(g.MinSize), max: aws.ToInt32(g.MaxSize)}
	parts := strings.Split(text, ";")
	h.holder = parts[0]
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(value, 10, 32)
		switch {
		case name == "min" && err == nil:
			h.min = int32(n)
		case name == "max" && err == nil:
			h.max = int32(n)
		case name == "scheduled":
			h.suspended = value == "suspended"
		}
	}
	return h, true
}

func isSuspended(g astypes.AutoScalingGroup, process string) bool {
	for _, p := range g.SuspendedProcesses {
		if aws.ToString(p.ProcessName) == process {
			return true
		}
	}
	return false
}

// HoldScaleIn tags the group first, so that what the hold changes can be put back
// whenever the worker ends; then it raises the minimum to the present size and
// suspends scheduled actions. Held again by the same holder, the minimum follows the
// size that scaling has reached since.
func (f *Fleets) HoldScaleIn(ctx context.Context, region, name, holder string) error {
	const op = "hold scale-in of"
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
	h, held := holdOf(g)
	switch {
	case held && h.holder != holder:
		return platform.Conflict(op, in(name, region), "it is held by %s", h.holder)
	case !held:
		h = hold{holder: holder, min: ownMin(g), max: aws.ToInt32(g.MaxSize), suspended: isSuspended(g, scheduledActions)}
		if err := p.tag(ctx, op, name, groupTag(name, tag.Hold, h.String(), false)); err != nil {
			return err
		}
	}
	if min := aws.ToInt32(g.DesiredCapacity); aws.ToInt32(g.MinSize) < min {
		if err := p.update(ctx, op, autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &name, MinSize: &min}); err != nil {
			return err
		}
	}
	if isSuspended(g, scheduledActions) {
		return nil
	}
	return p.suspend(ctx, op, name, scheduledActions)
}

// ReleaseScaleIn puts back what the hold changed, and removes the tag last. The
// maximum stays at the size that the fleet has reached. A minimum that is larger than
// the fleet would make it grow, so it waits until the fleet is resized to it.
func (f *Fleets) ReleaseScaleIn(ctx context.Context, region, name, holder string) error {
	const op = "release scale-in of"
	if !f.known(region) {
		return nil
	}
	p, err := f.at(ctx, region)
	if err != nil {
		return err
	}
	g, err := f.group(ctx, p, op, name)
	if platform.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	h, held := holdOf(g)
	if !held { // it may be an old answer, from before the hold
		if g, err = f.group(account.Urgent(ctx), p, op, name); err != nil {
			return platform.IgnoreNotFound(err)
		}
		h, held = holdOf(g)
	}
	if !held || h.holder != holder || deleting(g) {
		return nil
	}
	return platform.IgnoreNotFound(p.putBack(ctx, op, g, h))
}

func (p place) putBack(ctx context.Context, op string, g astypes.AutoScalingGroup, h hold) error {
	name := aws.ToString(g.AutoScalingGroupName)
	size := aws.ToInt32(g.DesiredCapacity)
	low, high := min(h.min, size), max(h.max, h.min, size)
	gone := []astypes.Tag{groupTag(name, tag.Hold, h.String(), false)}
	if low < h.min {
		if err := p.tag(ctx, op, name, leastTag(name, h.min, low)); err != nil {
			return err
		}
	} else if least, ok := tagsOf(g)[tag.Least]; ok {
		gone = append(gone, groupTag(name, tag.Least, least, false))
	}
	// Both are done whatever was read: with the tag goes what they were before, and an old
	// answer may not show yet that they were changed.
	err := p.update(ctx, op, autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &name, MinSize: &low, MaxSize: &high})
	if err != nil {
		return err
	}
	if !h.suspended {
		if err := p.resume(ctx, op, name, scheduledActions); err != nil {
			return err
		}
	}
	_, err = p.AutoScaling.DeleteTags(ctx, &autoscaling.DeleteTagsInput{Tags: gone})
	return account.Classify(op, in(name, p.Region), true, err)
}
