// Package fleets makes fleets on AWS: per fleet one launch template and one Auto
// Scaling group, both of the fleet's name. Nothing is remembered that matters: whose a
// group is, what it was made from and who holds it stand in its tags, so that any
// worker can carry on where another one ended.
package fleets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release/spec"
)

// Options of a worker, the same for every release.
type Options struct {
	Poll             time.Duration // between looks while Retire waits; default 5s
	Explain          time.Duration // between two questions why a fleet's instances do not come; default 30s
	AllowUnencrypted bool          // specs may ask for volumes that are not encrypted
}

// Deps is what fleets need.
type Deps struct {
	Pool     *account.Pool
	Settings spec.Settings // of the release's spec
	Memory   *Memory       // shared by all Fleets of a worker; nil: one of its own
	Options  Options
}

// Fleets implements platform.Fleets, except for Preflight, in every region of the settings.
type Fleets struct {
	pool     *account.Pool
	settings spec.Settings
	memory   *Memory
	Options
}

// New makes Fleets. It makes no call.
func New(d Deps) *Fleets {
	if d.Memory == nil {
		d.Memory = NewMemory()
	}
	if d.Options.Poll <= 0 {
		d.Options.Poll = 5 * time.Second
	}
	if d.Options.Explain <= 0 {
		d.Options.Explain = 30 * time.Second
	}
	return &Fleets{pool: d.Pool, settings: d.Settings, memory: d.Memory, Options: d.Options}
}

// place is one region with what the spec says about it.
type place struct {
	*account.Account
	aws    spec.AWS
	region spec.AWSRegion
}

func (f *Fleets) at(ctx context.Context, region string) (place, error) {
	a, err := f.pool.Of(ctx, f.settings, region)
	if err != nil {
		return place{}, err
	}
	p := place{Account: a, aws: *f.settings.AWS}
	if r := f.settings.Region(region); r != nil {
		p.region = *r
	}
	return p, nil
}

// known says whether the settings have the region at all.
func (f *Fleets) known(region string) bool {
	return f.settings.AWS != nil && f.settings.Region(region) != nil
}

func in(name, region string) string { return name + " in " + region }

// group reads one group. It is certain that a group is not there only when two reads
// in a row miss it and this worker did not make it just now: Auto Scaling may answer
// with data that is a little old.
func (f *Fleets) group(ctx context.Context, p place, op, name string) (astypes.AutoScalingGroup, error) {
	for _, c := range []context.Context{ctx, account.Urgent(ctx)} {
		found, err := p.Groups(c, name)
		if err != nil {
			return astypes.AutoScalingGroup{}, err
		}
		if g, ok := found[name]; ok {
			return g, nil
		}
	}
	if f.memory.madeLately(p.Region, name) {
		return astypes.AutoScalingGroup{}, platform.NewError("", op, in(name, p.Region), "", errors.New("its Auto Scaling group was made just now and can't be read yet"))
	}
	f.memory.forget(p.Region, name)
	return astypes.AutoScalingGroup{}, platform.NotFound(op, in(name, p.Region))
}

// targetGroupsOf are the target groups that a group is attached to, in either way AWS has.
func targetGroupsOf(g astypes.AutoScalingGroup) []string {
	arns := slices.Clone(g.TargetGroupARNs)
	for _, s := range g.TrafficSources {
		if id := aws.ToString(s.Identifier); aws.ToString(s.Type) == "elbv2" && !slices.Contains(arns, id) {
			arns = append(arns, id)
		}
	}
	return arns
}

// deleting says whether somebody asked for the group's end. Status has a value only then:
// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html.
func deleting(g astypes.AutoScalingGroup) bool { return aws.ToString(g.Status) != "" }

func plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
