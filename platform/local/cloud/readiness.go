package cloud

import (
	"errors"
	"fmt"

	"github.com/switchyard/switchyard/platform"
)

// readiness examines what the fleet needs to come back with so many instances. What
// is as it should be is not told.
func (c *Cloud) readiness(region, name string, instances int) ([]platform.Finding, error) {
	const op = "examine fleet"
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fleet(op, region, name)
	if err != nil {
		return nil, err
	}
	if instances < 0 || instances > maxInstances {
		return nil, platform.NewError(platform.KindInvalid, op, where(region, name), "", fmt.Errorf("%d instances: a local fleet has 0 to %d", instances, maxInstances))
	}
	out := []platform.Finding{}
	not := func(subject, problem, advice string) {
		out = append(out, platform.Finding{Subject: subject, Problem: problem, Advice: advice, Blocking: true})
	}
	if _, err := c.images.Info(f.Spec.Image); platform.IsNotFound(err) {
		not("image "+f.Spec.Image+" of "+where(region, name), "it is not in the store", "put the image back, or release its version anew")
	} else if err != nil {
		return nil, err
	}
	if f.Retiring {
		not("fleet "+where(region, name), "it is being retired", "release its version anew")
	}
	if why := f.unrouted(); why != "" {
		not("route of "+where(region, name), "the fleet "+why, "attach the fleet")
	}
	if err := c.checkRoom(op, f, instances); err != nil {
		var e *platform.Error
		if errors.As(err, &e) {
			not("room in "+region, e.Err.Error(), e.Advice)
		}
	}
	return out, nil
}

// checkRoom says whether the region has room for the fleet with so many instances;
// making a fleet smaller never needs any. The caller holds c.mu.
func (c *Cloud) checkRoom(op string, f *fleet, instances int) error {
	if instances <= f.Desired && c.state.Fleets[f.key()] == f {
		return nil
	}
	others := 0
	for _, o := range c.state.fleetsOf(f.Spec.Region) {
		if o != f {
			others += o.Desired
		}
	}
	limit, what, advice := hostLast-hostInstances, "addresses", "make other fleets smaller or retire them"
	if quota, bounded := c.faultQuota(f.Spec.Region); bounded && quota < limit {
		limit, what, advice = quota, "instances by the fault quota", "clear the fault, or make other fleets smaller"
	}
	if others+instances <= limit {
		return nil
	}
	return platform.NewError(platform.KindCapacity, op, where(f.Spec.Region, f.Spec.Name), advice,
		fmt.Errorf("%d instances, and %d of other fleets: the region has room for %d %s", instances, others, limit, what))
}
