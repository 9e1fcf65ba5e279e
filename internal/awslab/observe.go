package awslab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// observed is what the API says of one region.
type observed struct {
	machines map[string]machine              // pending and running, by instance id
	groups   map[string]group                // by name
	rules    map[string][]rule               // by listener, in the order in which they are tried
	checks   map[string]check                // by target group
	targets  map[string]map[string]elbTarget // by target group and instance id
}

type machine struct {
	id, address, image, group string
	lifecycle                 string
	unhealthy                 bool // as its group sees it
	tags                      map[string]string
}

type group struct {
	elb, replaces bool // it listens to target groups; it replaces what is unhealthy
	grace         time.Duration
}

type check struct {
	path         string
	pass, fail   int
	port         int
	successCodes string
}

type elbTarget struct {
	port   int
	state  string
	reason string
}

type rule struct {
	conditions []elbtypes.RuleCondition
	action     elbtypes.Action
}

// changesRules are the calls after which rules are read anew.
var changesRules = []string{"CreateListener", "ModifyListener", "DeleteListener", "CreateRule", "ModifyRule", "DeleteRule", "SetRulePriorities"}

// observe reads the region. Rules are as before unless one of the actions changed them
// or all is set.
func (r *region) observe(ctx context.Context, before observed, actions []string, all bool) (observed, error) {
	now := observed{rules: map[string][]rule{}, checks: before.checks, targets: map[string]map[string]elbTarget{}}
	if err := r.observeMachines(ctx, &now); err != nil {
		return before, err
	}
	reread := all || slices.ContainsFunc(actions, func(a string) bool { return slices.Contains(changesRules, a) })
	for _, rt := range r.allRoutes() {
		if before.rules[rt.listener] != nil && !reread {
			now.rules[rt.listener] = before.rules[rt.listener]
		} else if err := r.observeRules(ctx, &now, rt.listener); err != nil {
			return before, err
		}
		for _, arn := range rt.groups {
			if err := r.observeTargets(ctx, &now, arn); err != nil {
				return before, err
			}
		}
	}
	if all || slices.Contains(actions, "ModifyTargetGroup") || len(before.checks) < len(now.targets) {
		return now, r.observeChecks(ctx, &now)
	}
	return now, nil
}

func (r *region) observeMachines(ctx context.Context, now *observed) error {
	now.machines, now.groups = map[string]machine{}, map[string]group{}
	pages := ec2.NewDescribeInstancesPaginator(r.aws.ec2, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{{
		Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the instances: %w", err)
		}
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				m := machine{id: aws.ToString(i.InstanceId), address: aws.ToString(i.PrivateIpAddress), image: aws.ToString(i.ImageId), tags: map[string]string{}}
				for _, t := range i.Tags {
					m.tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
				}
				now.machines[m.id] = m
			}
		}
	}
	groups := autoscaling.NewDescribeAutoScalingGroupsPaginator(r.aws.groups, &autoscaling.DescribeAutoScalingGroupsInput{})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the groups: %w", err)
		}
		for _, g := range page.AutoScalingGroups {
			now.addGroup(g)
		}
	}
	return nil
}

func (o *observed) addGroup(g astypes.AutoScalingGroup) {
	name := aws.ToString(g.AutoScalingGroupName)
	suspended := func(process string) bool {
		return slices.ContainsFunc(g.SuspendedProcesses, func(s astypes.SuspendedProcess) bool { return aws.ToString(s.ProcessName) == process })
	}
	o.groups[name] = group{
		elb:      aws.ToString(g.HealthCheckType) == "ELB" && !suspended("HealthCheck"),
		replaces: !suspended("ReplaceUnhealthy") && !suspended("Terminate"),
		grace:    time.Duration(aws.ToInt32(g.HealthCheckGracePeriod)) * time.Second,
	}
	for _, i := range g.Instances {
		if m, ok := o.machines[aws.ToString(i.InstanceId)]; ok {
			m.group, m.lifecycle, m.unhealthy = name, string(i.LifecycleState), aws.ToString(i.HealthStatus) == "Unhealthy"
			o.machines[m.id] = m
		}
	}
}

func (r *region) observeRules(ctx context.Context, now *observed, listener string) error {
	pages := elb.NewDescribeRulesPaginator(r.aws.elb, &elb.DescribeRulesInput{ListenerArn: &listener})
	var all []elbtypes.Rule
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the rules of %s: %w", listener, err)
		}
		all = append(all, page.Rules...)
	}
	slices.SortStableFunc(all, func(a, b elbtypes.Rule) int { return priority(a) - priority(b) })
	rules := []rule{}
	for _, x := range all {
		if len(x.Actions) > 0 {
			rules = append(rules, rule{x.Conditions, x.Actions[len(x.Actions)-1]})
		}
	}
	now.rules[listener] = rules
	return nil
}

func priority(r elbtypes.Rule) int {
	n := 1 << 20 // the default rule comes last
	_, _ = fmt.Sscan(aws.ToString(r.Priority), &n)
	return n
}

func (r *region) observeTargets(ctx context.Context, now *observed, arn string) error {
	health, err := r.aws.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &arn})
	if err != nil {
		return fmt.Errorf("read the targets of %s: %w", arn, err)
	}
	now.targets[arn] = map[string]elbTarget{}
	for _, t := range health.TargetHealthDescriptions {
		now.targets[arn][aws.ToString(t.Target.Id)] = elbTarget{
			port: int(aws.ToInt32(t.Target.Port)), state: string(t.TargetHealth.State), reason: aws.ToString(t.TargetHealth.Description)}
	}
	return nil
}

func (r *region) observeChecks(ctx context.Context, now *observed) error {
	now.checks = map[string]check{}
	pages := elb.NewDescribeTargetGroupsPaginator(r.aws.elb, &elb.DescribeTargetGroupsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the target groups: %w", err)
		}
		for _, g := range page.TargetGroups {
			c := check{path: aws.ToString(g.HealthCheckPath), pass: int(aws.ToInt32(g.HealthyThresholdCount)), fail: int(aws.ToInt32(g.UnhealthyThresholdCount)), port: int(aws.ToInt32(g.Port))}
			if g.Matcher != nil {
				c.successCodes = aws.ToString(g.Matcher.HttpCode)
			}
			now.checks[aws.ToString(g.TargetGroupArn)] = c
		}
	}
	return nil
}
