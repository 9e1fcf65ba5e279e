package fleets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/switchyard/switchyard/platform"
)

// suspends says whether a person suspended a process of the live group: what a
// release's hold suspended does not count.
func (l *live) suspends(process string) bool {
	if h, held := holdOf(l.group); held && process == scheduledActions {
		return h.suspended
	}
	return isSuspended(l.group, process)
}

// carriable refuses a live group that has what a candidate can't have, before anything
// is made: losing it silently would be found out when it is missed.
func (p place) carriable(l *live) error {
	g := l.group
	for _, process := range []string{"Launch", "AddToLoadBalancer"} {
		if isSuspended(g, process) {
			return l.refused("its process "+process+" is suspended: a candidate like it would never come into service", "resume the process, or find out why it is suspended")
		}
	}
	if len(g.LoadBalancerNames) > 0 {
		return l.refused("it is attached to Classic Load Balancers too: "+strings.Join(g.LoadBalancerNames, ", "), "move that traffic to the listener, then detach them")
	}
	for _, s := range g.TrafficSources {
		if kind := aws.ToString(s.Type); kind != "elbv2" {
			return l.refused(fmt.Sprintf("it is attached to a traffic source of type %s: %s", kind, aws.ToString(s.Identifier)), "move that traffic to the listener, then detach it")
		}
	}
	for _, arn := range targetGroupsOf(g) {
		if !slices.Contains(p.region.TargetGroups, arn) {
			return l.refused("it is attached to a target group besides the two of the spec: "+targetGroupName(arn),
				"detach it: its traffic would stay with the live fleet, whatever the weights are")
		}
	}
	if kind := aws.ToString(g.DesiredCapacityType); kind != "" && kind != "units" {
		return l.refused("its desired capacity counts "+kind+", not instances", "let it count units")
	}
	return l.overrides()
}

// overrides refuses a mixed instances policy under which instances are not all alike:
// another template has another image, and weights make the size count something else.
func (l *live) overrides() error {
	m := l.group.MixedInstancesPolicy
	if m == nil || m.LaunchTemplate == nil {
		return nil
	}
	for _, o := range m.LaunchTemplate.Overrides {
		kind := aws.ToString(o.InstanceType)
		if o.LaunchTemplateSpecification != nil || aws.ToString(o.ImageId) != "" {
			return l.refused("its mixed instances policy launches "+kind+" from another template or image", "take that override out: a fleet has one image")
		}
		if w := aws.ToString(o.WeightedCapacity); w != "" && w != "1" {
			return l.refused(fmt.Sprintf("its mixed instances policy weighs %s as %s", kind, w), "take the weights out: the size of a fleet is its number of instances")
		}
	}
	return nil
}

// likeGone is the error when the live fleet is not there.
func likeGone(s platform.FleetSpec) error {
	return platform.Conflict(provision, in(s.Name, s.Region), "the live fleet %s, whose settings it takes over, is not there any more", s.Like)
}
