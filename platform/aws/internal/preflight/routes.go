package preflight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
)

// route looks at the listener or rule and at its target groups. A fleet that stands
// alone needs neither.
func (x *examination) route(ctx context.Context) error {
	if x.fleet.Alone {
		return nil
	}
	subject := "route " + x.cfg.Listener
	s, err := route.Read(ctx, x.acc, x.cfg)
	if err != nil {
		return x.failed(subject, "name a listener or rule that is there, and two target groups", err)
	}
	x.forwards(subject, s)
	if err := x.place(ctx, s); err != nil {
		return err
	}
	if err := x.targetGroups(ctx); err != nil {
		return err
	}
	return x.balancer(ctx, s.Forward.LoadBalancer)
}

// forwards says whether the action splits the traffic between the settings' two target groups.
func (x *examination) forwards(subject string, s route.State) {
	var foreign, missing []string
	for _, slot := range s.Slots {
		if !slot.Ours {
			foreign = append(foreign, route.GroupName(slot.TargetGroup))
		}
		if slot.Ours && !slot.Named {
			missing = append(missing, route.GroupName(slot.TargetGroup))
		}
	}
	const advice = "let its forward action name the two target groups of the spec and no other, as deployments/terraform does"
	switch {
	case len(s.Forward.Groups) == 0:
		x.blocks(subject, advice, "it forwards to no target group")
	case len(foreign) > 0:
		x.blocks(subject, advice, "it forwards to %s, which the spec does not name", strings.Join(foreign, " and "))
	case len(missing) > 0:
		x.blocks(subject, advice, "it does not name %s", strings.Join(missing, " and "))
	case route.Sticky(s.Forward.Actions) > 0:
		x.doubts(subject, "turn stickiness between target groups off, or let it be shorter than the drain",
			"clients stick to their target group, so those who came before the switch stay with the previous fleet until their cookie ends")
	default:
		x.well(subject)
	}
}

// place looks for a target group that is free for the candidate: no share, no fleet and
// no target that belongs to nobody.
func (x *examination) place(ctx context.Context, s route.State) error {
	const subject = "target group for the candidate"
	if slot, ok := s.Of(x.fleet.Name); ok {
		x.well(fmt.Sprintf("%s: it is in %s", subject, route.GroupName(slot.TargetGroup)))
		return nil
	}
	var taken []string
	for _, slot := range s.Slots {
		if !slot.Ours {
			continue
		}
		why, err := x.taken(ctx, slot)
		if err != nil {
			return x.unread(subject, err)
		}
		if why == "" {
			x.well(fmt.Sprintf("%s: %s is free", subject, route.GroupName(slot.TargetGroup)))
			return nil
		}
		taken = append(taken, why)
	}
	x.blocks(subject, "finish or undo the release before, remove the fleet that has no share, or set the weight of an empty target group to 0",
		"none is free: %s", strings.Join(taken, "; "))
	return nil
}

// taken says why a target group is not free, "" when it is.
func (x *examination) taken(ctx context.Context, slot route.Slot) (string, error) {
	name := route.GroupName(slot.TargetGroup)
	var holders []string
	for _, g := range slot.Fleets {
		holders = append(holders, deref(g.AutoScalingGroupName))
	}
	switch {
	case len(holders) > 0:
		return fmt.Sprintf("%s holds %s (weight %d)", name, strings.Join(holders, " and "), slot.Weight), nil
	case slot.Weight > 0:
		return fmt.Sprintf("%s holds no fleet but has weight %d, so a candidate in it would serve at once", name, slot.Weight), nil
	}
	n, err := route.Registered(ctx, x.acc, slot.TargetGroup)
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("%s has %d targets that belong to no Auto Scaling group and would share the candidate's traffic", name, n), nil
}

func (x *examination) targetGroups(ctx context.Context) error {
	found, err := x.acc.TargetGroups(ctx, x.cfg.TargetGroups...)
	if err != nil {
		return x.failed("target groups", "name two target groups that are there", err)
	}
	for _, arn := range x.cfg.TargetGroups {
		subject := "target group " + route.GroupName(arn)
		tg, ok := found[arn]
		if !ok {
			x.blocks(subject, "name a target group that is there", "%s is not there", arn)
			continue
		}
		known := len(x.findings)
		x.fits(subject, tg)
		if err := x.delay(ctx, subject, arn); err != nil {
			return err
		}
		if len(x.findings) == known {
			x.well(subject)
		}
	}
	return nil
}

