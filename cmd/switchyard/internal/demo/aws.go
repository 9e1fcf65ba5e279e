package demo

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

//go:embed spec-aws.yaml.tmpl
var awsSpec string

const awsRegion = "eu-west-1"

// awsStage is an account played by moto, with a data plane of real processes behind a
// real proxy. What the worker talks to it is the AWS API.
type awsStage struct {
	dir    string
	lab    *awslab.Lab
	target *awslab.Target
	before awslab.State
}

func (*awsStage) platform() string { return spec.PlatformAWS }

func (a *awsStage) prepare(ctx context.Context, d *demo) (err error) {
	d.say("starting the AWS lab: moto, instances as processes, a proxy as load balancer")
	if a.dir, err = os.MkdirTemp("", "switchyard-lab-"); err != nil {
		return fmt.Errorf("make a directory for the AWS lab: %w", err)
	}
	caddy, err := dev.FindProgram("caddy", d.options.Stack.BinDir)
	if err != nil {
		return err
	}
	a.lab, err = awslab.Start(ctx, awslab.Options{
		Dir: a.dir, CaddyBin: caddy, App: []string{d.program()}, Regions: []string{awsRegion},
	})
	if err != nil {
		return err
	}
	a.target, err = a.lab.AddTarget(ctx, release.Target{Application: "checkout", Environment: "demo"}, awslab.TargetOptions{})
	if err != nil {
		return err
	}
	stack := &d.options.Stack
	stack.WorkerEnv = append(stack.WorkerEnv, a.lab.Env()...)
	stack.WorkerArgs = append(stack.WorkerArgs, "--aws-poll", "250ms", "--aws-spacing", "100ms", "--aws-count-period", "1s", "--aws-count-delay", "2s")
	a.before, err = a.lab.Snapshot(ctx)
	return err
}

func (a *awsStage) end() error {
	var err error
	if a.lab != nil {
		err = a.lab.Stop()
	}
	if a.dir != "" {
		_ = os.RemoveAll(a.dir) // in the system's temporary directory; nothing in it is of use without the lab
	}
	return err
}

func (a *awsStage) spec(d *demo, c chapter) (string, any) {
	r := a.target.Region(awsRegion)
	return awsSpec, struct {
		chapter
		Template, Region, SourceAMI, Profile, Listener, Entry, SecurityGroup string
		TargetGroups                                                         [2]string
		Subnets                                                              []string
		Port                                                                 int
	}{
		chapter: c, Template: filepath.Join(d.options.Examples, "packer", "aws"), Region: awsRegion, SourceAMI: r.SourceAMI,
		Profile: r.InstanceProfile, Listener: r.Listener, Entry: r.Entry, SecurityGroup: r.InstanceGroup,
		TargetGroups: r.TargetGroups, Subnets: r.Subnets, Port: a.target.Port,
	}
}

// leftOver compares the account with what it was before the story.
func (a *awsStage) leftOver(ctx context.Context, d *demo) (left []string, err error) {
	after, err := a.lab.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	kept := d.survivors()
	for resource, name := range after {
		_, before := a.before[resource]
		if before || kept.keeps(resource, name) {
			continue
		}
		left = append(left, resource+" "+name)
	}
	for resource, name := range a.before {
		if _, there := after[resource]; !there {
			left = append(left, "missing: "+resource+" "+name)
		}
	}
	held, err := a.held(ctx)
	slices.Sort(left)
	return append(left, held...), err
}

// keeps says whether a resource of the account, "region kind id" with the name of the
// fleet or image it belongs to, is one that a ledger keeps.
func (s survivors) keeps(resource, name string) bool {
	part := strings.SplitN(resource, " ", 3)
	if len(part) != 3 {
		return false
	}
	region, kind, id := part[0], part[1], part[2]
	switch kind {
	case "group":
		return s.fleets[region+"/"+id]
	case "launch-template", "instance", "volume":
		return s.fleets[region+"/"+name]
	case "image":
		return s.images[id]
	case "snapshot":
		return s.images[name]
	}
	return false
}

// held lists the scale-in holds that are still in force.
func (a *awsStage) held(ctx context.Context) (out []string, err error) {
	holds, err := a.lab.Holds(ctx)
	for group, holder := range holds {
		out = append(out, "scale-in hold of "+holder+" on "+group)
	}
	slices.Sort(out)
	return out, err
}
