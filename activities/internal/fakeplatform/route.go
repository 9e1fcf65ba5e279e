package fakeplatform

import (
	"context"
	"slices"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

type meters struct{ c *Cloud }

var _ platform.Meters = meters{}

// Detached says whether the fleet was taken out of the route.
func (c *Cloud) Detached(region, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.fleets[key(region, name)]
	return ok && f.detached
}

// SetLoad sets the request curve of the target in the region.
func (c *Cloud) SetLoad(region string, t release.Target, curve ...release.Load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads[key(region, t.String())] = curve
}

func (p fleets) Attach(_ context.Context, region, name string) error {
	return p.with("Fleets.Attach", region, name, func(f *fleet) error {
		f.detached = false
		return nil
	})
}

func (p fleets) Detach(_ context.Context, region, name string) error {
	err := p.with("Fleets.Detach", region, name, func(f *fleet) error {
		if share := p.c.weights[key(region, f.Target.String())].Of(name); share != 0 {
			return platform.Conflict("detach fleet", name, "the router gives it %d %%", share)
		}
		f.detached = true
		return nil
	})
	return platform.IgnoreNotFound(err)
}

func (p fleets) Readiness(_ context.Context, region, name string, _ int) (out []platform.Finding, err error) {
	err = p.with("Fleets.Readiness", region, name, func(*fleet) error {
		out = slices.Clone(p.c.Readiness)
		return nil
	})
	return out, err
}

func (p router) Load(_ context.Context, region string, target release.Target, since, until time.Time, step time.Duration) (out []release.Load, err error) {
	err = p.c.do("Router.Load", func() error {
		for _, l := range p.c.loads[key(region, target.String())] {
			if !l.At.Before(since) && !l.At.Add(step).After(until) {
				out = append(out, l)
			}
		}
		return nil
	})
	return out, err
}

func (p router) Traits(context.Context, string, release.Target) (out platform.Traits, err error) {
	err = p.c.do("Router.Traits", func() error { out = p.c.Traits; return nil })
	return out, err
}

func (p meters) Alarm(_ context.Context, _, name string) (out platform.Alarm, err error) {
	err = p.c.do("Meters.Alarm", func() error {
		var ok bool
		if out, ok = p.c.Alarms[name]; !ok {
			return platform.NotFound("read alarm", name)
		}
		return nil
	})
	return out, err
}

func (p meters) Metric(_ context.Context, _ string, m spec.CloudWatchMetric) (out platform.Reading, err error) {
	err = p.c.do("Meters.Metric", func() error {
		var ok bool
		if out, ok = p.c.Metrics[m.Name]; !ok {
			return platform.NotFound("read metric", m.Name)
		}
		return nil
	})
	return out, err
}
