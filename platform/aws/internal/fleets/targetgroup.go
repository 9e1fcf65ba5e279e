package fleets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// idle finds the target group of the two that a fleet may use: no group is
// attached to it and it has no weight. One that has a weight is never taken, though it
// be empty: the fleet would get traffic before anybody has proven it.
func (p place) idle(ctx context.Context, op, fleet string) (string, error) {
	attached, err := p.Attached(ctx, p.region.TargetGroups...)
	if err != nil {
		return "", err
	}
	forward, err := p.Forward(ctx, p.region.Listener)
	if err != nil {
		return "", err
	}
	for _, arn := range p.region.TargetGroups {
		for _, g := range attached[arn] {
			if aws.ToString(g.AutoScalingGroupName) == fleet {
				return arn, nil // made by an attempt whose answer was lost
			}
		}
		if len(attached[arn]) == 0 && share(forward, arn) == 0 {
			return arn, nil
		}
	}
	return "", p.taken(op, fleet, attached, forward)
}

// taken says who has the two target groups and what to do about it.
func (p place) taken(op, fleet string, attached map[string][]astypes.AutoScalingGroup, forward account.Forward) error {
	var holders, advice []string
	for _, arn := range p.region.TargetGroups {
		weight := share(forward, arn)
		if len(attached[arn]) == 0 {
			holders = append(holders, fmt.Sprintf("%s has a weight of %d and no Auto Scaling group", targetGroupName(arn), weight))
			advice = append(advice, "attach the Auto Scaling group of the targets in "+targetGroupName(arn)+", or set its weight to 0 if it has none")
		}
		for _, g := range attached[arn] {
			name := aws.ToString(g.AutoScalingGroupName)
			what := fmt.Sprintf("%s has fleet %s, weight %d", targetGroupName(arn), name, weight)
			switch {
			case deleting(g):
				what += ", which is being removed"
				advice = append(advice, "wait until "+name+" is gone")
			case weight == 0 && tagsOf(g)[tag.Release] != "":
				advice = append(advice, "retire "+name+", or detach it from "+targetGroupName(arn)+" to keep it")
			case weight == 0:
				advice = append(advice, "detach "+name+" from "+targetGroupName(arn))
			}
			holders = append(holders, what)
		}
	}
	if len(advice) == 0 {
		advice = []string{"give all of the traffic to one fleet and retire the other"}
	}
	return platform.NewError(platform.KindConflict, op, in(fleet, p.Region), strings.Join(advice, "; "),
		errors.New("both target groups are taken: "+strings.Join(holders, "; ")))
}

func share(f account.Forward, arn string) int32 {
	for _, s := range f.Groups {
		if s.TargetGroup == arn {
			return s.Weight
		}
	}
	return 0
}

// targetGroupLabel is the part of a target group's ARN that metrics are told apart by:
// docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html#load-balancer-metric-dimensions-alb.
func targetGroupLabel(arn string) string {
	if i := strings.Index(arn, ":targetgroup/"); i >= 0 {
		return arn[i+1:]
	}
	return arn
}

func targetGroupName(arn string) string {
	if parts := strings.Split(targetGroupLabel(arn), "/"); len(parts) > 1 {
		return parts[1]
	}
	return arn
}

// regionTargetGroup is the one of the region's two that a group is attached to; "" for none.
func (p place) regionTargetGroup(g astypes.AutoScalingGroup) string {
	for _, arn := range targetGroupsOf(g) {
		if slices.Contains(p.region.TargetGroups, arn) {
			return arn
		}
	}
	return ""
}
