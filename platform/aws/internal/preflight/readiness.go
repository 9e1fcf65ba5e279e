package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
)

// Readiness looks at what a way back to a fleet needs: the launch template that its group
// names, the image in it, quota and addresses for the instances that are missing, and
// that it is attached to a target group of its own that is forwarded to. A fleet that was
// taken out of the route is not ready; whether its place is still free is said. The
// group's maximum is no bound, as Resize raises it. About 8 calls, shared with other releases; what may not be read is a doubt.
func (e *Examiner) Readiness(ctx context.Context, region, name string, instances int) ([]platform.Finding, error) {
	const op = "examine the readiness of"
	x, err := e.begin(ctx, platform.FleetSpec{Name: name, Region: region, Instances: instances})
	if err != nil {
		return nil, err
	}
	x.back = true
	g, err := x.group(ctx, op)
	if err != nil {
		return nil, err
	}
	x.present, x.exists = len(g.Instances), true
	if zones := deref(g.VPCZoneIdentifier); zones != "" {
		x.subnetIDs = strings.Split(zones, ",")
	}
	x.running(g)
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return x.template(ctx, g) },
		x.image,
	}
	if x.adds() > 0 {
		steps = append(steps, x.instanceType, x.vcpus, x.subnets)
	}
	steps = append(steps, func(ctx context.Context) error { return x.way(ctx, g) })
	err = x.all(ctx, steps...)
	return x.findings, err
}

// group is certain that the fleet is not there only when two reads miss it.
func (x *examination) group(ctx context.Context, op string) (astypes.AutoScalingGroup, error) {
	for _, c := range []context.Context{ctx, account.Urgent(ctx)} {
		found, err := x.acc.Groups(c, x.fleet.Name)
		if err != nil {
			return astypes.AutoScalingGroup{}, err
		}
		if g, ok := found[x.fleet.Name]; ok {
			return g, nil
		}
	}
	return astypes.AutoScalingGroup{}, platform.NotFound(op, x.fleet.Name+" in "+x.acc.Region)
}

// running says whether the group itself would launch instances and register them.
func (x *examination) running(g astypes.AutoScalingGroup) {
	subject := "Auto Scaling group of " + x.fleet.Name
	var stopped []string
	for _, s := range g.SuspendedProcesses {
		if process := deref(s.ProcessName); process == "Launch" || process == "AddToLoadBalancer" {
			stopped = append(stopped, process)
		}
	}
	switch {
	case deref(g.Status) != "":
		x.blocks(subject, "", "it is being removed (Auto Scaling says %q)", deref(g.Status))
	case len(stopped) > 0:
		x.blocks(subject, "resume them, or find out why they are suspended", "its processes %s are suspended", strings.Join(stopped, " and "))
	default:
		x.well(subject)
	}
}

// template reads what the group would launch.
func (x *examination) template(ctx context.Context, g astypes.AutoScalingGroup) error {
	const advice = "nothing can be launched for the fleet without it; release that version anew"
	spec := g.LaunchTemplate
	if m := g.MixedInstancesPolicy; m != nil && m.LaunchTemplate != nil {
		spec = m.LaunchTemplate.LaunchTemplateSpecification
	}
	if spec == nil {
		return x.configuration(ctx, deref(g.LaunchConfigurationName), advice)
	}
	subject := fmt.Sprintf("launch template %s, version %s", cmp.Or(deref(spec.LaunchTemplateName), deref(spec.LaunchTemplateId)), cmp.Or(deref(spec.Version), "$Default"))
	data, err := x.acc.TemplateVersion(ctx, *spec)
	if err != nil {
		return x.failed(subject, advice, err)
	}
	x.well(subject)
	x.launches(subject, deref(data.ImageId), string(data.InstanceType))
	return nil
}

func (x *examination) configuration(ctx context.Context, name, advice string) error {
	subject := "launch configuration " + name
	out, err := x.acc.AutoScaling.DescribeLaunchConfigurations(ctx, &autoscaling.DescribeLaunchConfigurationsInput{LaunchConfigurationNames: []string{name}})
	if err != nil {
		return x.failed(subject, advice, account.Classify("read launch configuration", name, false, err))
	}
	if name == "" || len(out.LaunchConfigurations) == 0 {
		x.blocks(subject, advice, "it is not there")
		return nil
	}
	x.well(subject)
	x.launches(subject, deref(out.LaunchConfigurations[0].ImageId), deref(out.LaunchConfigurations[0].InstanceType))
	return nil
}

// launches notes image and type for the steps that come. An image may be named by a
// parameter, which is resolved at every launch.
func (x *examination) launches(subject, image, instance string) {
	x.instance = cmp.Or(instance, x.instance)
	switch {
	case strings.HasPrefix(image, "ami-"):
		x.fleet.Image = image
	default:
		x.doubts(subject, "", "which image it launches can't be told: it names %q", image)
	}
}

// way looks at the fleet's place in the route.
func (x *examination) way(ctx context.Context, g astypes.AutoScalingGroup) error {
	subject := "route to " + x.fleet.Name
	s, err := route.Read(ctx, x.acc, x.cfg)
	if err != nil {
		return x.failed(subject, "name a listener or rule that is there, and two target groups", err)
	}
	slot, attached := s.Of(x.fleet.Name)
	out := tagged(g, tag.Place)
	switch {
	case attached && !slot.Ours:
		x.blocks(subject, "attach its group to a target group of the spec", "it is in target group %s, which the spec does not name", route.GroupName(slot.TargetGroup))
	case attached && !slot.Named:
		x.blocks(subject, "let the forward action of "+x.cfg.Listener+" name both target groups",
			"the forward action does not name its target group %s", route.GroupName(slot.TargetGroup))
	case attached && len(slot.Fleets) > 1:
		x.blocks(subject, "detach the other group", "it shares target group %s with another Auto Scaling group", route.GroupName(slot.TargetGroup))
	case attached:
		x.well(fmt.Sprintf("%s: target group %s", subject, route.GroupName(slot.TargetGroup)))
	case !slices.Contains(x.cfg.TargetGroups, out):
		x.blocks(subject, "attach its Auto Scaling group to a target group of the route", "it is attached to none, and no release took it out")
	default:
		return x.returns(ctx, subject, s, out)
	}
	return nil
}

// returns looks at the place that a fleet left when a release took it out of the route.
func (x *examination) returns(ctx context.Context, subject string, s route.State, place string) error {
	i := slices.IndexFunc(s.Slots, func(slot route.Slot) bool { return slot.TargetGroup == place })
	why, err := x.taken(ctx, s.Slots[i])
	switch {
	case err != nil:
		return x.unread(subject, err)
	case !s.Slots[i].Named:
		x.blocks(subject, "let the forward action of "+x.cfg.Listener+" name both target groups", "the forward action does not name its target group %s", route.GroupName(place))
	case why != "":
		x.blocks(subject, "retire what has its place, or release that version anew", "it was taken out of the route, and its place is taken: %s", why)
	default:
		x.blocks(subject, "attach it again", "it was taken out of the route; its target group %s is free for it", route.GroupName(place))
	}
	return nil
}

// tagged is the value of a group's tag up to what follows a space.
func tagged(g astypes.AutoScalingGroup, key string) string {
	for _, t := range g.Tags {
		if deref(t.Key) == key {
			value, _, _ := strings.Cut(aws.ToString(t.Value), " ")
			return value
		}
	}
	return ""
}
