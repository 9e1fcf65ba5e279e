package fleets

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

// Describe reads one fleet. Its target is empty when Switchyard did not make it.
func (f *Fleets) Describe(ctx context.Context, region, name string) (release.Fleet, error) {
	p, err := f.at(ctx, region)
	if err != nil {
		return release.Fleet{}, err
	}
	g, err := f.group(ctx, p, "describe", name)
	if err != nil {
		return release.Fleet{}, err
	}
	return f.fleet(ctx, p, g)
}

// List reads the groups that are tagged with the target and those that are attached to
// the target's target groups, or were taken out of one, oldest first.
func (f *Fleets) List(ctx context.Context, region string, target release.Target) ([]release.Fleet, error) {
	p, err := f.at(ctx, region)
	if err != nil {
		return nil, err
	}
	all, err := p.AllGroups(ctx)
	if err != nil {
		return nil, err
	}
	var list []release.Fleet
	for _, g := range all {
		tags := tagsOf(g)
		tagged := release.Target{Application: tags[tag.Application], Environment: tags[tag.Environment]}
		adopted := tags[tag.Release] == "" && p.home(g) != ""
		if tagged != target && !adopted {
			continue
		}
		fleet, err := f.fleet(ctx, p, g)
		if err != nil {
			return nil, err
		}
		fleet.Target = target
		list = append(list, fleet)
	}
	slices.SortStableFunc(list, func(a, b release.Fleet) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// fleet is a group in the words of a release.
func (f *Fleets) fleet(ctx context.Context, p place, g astypes.AutoScalingGroup) (release.Fleet, error) {
	tags := tagsOf(g)
	h, _ := holdOf(g)
	fleet := release.Fleet{
		Name: aws.ToString(g.AutoScalingGroupName), Region: p.Region,
		Target:  release.Target{Application: tags[tag.Application], Environment: tags[tag.Environment]},
		Release: tags[tag.Release], Version: tags[tag.Version], Image: tags[tag.Image],
		Desired: int(aws.ToInt32(g.DesiredCapacity)), ScaleInHeld: h.holder, CreatedAt: aws.ToTime(g.CreatedTime).UTC(),
	}
	var err error
	if fleet.Image == "" {
		if fleet.Image, err = f.imageOf(ctx, p, g); err != nil {
			return release.Fleet{}, ofTheFleet(err)
		}
	}
	if fleet.Instances, err = f.instances(ctx, p, g); err != nil {
		return release.Fleet{}, ofTheFleet(err)
	}
	f.explain(ctx, p, g, &fleet)
	return fleet, nil
}

// ofTheFleet is an error of what belongs to a group. That such a thing is not there, as a
// launch template that somebody deleted, does not mean that the fleet is not: whoever
// reads a fleet takes KindNotFound for proof that it is gone.
func ofTheFleet(err error) error {
	if !platform.IsNotFound(err) {
		return err
	}
	return platform.NewError("", "read", "what belongs to the fleet", "look whether somebody removed it", errors.New(err.Error()))
}

// imageOf is the image of a group that Switchyard did not make, from its template or
// configuration. A pinned version never changes.
func (f *Fleets) imageOf(ctx context.Context, p place, g astypes.AutoScalingGroup) (string, error) {
	s := templateOf(g)
	if s == nil {
		name := aws.ToString(g.LaunchConfigurationName)
		return f.memory.image(p.Region+" configuration "+name, false, func() (string, error) {
			l := &live{name: aws.ToString(g.AutoScalingGroupName)}
			err := l.fromConfiguration(ctx, p, name)
			return aws.ToString(l.template.ImageId), err
		})
	}
	version := cmp.Or(aws.ToString(s.Version), "$Default")
	what := p.Region + " template " + cmp.Or(aws.ToString(s.LaunchTemplateId), aws.ToString(s.LaunchTemplateName)) + " " + version
	return f.memory.image(what, version[0] == '$', func() (string, error) {
		data, err := p.version(ctx, *s)
		return aws.ToString(data.ImageId), err
	})
}

// targets reads what the load balancer thinks of a group's instances, by instance id.
// It is asked only when the group itself does not know: the group's own health check
// speaks for an instance from then on, when it is the load balancer's and runs.
func (f *Fleets) targets(ctx context.Context, p place, g astypes.AutoScalingGroup, before map[string]seen) (map[string]target, error) {
	arn := p.regionTargetGroup(g)
	if arn == "" {
		return nil, nil
	}
	// Right before traffic moves the load balancer is asked itself: in a group's grace period
	// its failed checks do not count for the group.
	speaks := hasELB(aws.ToString(g.HealthCheckType)) && !isSuspended(g, "HealthCheck") && !platform.IsUrgent(ctx)
	need := false
	for _, i := range g.Instances {
		if i.LifecycleState == astypes.LifecycleStateInService && !(speaks && before[aws.ToString(i.InstanceId)].healthy) {
			need = true
		}
	}
	if !need {
		return nil, nil
	}
	health, err := p.TargetHealth(ctx, arn)
	if err != nil {
		return nil, err
	}
	by := map[string]target{}
	for _, t := range health {
		if t.Target == nil || t.TargetHealth == nil {
			continue
		}
		by[aws.ToString(t.Target.Id)] = target{
			state:  string(t.TargetHealth.State),
			reason: cmp.Or(aws.ToString(t.TargetHealth.Description), string(t.TargetHealth.Reason)),
		}
	}
	return by, nil
}
