package cloud

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func (c *Cloud) entry(ctx context.Context, regionName string, t release.Target) (string, error) {
	c.mu.Lock()
	r, err := c.ensureRegion(regionName)
	var url string
	var p *proxy
	if err == nil {
		var rt *route
		if rt, err = c.ensureRoute(r, t); err == nil {
			url, p = "http://"+c.address(r, hostEntry, rt.Port), c.proxies[regionName]
		}
	}
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	return url, p.ready(ctx)
}

func (c *Cloud) probeRoute(ctx context.Context, regionName string, t release.Target, name string) (platform.Probe, error) {
	c.mu.Lock()
	f, err := c.fleet("read probe", regionName, name)
	if err == nil && f.Spec.Target != t {
		err = platform.Conflict("read probe", where(regionName, name), "it belongs to %s, not to %s", f.Spec.Target, t)
	}
	if err == nil && f.unrouted() != "" {
		err = platform.Conflict("read probe", where(regionName, name), "it %s", f.unrouted())
	}
	c.mu.Unlock()
	if err != nil {
		return platform.Probe{}, err
	}
	url, err := c.entry(ctx, regionName, t)
	return platform.Probe{URL: url, Headers: map[string]string{FleetHeader: name}}, err
}

// route finds the target's route; nil when there is none.
func (c *Cloud) route(regionName string, t release.Target) (*route, *proxy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.state.Regions[regionName]; r != nil {
		return r.Routes[t.String()], c.proxies[regionName]
	}
	return nil, nil
}

func (c *Cloud) weights(ctx context.Context, regionName string, t release.Target) (release.Weights, error) {
	rt, p := c.route(regionName, t)
	if rt == nil {
		return release.Weights{}, nil
	}
	return p.weights(ctx, t)
}

func weightsText(w release.Weights) string {
	if len(sorted(w)) == 0 {
		return "none"
	}
	var parts []string
	for _, x := range sorted(w) {
		parts = append(parts, fmt.Sprintf("%s %d %%", x.Fleet, x.Percent))
	}
	return strings.Join(parts, ", ")
}

func checkWeights(w release.Weights) error {
	sum, seen := 0, map[string]bool{}
	for _, x := range w {
		if x.Percent < 0 || x.Percent > 100 {
			return fmt.Errorf("share %d %% of %s: a share is 0 to 100 %%", x.Percent, x.Fleet)
		}
		if seen[x.Fleet] {
			return fmt.Errorf("%s is listed twice", x.Fleet)
		}
		seen[x.Fleet], sum = true, sum+x.Percent
	}
	if sum != 100 && sum != 0 {
		return fmt.Errorf("the shares add up to %d %%, not to 100 or 0 (%s)", sum, weightsText(w))
	}
	return nil
}

// setWeights compares with what the proxy has in force, saves, tells the proxy and
// reads back. A failure after saving is ambiguous; asked again, it completes.
func (c *Cloud) setWeights(ctx context.Context, regionName string, t release.Target, b SetWeightsBody) error {
	const op = "set weights"
	on := where(regionName, t.String())
	if err := checkWeights(b.Want); err != nil {
		return platform.NewError(platform.KindInvalid, op, on, "", err)
	}
	c.mu.Lock()
	err := c.checkFleets(op, regionName, t, b.Want)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := c.entry(ctx, regionName, t); err != nil {
		return err
	}
	rt, p := c.route(regionName, t)
	p.weightMu.Lock()
	defer p.weightMu.Unlock()
	inForce, err := p.weights(ctx, t)
	if err != nil {
		return err
	}
	if inForce.Equal(b.Want) {
		return nil
	}
	if !inForce.Equal(b.Expected) {
		return platform.Conflict(op, on, "in force is %s; expected was %s, to be changed to %s",
			weightsText(inForce), weightsText(b.Expected), weightsText(b.Want))
	}
	if err := c.recordWeights(op, regionName, rt, b.Want); err != nil {
		return err
	}
	err = p.push(ctx)
	if err == nil {
		if inForce, err = p.weights(ctx, t); err == nil && !inForce.Equal(b.Want) {
			err = fmt.Errorf("read back, in force is %s", weightsText(inForce))
		}
	}
	if err != nil {
		return platform.NewError(platform.KindAmbiguous, op, on, "read the weights before trying again", err)
	}
	c.log.Info("weights set", "region", regionName, "target", t.String(), "weights", weightsText(b.Want))
	return nil
}

func (c *Cloud) recordWeights(op, regionName string, rt *route, want release.Weights) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Again, now that it counts: a fleet may have been retired meanwhile.
	if err := c.checkFleets(op, regionName, rt.Target, want); err != nil {
		return err
	}
	before := rt.Weights
	rt.Weights = sorted(want)
	if err := c.save(); err != nil {
		rt.Weights = before
		return err
	}
	return nil
}

func (c *Cloud) checkFleets(op, regionName string, t release.Target, w release.Weights) error {
	for _, x := range sorted(w) {
		f, err := c.fleet(op, regionName, x.Fleet)
		if err != nil {
			return err
		}
		if f.Spec.Target != t {
			return platform.NewError(platform.KindInvalid, op, where(regionName, t.String()), "", fmt.Errorf("fleet %s belongs to %s", x.Fleet, f.Spec.Target))
		}
		if f.Retiring {
			return platform.Conflict(op, where(regionName, t.String()), "fleet %s is being retired", x.Fleet)
		}
		if why := f.unrouted(); why != "" {
			return platform.NewError(platform.KindConflict, op, where(regionName, t.String()), "attach it first", fmt.Errorf("fleet %s %s", x.Fleet, why))
		}
	}
	return nil
}

func (c *Cloud) requests(ctx context.Context, regionName string, t release.Target) ([]release.Requests, error) {
	out := []release.Requests{}
	rt, p := c.route(regionName, t)
	if rt == nil {
		return out, nil
	}
	inFlight, err := p.inFlight(ctx)
	if err != nil {
		return nil, err
	}
	p.count()
	at := time.Now().UTC()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.state.fleetsOf(regionName) {
		if f.Spec.Target != t {
			continue
		}
		n := p.counter.of(f.Spec.Name)
		q := release.Requests{Fleet: f.Spec.Name, Total: n.Total, Errors: n.Errors, At: at}
		for addr, owner := range p.r.Owners {
			if owner == f.Spec.Name {
				q.InFlight += inFlight[addr]
			}
		}
		out = append(out, q)
	}
	return out, nil
}

// live names the fleet with the largest share in the region; without a region, in
// the first region, by name, that has one.
func (c *Cloud) live(ctx context.Context, regionName string, t release.Target) (Live, error) {
	c.mu.Lock()
	names := []string{regionName}
	if regionName == "" {
		names = nil
		for _, f := range c.state.Regions {
			names = append(names, f.Name)
		}
		sort.Strings(names) // the same answer every time
	}
	c.mu.Unlock()
	var errs []error
	for _, name := range names {
		w, err := c.weights(ctx, name, t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.mu.Lock()
		f := c.state.Fleets[fleetKey(name, largest(w))]
		c.mu.Unlock()
		if f != nil {
			return Live{Region: name, Fleet: f.Spec.Name, Image: f.Spec.Image, Version: f.Spec.Version}, nil
		}
	}
	if len(errs) > 0 {
		return Live{}, errors.Join(errs...)
	}
	return Live{}, platform.NewError(platform.KindNotFound, "read live fleet", t.String(), "", errors.New("no fleet of the target serves"))
}
