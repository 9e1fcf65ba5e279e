package fakeplatform

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sort"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

type (
	images struct{ c *Cloud }
	fleets struct{ c *Cloud }
	router struct{ c *Cloud }
)

var (
	_ platform.Images = images{}
	_ platform.Fleets = fleets{}
	_ platform.Router = router{}
)

func (p images) Find(_ context.Context, q platform.ImageQuery) (out []release.Image, err error) {
	err = p.c.do("Images.Find", func() error {
		for _, i := range p.c.images {
			if i.pending == "" && fits(q.Application, i.Application) && fits(q.Version, i.Version) && fits(q.InputDigest, i.InputDigest) {
				out = append(out, i.Image)
			}
		}
		sort.Slice(out, func(a, b int) bool { return out[a].CreatedAt.After(out[b].CreatedAt) })
		return nil
	})
	return out, err
}

func fits(want, got string) bool { return want == "" || want == got }

func (p images) Get(_ context.Context, region, ref string) (out release.Image, err error) {
	err = p.c.do("Images.Get", func() error {
		if i, ok := p.c.images[ref]; ok {
			out = i.Image
			return nil
		}
		for _, f := range p.c.fleets { // what a fleet was made of is there, unless a test removed it
			if f.Image == ref && !p.c.removed[ref] {
				out = release.Image{Ref: ref, Version: f.Version}
				return nil
			}
		}
		return platform.NotFound("get image", ref+" in "+region)
	})
	return out, err
}

func (p images) Copy(_ context.Context, region, ref string) (string, error) {
	err := p.c.do("Images.Copy", func() error {
		if _, ok := p.c.images[ref]; !ok {
			return platform.NotFound("copy image", ref+" to "+region)
		}
		return nil
	})
	return ref, err
}

func (p images) Root(context.Context, string) (root string, err error) {
	err = p.c.do("Images.Root", func() error { root = p.c.ImageRoot; return nil })
	return root, err
}

func (p images) Retire(_ context.Context, region, ref string) error {
	return p.c.do("Images.Retire", func() error {
		for _, f := range p.c.fleets {
			if f.Image == ref {
				return platform.Conflict("retire image", ref+" in "+region, "fleet %s runs it", f.Name)
			}
		}
		delete(p.c.images, ref)
		return nil
	})
}

func (p images) Sweep(_ context.Context, tag string) (removed []string, err error) {
	err = p.c.do("Images.Sweep", func() error {
		for ref, i := range p.c.images {
			if i.pending == tag {
				delete(p.c.images, ref)
				removed = append(removed, ref)
			}
		}
		return nil
	})
	return removed, err
}

func (p fleets) Preflight(context.Context, platform.FleetSpec) (out []platform.Finding, err error) {
	err = p.c.do("Fleets.Preflight", func() error { out = p.c.Findings; return nil })
	return out, err
}

func (p fleets) Provision(_ context.Context, s platform.FleetSpec) (out release.Fleet, err error) {
	err = p.c.do("Fleets.Provision", func() error {
		f, ok := p.c.fleets[key(s.Region, s.Name)]
		switch {
		case ok && f.Name != "" && !reflect.DeepEqual(f.spec, s):
			return platform.Conflict("provision fleet", s.Name, "it is made of image %s", f.Image)
		case ok && f.Name != "":
		default:
			made := &fleet{spec: s, Fleet: release.Fleet{
				Name: s.Name, Region: s.Region, Target: s.Target, Release: s.Release, Version: s.Version, Image: s.Image, Desired: s.Instances, ScaleInHeld: s.HeldBy,
			}}
			if ok {
				made.stuck = f.stuck
			}
			p.c.fleets[key(s.Region, s.Name)] = made
			p.c.fill(made)
			f = made
		}
		out = f.copy()
		return nil
	})
	return out, err
}

// fill makes as many instances as are desired.
func (c *Cloud) fill(f *fleet) {
	for len(f.Instances) < f.Desired {
		c.next++
		address := c.Address
		if address == "" {
			address = fmt.Sprintf("127.0.0.1:%d", c.next)
		}
		f.Instances = append(f.Instances, release.Instance{ID: fmt.Sprintf("i-%d", c.next), Address: address, State: release.InstancePending})
	}
	f.Instances = f.Instances[:f.Desired]
	f.reads = 0
	c.advance(f)
}

// advance puts pending instances in service after enough reads.
func (c *Cloud) advance(f *fleet) {
	for i := range f.Instances {
		switch {
		case f.stuck != "":
			f.Instances[i].State, f.Instances[i].Reason = release.InstanceUnhealthy, f.stuck
		case f.reads >= c.ReadyAfter && f.Instances[i].State == release.InstancePending:
			f.Instances[i].State = release.InstanceInService
		}
	}
}

