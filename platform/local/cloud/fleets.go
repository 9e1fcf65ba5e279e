package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

const maxInstances = 64 // of one fleet

func where(region, name string) string { return name + " in " + region }

func (c *Cloud) checkSpec(s platform.FleetSpec) error {
	const op = "provision fleet"
	if err := checkName(op, "fleet name", s.Name); err != nil {
		return err
	}
	invalid := func(format string, args ...any) error {
		return platform.NewError(platform.KindInvalid, op, where(s.Region, s.Name), "", fmt.Errorf(format, args...))
	}
	switch {
	case s.Instances < 0 || s.Instances > maxInstances:
		return invalid("%d instances: a local fleet has 0 to %d", s.Instances, maxInstances)
	case s.Target.Application == "" || s.Target.Environment == "":
		return invalid("the target needs an application and an environment, got %q", s.Target)
	case !strings.HasPrefix(s.HealthPath, "/"):
		return invalid("health path %q: it must start with /", s.HealthPath)
	case len(s.Command) > 0 && !filepath.IsAbs(s.Command[0]):
		return invalid("command %q: the first word is an absolute path inside the image", s.Command[0])
	}
	for name, ref := range s.Secrets {
		if !strings.HasPrefix(ref, "env:") && !strings.HasPrefix(ref, "file:/") {
			// The value is not shown: somebody may have put the secret itself there.
			return invalid("secret %s: the local platform takes references env:NAME and file:/path", name)
		}
	}
	img, err := c.images.Get(s.Image)
	if err != nil {
		return err
	}
	if len(s.Command) == 0 {
		cfg, err := img.ConfigFile()
		if err != nil {
			return err
		}
		if len(cfg.Config.Entrypoint)+len(cfg.Config.Cmd) == 0 {
			return invalid("no command given, and image %s names none", s.Image)
		}
	}
	return nil
}

