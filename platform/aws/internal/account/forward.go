package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
)

// Forward is what a listener or rule does with requests.
type Forward struct {
	ARN          string // of the listener or rule
	Listener     string
	LoadBalancer string
	IsRule       bool
	Groups       []Share // of its forward action; empty when it forwards nowhere
	// All its actions as they are, authentication and stickiness too. Modifying replaces
	// all of them, so send back what With makes of them.
	Actions []elbtypes.Action
}

// Share is the weight of a target group, 0 to 999.
type Share struct {
	TargetGroup string
	Weight      int32
}

// With is the actions with other shares and all else as it was.
func (f Forward) With(shares ...Share) []elbtypes.Action {
	actions := slices.Clone(f.Actions)
	for i, action := range actions {
		if action.Type != elbtypes.ActionTypeEnumForward {
			continue
		}
		forward := elbtypes.ForwardActionConfig{}
		if action.ForwardConfig != nil {
			forward = *action.ForwardConfig
		}
		forward.TargetGroups = nil
		for _, s := range shares {
			forward.TargetGroups = append(forward.TargetGroups, elbtypes.TargetGroupTuple{
				TargetGroupArn: aws.String(s.TargetGroup), Weight: aws.Int32(s.Weight),
			})
		}
		actions[i].ForwardConfig = &forward
		actions[i].TargetGroupArn = nil // AWS accepts it only with a single target group
	}
	return actions
}

// Forward reads what a listener or a rule does with requests. KindNotFound when it is
// not there, KindInvalid when the ARN is of something else.
func (a *Account) Forward(ctx context.Context, listenerOrRuleARN string) (Forward, error) {
	const op = "read routing of"
	arn := listenerOrRuleARN
	switch {
	case strings.Contains(arn, ":listener-rule/"):
		rule, err := one(ctx, a.rules, op, arn)
		if err != nil {
			return Forward{}, err
		}
		listener := parent(strings.Replace(arn, ":listener-rule/", ":listener/", 1))
		return forward(Forward{ARN: arn, IsRule: true, Listener: listener, LoadBalancer: balancerOf(listener)}, rule.Actions), nil
	case strings.Contains(arn, ":listener/"):
		l, err := one(ctx, a.listeners, op, arn)
		if err != nil {
			return Forward{}, err
		}
		return forward(Forward{ARN: arn, Listener: arn, LoadBalancer: aws.ToString(l.LoadBalancerArn)}, l.DefaultActions), nil
	}
	return Forward{}, platform.NewError(platform.KindInvalid, op, arn, "give the ARN of a listener or of a rule of a listener",
		fmt.Errorf("not the ARN of a listener or rule"))
}

func forward(f Forward, actions []elbtypes.Action) Forward {
	f.Actions = actions
	for _, action := range actions {
		if action.Type != elbtypes.ActionTypeEnumForward {
			continue
		}
		if action.ForwardConfig == nil || len(action.ForwardConfig.TargetGroups) == 0 {
			f.Groups = append(f.Groups, Share{TargetGroup: aws.ToString(action.TargetGroupArn), Weight: 1})
			continue
		}
		for _, t := range action.ForwardConfig.TargetGroups {
			weight := int32(1)
			if t.Weight != nil {
				weight = *t.Weight
			}
			f.Groups = append(f.Groups, Share{TargetGroup: aws.ToString(t.TargetGroupArn), Weight: weight})
		}
	}
	return f
}

// ARNs of Elastic Load Balancing hold those of what they belong to:
// docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html

func parent(arn string) string {
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[:i]
	}
	return arn
}

func balancerOf(listener string) string {
	return parent(strings.Replace(listener, ":listener/", ":loadbalancer/", 1))
}

func (a *Account) fetchListeners(ctx context.Context, arns []string) (map[string]elbtypes.Listener, error) {
	out, err := a.ELB.DescribeListeners(ctx, &elasticloadbalancingv2.DescribeListenersInput{ListenerArns: arns})
	if err != nil {
		return nil, Classify("read listeners", list(arns), false, err)
	}
	return byARN(out.Listeners, func(l elbtypes.Listener) *string { return l.ListenerArn }), nil
}

func (a *Account) fetchRules(ctx context.Context, arns []string) (map[string]elbtypes.Rule, error) {
	out, err := a.ELB.DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{RuleArns: arns})
	if err != nil {
		return nil, Classify("read listener rules", list(arns), false, err)
	}
	return byARN(out.Rules, func(r elbtypes.Rule) *string { return r.RuleArn }), nil
}

func byARN[V any](values []V, arn func(V) *string) map[string]V {
	by := make(map[string]V, len(values))
	for _, v := range values {
		by[aws.ToString(arn(v))] = v
	}
	return by
}
