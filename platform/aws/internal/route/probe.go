package route

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// TestHeader is the header of the test routes that the Terraform module makes.
const TestHeader = "X-Switchyard-Target-Group"

// Probe is the entry with the headers of a test route: a rule of the listener that asks
// for headers alone and forwards to the fleet's target group alone. Rules are read
// every 5 minutes; which target group holds the fleet is read every time. KindNotFound
// when none holds it, KindInvalid when its target group has no test route.
func (r *Router) Probe(ctx context.Context, region string, target release.Target, fleet string) (platform.Probe, error) {
	const op = "find test route of"
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return platform.Probe{}, err
	}
	attached, err := acc.Attached(ctx, cfg.TargetGroups...)
	if err != nil {
		return platform.Probe{}, err
	}
	arn, group := holding(attached, fleet)
	tags := groupTags(group)
	owner := release.Target{Application: tags[tag.Application], Environment: tags[tag.Environment]}
	switch {
	case arn == "":
		return platform.Probe{}, platform.NewError(platform.KindNotFound, op, "fleet "+fleet+" in "+region, "",
			errors.New("no target group of the route holds it"))
	case owner != (release.Target{}) && owner != target:
		return platform.Probe{}, platform.Conflict(op, "fleet "+fleet+" in "+region, "it belongs to %s, not to %s", owner, target)
	}
	headers, err := TestRoute(ctx, acc, cfg.Listener, arn)
	if err != nil {
		return platform.Probe{}, err
	}
	url, err := entry(ctx, acc, cfg)
	return platform.Probe{URL: url, Headers: headers}, err
}

func holding(attached map[string][]astypes.AutoScalingGroup, fleet string) (string, astypes.AutoScalingGroup) {
	for arn, groups := range attached {
		for _, g := range groups {
			if deref(g.AutoScalingGroupName) == fleet {
				return arn, g
			}
		}
	}
	return "", astypes.AutoScalingGroup{}
}

func groupTags(g astypes.AutoScalingGroup) map[string]string {
	by := map[string]string{}
	for _, t := range g.Tags {
		by[deref(t.Key)] = deref(t.Value)
	}
	return by
}

// TestRoute is the headers that reach a target group whatever its weight. KindInvalid,
// with what to add, when there are none.
func TestRoute(ctx context.Context, acc *account.Account, listenerOrRule, targetGroup string) (map[string]string, error) {
	for _, maxAge := range []time.Duration{rulesAge, 0} { // what is missing may have been added
		rules, err := testRules.of(ctx, acc, listenerOf(listenerOrRule), maxAge)
		if err != nil {
			return nil, err
		}
		before := priority(listenerOrRule, rules)
		for _, rule := range rules {
			if headers := testHeaders(rule, targetGroup); headers != nil && rank(rule) < before {
				return headers, nil
			}
		}
	}
	name := GroupName(targetGroup)
	return nil, platform.NewError(platform.KindInvalid, "find test route of", "target group "+name,
		fmt.Sprintf("add a rule to %s, before the one that splits the traffic: header %s is %q, forward to %s",
			listenerOf(listenerOrRule), TestHeader, name, name),
		errors.New("no rule of the listener asks for headers alone and forwards to it alone"))
}

// priority is that of the rule which splits the traffic: a test route has to come
// before it. A listener's default action is the last of all.
func priority(listenerOrRule string, rules []elbtypes.Rule) int {
	for _, rule := range rules {
		if deref(rule.RuleArn) == listenerOrRule {
			return rank(rule)
		}
	}
	return last
}

// last is beyond the largest priority, 50,000
// (docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html).
const last = 1_000_000

func rank(rule elbtypes.Rule) int {
	n, err := strconv.Atoi(deref(rule.Priority))
	if err != nil { // "default"
		return last
	}
	return n
}

// testHeaders are the headers that a request needs for the rule, nil when the rule is
// no test route of the target group.
func testHeaders(rule elbtypes.Rule, targetGroup string) map[string]string {
	if len(rule.Conditions) == 0 || len(rule.Actions) != 1 || !forwardsAlone(rule.Actions[0], targetGroup) {
		return nil
	}
	headers := map[string]string{}
	for _, c := range rule.Conditions {
		if c.HttpHeaderConfig == nil {
			return nil
		}
		value, ok := plain(c.HttpHeaderConfig.Values)
		if !ok {
			return nil
		}
		headers[deref(c.HttpHeaderConfig.HttpHeaderName)] = value
	}
	return headers
}

// plain finds a value without wildcards.
func plain(values []string) (string, bool) {
	for _, v := range values {
		if v != "" && !strings.ContainsAny(v, `*?\`) {
			return v, true
		}
	}
	return "", false
}

func forwardsAlone(a elbtypes.Action, targetGroup string) bool {
	if a.Type != elbtypes.ActionTypeEnumForward {
		return false
	}
	if a.ForwardConfig == nil || len(a.ForwardConfig.TargetGroups) == 0 {
		return deref(a.TargetGroupArn) == targetGroup
	}
	groups := a.ForwardConfig.TargetGroups
	return len(groups) == 1 && deref(groups[0].TargetGroupArn) == targetGroup
}

// rulesAge is how long the rules of a listener are taken as they were read.
const rulesAge = 5 * time.Minute

// testRules remembers the rules of listeners for the process, like writes.
var testRules = ruleBook{by: map[ruleKey]ruleSet{}}

type ruleBook struct {
	mu sync.Mutex
	by map[ruleKey]ruleSet
}

type ruleKey struct {
	acc      *account.Account
	listener string
}

type ruleSet struct {
	rules []elbtypes.Rule
	read  time.Time
}

func (b *ruleBook) of(ctx context.Context, acc *account.Account, listener string, maxAge time.Duration) ([]elbtypes.Rule, error) {
	key := ruleKey{acc, listener}
	b.mu.Lock()
	known, ok := b.by[key]
	b.mu.Unlock()
	if ok && time.Since(known.read) < maxAge {
		return known.rules, nil
	}
	began := time.Now()
	rules, err := readRules(ctx, acc, listener)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by[key] = ruleSet{rules, began}
	return rules, nil
}

func readRules(ctx context.Context, acc *account.Account, listener string) ([]elbtypes.Rule, error) {
	var rules []elbtypes.Rule
	pages := elasticloadbalancingv2.NewDescribeRulesPaginator(acc.ELB, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: aws.String(listener)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Classify("read rules of", listener, false, err)
		}
		rules = append(rules, page.Rules...)
	}
	return rules, nil
}
