package fleets

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
)

// Kinds of scaling policies. AWS makes the alarms of target tracking itself; those of
// the other two are somebody's own and have to be copied.
const (
	stepScaling       = "StepScaling"
	simpleScaling     = "SimpleScaling"
	targetTracking    = "TargetTrackingScaling"
	predictiveScaling = "PredictiveScaling"
)

// policies are the scaling policies, under the same names, with their alarms.
func (c carryOver) policies(ctx context.Context) error {
	originals, err := c.readPolicies(ctx, c.name)
	if err != nil {
		return err
	}
	names := map[string]string{} // of those with alarms of somebody's own, by ARN
	for _, p := range originals {
		input, err := c.policy(p)
		if err != nil {
			return err
		}
		if _, err := c.AutoScaling.PutScalingPolicy(ctx, input); err != nil {
			return c.failed("scaling policy "+aws.ToString(p.PolicyName), true, err)
		}
		if kind := aws.ToString(p.PolicyType); kind == stepScaling || kind == simpleScaling {
			names[aws.ToString(p.PolicyARN)] = aws.ToString(p.PolicyName)
		}
	}
	if len(names) == 0 {
		return nil
	}
	copies, err := c.readPolicies(ctx, c.to)
	if err != nil {
		return err
	}
	arns := map[string]string{} // of the live policy to that of the copy
	for original, name := range names {
		i := slices.IndexFunc(copies, func(p astypes.ScalingPolicy) bool { return aws.ToString(p.PolicyName) == name })
		if i < 0 {
			return platform.NewError("", "carry over scaling policy "+name+" to", in(c.to, c.Region), "", errors.New("it was put there and can't be read yet"))
		}
		arns[original] = aws.ToString(copies[i].PolicyARN)
	}
	return c.alarms(ctx, arns)
}

func (c carryOver) readPolicies(ctx context.Context, group string) ([]astypes.ScalingPolicy, error) {
	var all []astypes.ScalingPolicy
	pages := autoscaling.NewDescribePoliciesPaginator(c.AutoScaling, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &group})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.failed("scaling policies", false, err)
		}
		all = append(all, page.ScalingPolicies...)
	}
	return all, nil
}

// policy is a copy for the candidate. AWS refuses fields that are not of a policy's
// kind, also those that it answers with for every kind:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html.
func (c carryOver) policy(p astypes.ScalingPolicy) (*autoscaling.PutScalingPolicyInput, error) {
	to := &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: &c.to, PolicyName: p.PolicyName, PolicyType: p.PolicyType, Enabled: p.Enabled,
	}
	switch aws.ToString(p.PolicyType) {
	case stepScaling:
		to.StepAdjustments = slices.Clone(p.StepAdjustments)
		to.MetricAggregationType, to.EstimatedInstanceWarmup = notEmpty(p.MetricAggregationType), p.EstimatedInstanceWarmup
		to.AdjustmentType, to.MinAdjustmentMagnitude = p.AdjustmentType, p.MinAdjustmentMagnitude
	case simpleScaling:
		to.ScalingAdjustment, to.Cooldown = p.ScalingAdjustment, p.Cooldown
		to.AdjustmentType, to.MinAdjustmentMagnitude = p.AdjustmentType, p.MinAdjustmentMagnitude
	case targetTracking:
		to.TargetTrackingConfiguration, to.EstimatedInstanceWarmup = p.TargetTrackingConfiguration, p.EstimatedInstanceWarmup
		rewrite(to.TargetTrackingConfiguration, c.ours)
	case predictiveScaling:
		to.PredictiveScalingConfiguration = p.PredictiveScalingConfiguration
		rewrite(to.PredictiveScalingConfiguration, c.ours)
	default:
		return nil, (&live{name: c.name}).refused(fmt.Sprintf("its scaling policy %s is of a kind that is not known: %s", aws.ToString(p.PolicyName), aws.ToString(p.PolicyType)), "delete it")
	}
	return to, nil
}
