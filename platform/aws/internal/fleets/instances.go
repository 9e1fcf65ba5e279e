package fleets

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// target is what the load balancer says of one instance.
type target struct{ state, reason string }

func hasELB(healthCheckType string) bool {
	return slices.Contains(strings.Split(healthCheckType, ","), "ELB")
}

// instances are the group's, with their state and since when this worker has seen it.
// Those of the warm pool are no part of the fleet.
func (f *Fleets) instances(ctx context.Context, p place, g astypes.AutoScalingGroup) ([]release.Instance, error) {
	name := aws.ToString(g.AutoScalingGroupName)
	before := f.memory.of(p.Region, name)
	as := p.registration(g)
	for id, was := range before {
		was.healthy = was.healthy && was.as == as
		before[id] = was
	}
	targets, err := f.targets(ctx, p, g, before)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, i := range g.Instances {
		if !strings.HasPrefix(string(i.LifecycleState), "Warmed:") {
			ids = append(ids, aws.ToString(i.InstanceId))
		}
	}
	addresses, err := p.Addresses(ctx, ids...)
	if err != nil {
		return nil, err
	}
	balanced := p.regionTargetGroup(g) != ""
	// A fleet that a release took out of the route runs on, and only its group checks it.
	alone := tagsOf(g)[tag.Alone] == "true" || p.takenOut(g)
	now := time.Now().UTC()
	after := map[string]seen{}
	var list []release.Instance
	for _, i := range g.Instances {
		id := aws.ToString(i.InstanceId)
		if !slices.Contains(ids, id) {
			continue
		}
		was := before[id]
		state, reason := stateOf(i, balanced, alone, targets, was)
		is := seen{state: state, since: now, as: as, healthy: was.healthy || state == release.InstanceInService && balanced}
		if was.state == state {
			is.since = was.since
		}
		if state == release.InstanceUnhealthy {
			is.healthy = false
		}
		after[id] = is
		one := release.Instance{ID: id, State: state, Since: is.since, Reason: reason}
		if ip := addresses[id]; ip != "" {
			one.Address = net.JoinHostPort(ip, strconv.Itoa(p.aws.Port))
		}
		list = append(list, one)
	}
	f.memory.keep(p.Region, name, after)
	slices.SortFunc(list, func(a, b release.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// stateOf is an instance's state, and why it is not in service:
// docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html.
func stateOf(i astypes.Instance, balanced, alone bool, targets map[string]target, was seen) (release.InstanceState, string) {
	lifecycle := string(i.LifecycleState)
	switch {
	case lifecycle == "Pending:Wait":
		return release.InstancePending, "a lifecycle hook keeps it waiting (Pending:Wait)"
	case strings.HasPrefix(lifecycle, "Pending"):
		return release.InstancePending, "it is starting (" + lifecycle + ")"
	case strings.HasPrefix(lifecycle, "ReplacingRootVolume"), lifecycle == "RootVolumeReplaced":
		return release.InstancePending, "its root volume is replaced (" + lifecycle + ")"
	case strings.HasPrefix(lifecycle, "Terminat"), strings.HasPrefix(lifecycle, "Detach"):
		return release.InstanceTerminating, "it leaves the group (" + lifecycle + ")"
	case lifecycle != "InService":
		return release.InstanceUnhealthy, "it is out of service (" + lifecycle + ")"
	case aws.ToString(i.HealthStatus) != "Healthy":
		return release.InstanceUnhealthy, "the group found it " + strings.ToLower(aws.ToString(i.HealthStatus)) + " and will replace it"
	case alone:
		return release.InstanceInService, ""
	case !balanced: // no traffic could reach it
		return release.InstanceUnhealthy, "its group is attached to no target group of the route"
	case targets == nil && was.healthy:
		return release.InstanceInService, ""
	}
	t, registered := targets[aws.ToString(i.InstanceId)]
	if !registered {
		return release.InstancePending, "it is not registered in the target group yet"
	}
	why := "in the target group it is " + t.state
	if t.reason != "" {
		why += ": " + t.reason
	}
	switch elbtypes.TargetHealthStateEnum(t.state) {
	case elbtypes.TargetHealthStateEnumHealthy:
		return release.InstanceInService, ""
	case elbtypes.TargetHealthStateEnumUnhealthy, elbtypes.TargetHealthStateEnumUnhealthyDraining:
		return release.InstanceUnhealthy, why
	case elbtypes.TargetHealthStateEnumDraining:
		return release.InstanceTerminating, why
	}
	return release.InstancePending, why
}
