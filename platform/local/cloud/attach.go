package cloud

import (
	"context"

	"github.com/switchyard/switchyard/platform"
)

// attach puts the fleet into the route and returns after its test route is in force.
func (c *Cloud) attach(ctx context.Context, region, name string) error {
	const op = "attach fleet"
	c.mu.Lock()
	f, err := c.fleet(op, region, name)
	if err == nil {
		err = c.setDetached(op, f, false)
	}
	p := c.proxies[region]
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return p.inForce(ctx, op, where(region, name))
}

// detach takes the fleet out of the route and returns after the proxy knows it no more.
func (c *Cloud) detach(ctx context.Context, region, name string) error {
	const op = "detach fleet"
	c.mu.Lock()
	f, p := c.state.Fleets[fleetKey(region, name)], c.proxies[region]
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	// No change of shares meanwhile, and the proxy's own word counts too.
	p.weightMu.Lock()
	defer p.weightMu.Unlock()
	inForce, err := p.weights(ctx, f.Spec.Target)
	if err != nil {
		return err
	}
	if w := inForce.Of(name); w > 0 {
		return platform.Conflict(op, where(region, name), "the router gives it %d %% of the traffic", w)
	}
	c.mu.Lock()
	err = c.setDetached(op, f, true)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return p.inForce(ctx, op, where(region, name))
}

// setDetached records whether the fleet is out of the route. The caller holds c.mu.
func (c *Cloud) setDetached(op string, f *fleet, detached bool) error {
	on := where(f.Spec.Region, f.Spec.Name)
	switch {
	case f.Spec.Alone && detached:
		return nil // it was never in the route
	case f.Spec.Alone:
		return platform.Conflict(op, on, "it stands alone: it is never part of a route")
	case f.Retiring && !detached:
		return platform.Conflict(op, on, "it is being retired")
	case f.Detached == detached:
		return nil
	}
	if w := c.state.Regions[f.Spec.Region].Routes[f.Spec.Target.String()].Weights.Of(f.Spec.Name); detached && w > 0 {
		return platform.Conflict(op, on, "it is meant to get %d %% of the traffic", w)
	}
	f.Detached = detached
	if err := c.save(); err != nil {
		f.Detached = !detached
		return err
	}
	return nil
}

// inForce brings the proxy up to date. A failure leaves open what it does now; asked
// again, it completes.
func (p *proxy) inForce(ctx context.Context, op, resource string) error {
	if err := p.ready(ctx); err != nil {
		return platform.NewError(platform.KindAmbiguous, op, resource, "ask again, it is completed then", err)
	}
	return nil
}