// fits compares a target group with what the fleet will be. Auto Scaling registers
// instances by their id, at the target group's port:
// docs.aws.amazon.com/autoscaling/ec2/userguide/getting-started-elastic-load-balancing.html.
func (x *examination) fits(subject string, tg elbtypes.TargetGroup) {
	if tg.TargetType != "" && tg.TargetType != elbtypes.TargetTypeEnumInstance {
		x.blocks(subject, "make it anew with target type instance", "its target type is %s, and Auto Scaling can register instances only", tg.TargetType)
	}
	if len(x.nets) > 0 && tg.VpcId != nil && deref(tg.VpcId) != deref(x.nets[0].VpcId) {
		x.blocks(subject, "name subnets of the target group's VPC", "it is in %s, and the subnets are in %s", deref(tg.VpcId), deref(x.nets[0].VpcId))
	}
	if port := deref(tg.Port); x.aws.Port != 0 && int(port) != x.aws.Port {
		x.doubts(subject, "let aws.port and the target group's port be the same", "it sends requests to port %d, and the application listens on %d", port, x.aws.Port)
	}
	if p := deref(tg.HealthCheckPort); p != "" && p != "traffic-port" && x.aws.Port != 0 && p != strconv.Itoa(x.aws.Port) {
		x.doubts(subject, "let the health check use the traffic port", "its health check asks port %s, and the application listens on %d", p, x.aws.Port)
	}
	if path := deref(tg.HealthCheckPath); path != "" && x.fleet.HealthPath != "" && path != x.fleet.HealthPath {
		x.doubts(subject, "let the health check of the spec and of the target group ask the same path",
			"its health check asks %s, and the spec's asks %s", path, x.fleet.HealthPath)
	}
}

// delay looks at the time a target has for its last requests:
// docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
func (x *examination) delay(ctx context.Context, subject, arn string) error {
	attributes, err := x.acc.Attributes(ctx, arn)
	if err != nil {
		return x.unread(subject+": deregistration delay", err)
	}
	if attributes["deregistration_delay.timeout_seconds"] == "0" {
		x.doubts(subject, "set the deregistration delay to the longest request, 30 s for example",
			"its deregistration delay is 0 s: requests in flight are cut off when an instance leaves")
	}
	return nil
}

// balancer compares the load balancer's zones with the subnets': it sends nothing to a
// target in a zone that is not enabled for it.
// docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-subnets.html
func (x *examination) balancer(ctx context.Context, arn string) error {
	lb, err := x.acc.LoadBalancer(ctx, arn)
	if err != nil {
		return x.failed("load balancer", "", err)
	}
	subject := "load balancer " + deref(lb.LoadBalancerName)
	var enabled, without []string
	for _, z := range lb.AvailabilityZones {
		enabled = append(enabled, deref(z.ZoneName))
	}
	for _, zone := range zonesOf(x.nets) {
		if !slices.Contains(enabled, zone) {
			without = append(without, zone)
		}
	}
	switch {
	case lb.Type != "" && lb.Type != elbtypes.LoadBalancerTypeEnumApplication:
		x.blocks(subject, "name a listener of an Application Load Balancer", "it is of type %s, which has no weights", lb.Type)
	case len(enabled) > 0 && len(without) > 0:
		x.blocks(subject, "enable the zones for the load balancer, or name other subnets",
			"instances in %s would get no requests: the load balancer is enabled in %s", strings.Join(without, ", "), strings.Join(enabled, ", "))
	default:
		x.well(subject)
	}
	return nil
}

// testRoutes looks for the rules that Router.Probe needs.
func (x *examination) testRoutes(ctx context.Context) error {
	for _, arn := range x.cfg.TargetGroups {
		subject := "test route of target group " + route.GroupName(arn)
		_, err := route.TestRoute(ctx, x.acc, x.cfg.Listener, arn)
		switch {
		case err == nil:
			x.well(subject)
		case platform.KindOf(err) == platform.KindInvalid:
			x.doubts(subject, adviceOf(err), "checks through the router can't reach a fleet without a share: %v", cause(err))
		default:
			if err := x.unread(subject, err); err != nil {
				return err
			}
		}
	}
	return nil
}
