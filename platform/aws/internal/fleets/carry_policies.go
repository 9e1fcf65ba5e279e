package fleets

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// Kinds of scaling policies. AWS makes the alarms of target tracking itself; those of
// the other two are somebody's own and have to be copied.
const (
	stepScaling   = "StepScaling"
	simpleScaling = "SimpleScaling"
)

// policies are the scaling policies, under the same names, with their alarms.
func (c carryOver) policies(ctx context.Context) error {
	const what = "scaling policies"
	arns := map[string]string{} // of the live policy to that of the copy
	pages := autoscaling.NewDescribePoliciesPaginator(c.AutoScaling, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &c.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.failed(what, false, err)
		}
		for _, policy := range page.ScalingPolicies {
			out, err := c.AutoScaling.PutScalingPolicy(ctx, c.policy(policy))
			if err != nil {
				return c.failed("scaling policy "+aws.ToString(policy.PolicyName), true, err)
			}
			if kind := aws.ToString(policy.PolicyType); kind == stepScaling || kind == simpleScaling {
				arns[aws.ToString(policy.PolicyARN)] = aws.ToString(out.PolicyARN)
			}
		}
	}
	if len(arns) == 0 {
		return nil
	}
	return c.alarms(ctx, arns)
}

// policy is a copy for the candidate. AWS refuses fields that are not of a policy's
// kind, also those that it answers with for every kind:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html.
func (c carryOver) policy(p astypes.ScalingPolicy) *autoscaling.PutScalingPolicyInput {
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
	default:
		to.EstimatedInstanceWarmup = p.EstimatedInstanceWarmup
		to.TargetTrackingConfiguration = p.TargetTrackingConfiguration
		to.PredictiveScalingConfiguration = p.PredictiveScalingConfiguration
		rewrite(to.TargetTrackingConfiguration, c.ours)
		rewrite(to.PredictiveScalingConfiguration, c.ours)
	}
	return to
}