// provision records the fleet and returns; the reconciler starts its instances.
func (c *Cloud) provision(s platform.FleetSpec) (release.Fleet, error) {
	const op = "provision fleet"
	c.mu.Lock()
	f := c.state.Fleets[fleetKey(s.Region, s.Name)]
	c.mu.Unlock()
	if f == nil {
		if err := c.checkSpec(s); err != nil {
			return release.Fleet{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.state.Fleets[fleetKey(s.Region, s.Name)]; f != nil {
		switch {
		case f.Retiring:
			return release.Fleet{}, platform.Conflict(op, where(s.Region, s.Name), "a fleet of this name is being retired")
		case !sameSpec(f.Spec, s):
			return release.Fleet{}, platform.Conflict(op, where(s.Region, s.Name), "it exists with another spec: %s", specDifference(f.Spec, s))
		}
		return f.public(), nil
	}
	r, err := c.ensureRegion(s.Region)
	if err != nil {
		return release.Fleet{}, err
	}
	if _, err := c.ensureRoute(r, s.Target); err != nil {
		return release.Fleet{}, err
	}
	f = &fleet{Spec: s, Desired: s.Instances, HeldBy: s.HeldBy, CreatedAt: time.Now().UTC()}
	if err := c.checkRoom(op, f, s.Instances); err != nil {
		return release.Fleet{}, err
	}
	c.state.Fleets[f.key()] = f
	c.fill(r, f, "starting")
	if err := c.save(); err != nil {
		delete(c.state.Fleets, f.key())
		return release.Fleet{}, err
	}
	c.proxies[r.Name].wake()
	return f.public(), nil
}

func sameSpec(a, b platform.FleetSpec) bool { return specDifference(a, b) == "" }

// specDifference names the fields that differ, never their values: they may be private.
func specDifference(a, b platform.FleetSpec) string {
	var out []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		x, y := va.Field(i), vb.Field(i)
		if k := x.Kind(); (k == reflect.Map || k == reflect.Slice) && x.Len()+y.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(x.Interface(), y.Interface()) {
			out = append(out, va.Type().Field(i).Name)
		}
	}
	return strings.Join(out, ", ")
}

func (c *Cloud) fleet(op, region, name string) (*fleet, error) {
	f := c.state.Fleets[fleetKey(region, name)]
	if f == nil {
		return nil, platform.NotFound(op, where(region, name))
	}
	return f, nil
}

func (c *Cloud) describe(region, name string) (release.Fleet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fleet("describe fleet", region, name)
	if err != nil {
		return release.Fleet{}, err
	}
	return f.public(), nil
}

func (c *Cloud) list(region string, t release.Target) []release.Fleet {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []release.Fleet{}
	for _, f := range c.state.fleetsOf(region) {
		if f.Spec.Target == t {
			out = append(out, f.public())
		}
	}
	return out
}

func (c *Cloud) resize(region, name string, b ResizeBody) error {
	const op = "resize fleet"
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fleet(op, region, name)
	if err != nil {
		return err
	}
	switch {
	case b.Desired < 0 || b.Desired > maxInstances:
		return platform.NewError(platform.KindInvalid, op, where(region, name), "", fmt.Errorf("%d instances: a local fleet has 0 to %d", b.Desired, maxInstances))
	case f.Retiring:
		return platform.Conflict(op, where(region, name), "it is being retired")
	case f.Desired == b.Desired:
		return nil
	case f.Desired != b.Expected:
		return platform.Conflict(op, where(region, name), "it has %d instances desired, expected were %d", f.Desired, b.Expected)
	case b.Desired < f.Desired && f.HeldBy != "":
		return platform.Conflict(op, where(region, name), "scale-in is held by %s", f.HeldBy)
	}
	if err := c.checkRoom(op, f, b.Desired); err != nil {
		return err
	}
	before := f.Desired
	f.Desired = b.Desired
	if err := c.save(); err != nil {
		f.Desired = before
		return err
	}
	c.proxies[region].wake()
	return nil
}

func (c *Cloud) hold(region, name, holder string) error {
	const op = "hold scale-in"
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fleet(op, region, name)
	if err != nil {
		return err
	}
	switch {
	case holder == "":
		return platform.NewError(platform.KindInvalid, op, where(region, name), "", errors.New("the holder has no name"))
	case f.HeldBy == holder:
		return nil
	case f.HeldBy != "":
		return platform.Conflict(op, where(region, name), "it is held by %s, not by %s", f.HeldBy, holder)
	}
	f.HeldBy = holder
	if err := c.save(); err != nil {
		f.HeldBy = ""
		return err
	}
	return nil
}

func (c *Cloud) releaseHold(region, name, holder string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.state.Fleets[fleetKey(region, name)]
	if f == nil || f.HeldBy != holder {
		return nil
	}
	f.HeldBy = ""
	if err := c.save(); err != nil {
		f.HeldBy = holder
		return err
	}
	return nil
}

// retire drains and ends every instance and returns when the fleet is gone; the
// bounds on draining and on ending a process bound it too.
func (c *Cloud) retire(ctx context.Context, region, name string) error {
	const op = "retire fleet"
	c.mu.Lock()
	f := c.state.Fleets[fleetKey(region, name)]
	if f == nil {
		c.mu.Unlock()
		return nil
	}
	r := c.state.Regions[region]
	p := c.proxies[region]
	c.mu.Unlock()
	// The proxy's own word counts too: what it was last told may not be what we know.
	inForce, err := p.weights(ctx, f.Spec.Target)
	if err != nil {
		return err
	}
	c.mu.Lock()
	w := max(inForce.Of(name), r.Routes[f.Spec.Target.String()].Weights.Of(name))
	if w > 0 {
		c.mu.Unlock()
		return platform.Conflict(op, where(region, name), "the router gives it %d %% of the traffic", w)
	}
	f.Retiring, f.Desired = true, 0
	err = c.save()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	p.wake()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		now := c.state.Fleets[f.key()]
		c.mu.Unlock()
		if now != f {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return platform.NewError("", op, where(region, name), "ask again, it goes on", errors.New("its instances are still draining or ending"))
		case <-c.ctx.Done():
			return platform.NewError("", op, where(region, name), "ask again when the local cloud is back", errors.New("the local cloud is shutting down"))
		}
	}
}

// fill adds instance records until the fleet has as many as desired. The caller
// holds c.mu and saves.
func (c *Cloud) fill(r *region, f *fleet, reason string) bool {
	changed := false
	for len(f.active()) < f.Desired {
		addr, err := c.newAddress(r)
		if err != nil {
			c.log.Error("no address for an instance", "fleet", f.key(), "error", err)
			return changed
		}
		c.state.Serial++
		now := time.Now().UTC()
		i := &instance{CreatedAt: now, NotBefore: now.Add(backOff(f.Failures) + c.startDelay(f))}
		i.ID, i.Address = fmt.Sprintf("i-%s-%04d", c.id[:6], c.state.Serial), addr
		i.set(release.InstancePending, reason)
		if wait := time.Until(i.NotBefore); wait > 0 {
			i.Reason = fmt.Sprintf("%s in %s", reason, wait.Round(100*time.Millisecond))
		}
		f.Instances = append(f.Instances, i)
		r.Owners[addr] = f.Spec.Name
		changed = true
	}
	return changed
}

// backOff is how long to wait before the next start after so many failures in a row.
func backOff(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	return min(250*time.Millisecond<<min(failures-2, 10), 15*time.Second)
}

func splitAddress(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}
