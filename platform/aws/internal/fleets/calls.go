package fleets

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// The calls that more than one method makes. Each may be repeated.

func (p place) update(ctx context.Context, op string, change autoscaling.UpdateAutoScalingGroupInput) error {
	_, err := p.AutoScaling.UpdateAutoScalingGroup(ctx, &change)
	return account.Classify(op, in(*change.AutoScalingGroupName, p.Region), true, err)
}

func (p place) tag(ctx context.Context, op, name string, tags ...astypes.Tag) error {
	_, err := p.AutoScaling.CreateOrUpdateTags(ctx, &autoscaling.CreateOrUpdateTagsInput{Tags: tags})
	return account.Classify(op, in(name, p.Region), true, err)
}

func (p place) suspend(ctx context.Context, op, name string, processes ...string) error {
	_, err := p.AutoScaling.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: &name, ScalingProcesses: processes})
	return account.Classify(op, in(name, p.Region), true, err)
}

func (p place) resume(ctx context.Context, op, name string, processes ...string) error {
	_, err := p.AutoScaling.ResumeProcesses(ctx, &autoscaling.ResumeProcessesInput{AutoScalingGroupName: &name, ScalingProcesses: processes})
	return account.Classify(op, in(name, p.Region), true, err)
}
