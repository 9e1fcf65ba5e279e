package awslab

import (
	"context"
	"fmt"
)

// Kill ends the process of an instance at once, as a crash does. Its group replaces it.
func (l *Lab) Kill(region, instance string) error {
	r := l.regions[region]
	if r == nil {
		return fmt.Errorf("kill %s: the lab has no region %s", instance, region)
	}
	r.mu.Lock()
	i := r.instances[instance]
	r.mu.Unlock()
	if i == nil || i.process == nil {
		return fmt.Errorf("kill %s in %s: no process of that instance runs", instance, region)
	}
	i.process.Kill()
	return nil
}

// Unhealthy has every health check of a group's instances fail from now on, whatever they answer.
func (l *Lab) Unhealthy(region, group string) error {
	r := l.regions[region]
	if r == nil {
		return fmt.Errorf("make %s unhealthy: the lab has no region %s", group, region)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unhealthy[group] = true
	return nil
}

// Heal ends what Unhealthy began, everywhere.
func (l *Lab) Heal() {
	for _, r := range l.regions {
		r.mu.Lock()
		clear(r.unhealthy)
		r.mu.Unlock()
	}
}

// Processes are the ids of the instances that have a living process, by region.
func (l *Lab) Processes() map[string][]string {
	out := map[string][]string{}
	for name, r := range l.regions {
		r.mu.Lock()
		for id, i := range r.instances {
			if alive(i.process) {
				out[name] = append(out[name], id)
			}
		}
		r.mu.Unlock()
	}
	return out
}

// InFlight is how many requests the load balancers of a region pass on right now, test
// requests too. AWS has no such number.
func (l *Lab) InFlight(ctx context.Context, region string) (int, error) {
	r := l.regions[region]
	if r == nil {
		return 0, fmt.Errorf("count requests in flight: the lab has no region %s", region)
	}
	by, err := r.admin.InFlight(ctx)
	n := 0
	for _, k := range by {
		n += k
	}
	return n, err
}