func (f *fleet) copy() release.Fleet {
	out := f.Fleet
	out.Instances = slices.Clone(f.Instances)
	return out
}

func (p fleets) Describe(_ context.Context, region, name string) (out release.Fleet, err error) {
	err = p.c.do("Fleets.Describe", func() error {
		f, ok := p.c.fleets[key(region, name)]
		if ok && f.going {
			if f.left == 0 {
				delete(p.c.fleets, key(region, name))
				ok = false
			}
			f.left--
		}
		if !ok || f.Name == "" {
			return platform.NotFound("describe fleet", name+" in "+region)
		}
		f.reads++
		p.c.advance(f)
		out = f.copy()
		return nil
	})
	return out, err
}

func (p fleets) List(_ context.Context, region string, target release.Target) (out []release.Fleet, err error) {
	err = p.c.do("Fleets.List", func() error {
		for _, f := range p.c.fleets {
			if f.Region == region && f.Target == target && !f.going {
				out = append(out, f.copy())
			}
		}
		sort.Slice(out, func(a, b int) bool { return out[a].Name < out[b].Name })
		return nil
	})
	return out, err
}

// with runs the effect on a fleet that must be there.
func (p fleets) with(call, region, name string, effect func(*fleet) error) error {
	return p.c.do(call, func() error {
		f, ok := p.c.fleets[key(region, name)]
		if !ok || f.going {
			return platform.NotFound(call, name+" in "+region)
		}
		return effect(f)
	})
}

func (p fleets) Resize(_ context.Context, region, name string, expected, desired int) error {
	return p.with("Fleets.Resize", region, name, func(f *fleet) error {
		if f.Desired != expected || (f.ScaleInHeld != "" && desired < f.Desired) {
			return platform.Conflict("resize fleet", name, "it has %d instances", f.Desired)
		}
		f.Desired = desired
		p.c.fill(f)
		return nil
	})
}

func (p fleets) HoldScaleIn(_ context.Context, region, name, holder string) error {
	return p.with("Fleets.HoldScaleIn", region, name, func(f *fleet) error {
		if f.ScaleInHeld != "" && f.ScaleInHeld != holder {
			return platform.Conflict("hold scale-in", name, "%s holds it", f.ScaleInHeld)
		}
		f.ScaleInHeld = holder
		return nil
	})
}

func (p fleets) ReleaseScaleIn(_ context.Context, region, name, holder string) error {
	err := p.with("Fleets.ReleaseScaleIn", region, name, func(f *fleet) error {
		if f.ScaleInHeld == holder {
			f.ScaleInHeld = ""
		}
		return nil
	})
	return platform.IgnoreNotFound(err)
}

func (p fleets) Retire(_ context.Context, region, name string) error {
	err := p.with("Fleets.Retire", region, name, func(f *fleet) error {
		if p.c.weights[key(region, f.Target.String())].Of(name) != 0 {
			return platform.Conflict("retire fleet", name, "the router gives it a share")
		}
		f.going = true
		return nil
	})
	return platform.IgnoreNotFound(err)
}

func (p router) Entry(_ context.Context, region string, _ release.Target) (string, error) {
	return "http://" + region + ".test", p.c.do("Router.Entry", func() error { return nil })
}

func (p router) Probe(_ context.Context, region string, target release.Target, name string) (out platform.Probe, err error) {
	err = p.c.do("Router.Probe", func() error {
		f, ok := p.c.fleets[key(region, name)]
		if !ok || len(f.Instances) == 0 {
			return platform.NotFound("probe", name)
		}
		out = platform.Probe{URL: "http://" + f.Instances[0].Address, Headers: map[string]string{"X-Fleet": name, "X-Target": target.String()}}
		return nil
	})
	return out, err
}

func (p router) Weights(_ context.Context, region string, target release.Target) (out release.Weights, err error) {
	err = p.c.do("Router.Weights", func() error {
		out = slices.Clone(p.c.weights[key(region, target.String())])
		return nil
	})
	return out, err
}

func (p router) SetWeights(_ context.Context, region string, target release.Target, expected, want release.Weights) error {
	return p.c.do("Router.SetWeights", func() error {
		now := p.c.weights[key(region, target.String())]
		switch {
		case now.Equal(want):
			return nil
		case !now.Equal(expected):
			return platform.Conflict("set shares", target.String(), "they are %s, neither %s nor %s", now, expected, want)
		}
		p.c.weights[key(region, target.String())] = want
		return nil
	})
}

func (p router) Requests(_ context.Context, region string, target release.Target) (out []release.Requests, err error) {
	err = p.c.do("Router.Requests", func() error {
		for _, r := range p.c.requests[key(region, target.String())] {
			r.At = p.c.Now()
			out = append(out, r)
		}
		return nil
	})
	return out, err
}
