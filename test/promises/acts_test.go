package promises

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

func nowhere[In any](In) string { return "" }

// register makes the activities on the cloud known. Each keeps its contract as the
// activities package states it.
func (c *cloud) register(env *testsuite.TestWorkflowEnvironment) {
	reg := func(name string, f any) { env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	reg(activities.Admit, act(c, activities.Admit, nowhere, c.admit))
	reg(activities.Report, act(c, activities.Report, nowhere, c.report))
	reg(activities.MakePlan, act(c, activities.MakePlan, nowhere, c.makePlan))
	reg(activities.BakeImage, act(c, activities.BakeImage, nowhere, c.bake))
	reg(activities.ScanImage, act(c, activities.ScanImage, nowhere, c.scan))
	reg(activities.ProveImage, act(c, activities.ProveImage, func(in activities.ProveInput) string { return in.Place.Region }, c.proveImage))
	reg(activities.SweepBake, act(c, activities.SweepBake, nowhere, c.sweep))
	reg(activities.RetireImages, act(c, activities.RetireImages, nowhere, func(*call, activities.RetireImagesInput) ([]string, error) { return nil, nil }))
	reg(activities.Provision, act(c, activities.Provision, func(in activities.ProvisionInput) string { return in.Place.Region }, c.provision))
	reg(activities.VerifyFleet, act(c, activities.VerifyFleet, func(in activities.VerifyInput) string { return in.Place.Region }, c.verify))
	reg(activities.Capacity, act(c, activities.Capacity, func(in activities.CapacityInput) string { return in.Place.Region + " " + in.Fleet }, c.capacity))
	reg(activities.ReleaseHolds, act(c, activities.ReleaseHolds, func(in activities.HoldsInput) string { return in.Place.Region }, c.releaseHolds))
	reg(activities.ShiftTraffic, act(c, activities.ShiftTraffic, func(in activities.ShiftInput) string { return in.Place.Region }, c.shift))
	reg(activities.Shrink, act(c, activities.Shrink, func(in activities.ShrinkInput) string { return in.Place.Region + " " + in.Fleet }, c.shrink))
	reg(activities.Detach, act(c, activities.Detach, func(in activities.RetireInput) string { return in.Place.Region + " " + in.Fleet }, c.detach))
	reg(activities.Attach, act(c, activities.Attach, func(in activities.AttachInput) string { return in.Place.Region + " " + in.Fleet }, c.attach))
	reg(activities.Retire, act(c, activities.Retire, func(in activities.RetireInput) string { return in.Place.Region + " " + in.Fleet }, c.retire))
	reg(activities.Migrate, act(c, activities.Migrate, func(in activities.MigrateInput) string { return in.Half }, c.migrate))
	reg(activities.MeasureLoad, act(c, activities.MeasureLoad, nowhere, func(*call, activities.MeasureInput) (activities.Measured, error) {
		return activities.Measured{Step: quarter, Curve: c.curve}, nil
	}))
	reg(activities.Notify, func(context.Context, activities.NotifyInput) error { return nil })
	reg(activities.WatchFleet, c.watch)
}

// brief is an answer as the trail tells it.
func brief(out any) string {
	switch x := out.(type) {
	case activities.Shift:
		return x.Weights.String()
	case release.Parity:
		return fmt.Sprintf("%d of %d", x.InService, x.Need)
	case release.Admission:
		return x.Decision
	}
	return ""
}

func (c *cloud) admit(_ *call, in activities.AdmitInput) (release.Admission, error) {
	return c.target.Admit(in.Holder, in.Policy, c.now()), nil
}

func (c *cloud) report(_ *call, in activities.ReportInput) (bool, error) {
	c.target.Report(release.ReportRequest{ID: in.Release, Version: in.Version, Outcome: in.Outcome, Regions: in.Regions, Schema: in.Schema}, c.now())
	return true, nil
}

func (c *cloud) makePlan(_ *call, in activities.PlanInput) (release.Plan, error) {
	var seen release.Observed
	seen.Schema, seen.InputDigest = in.Schema, "sha256:inputs"
	for _, want := range in.Request.Spec.Regions {
		r := c.regions[want.Name]
		r.ours = r.weights // what is found is what the release begins with
		if live := r.fleets[previous]; live == nil {
			r.load = c.plan.Instances
		} else if r.scaled {
			r.load, r.scaled = live.inService(c.now()), false
		}
		r.known = r.load
		o := release.ObservedRegion{Name: r.name, Entry: "http://127.0.0.1:1/", Weights: r.weights}
		for _, f := range r.sorted() {
			o.Fleets = append(o.Fleets, f.describe(r, c.now()))
		}
		seen.Regions = append(seen.Regions, o)
	}
	plan, err := release.MakePlan(in.Request, seen)
	if err != nil {
		return plan, permanent(activities.ErrPlan, err.Error())
	}
	return plan, nil
}

func (c *cloud) bake(_ *call, in activities.BakeInput) (release.Image, error) {
	if in.Plan.Action == release.ImageExisting {
		return release.Image{Ref: in.Plan.Ref, Version: in.Spec.Version}, nil
	}
	if !c.left && !c.baked { // it takes a while, in which it has made something
		c.left = true
		return release.Image{}, waits(3 * time.Minute)
	}
	c.left, c.baked = false, true
	c.images["sha256:baked"] = true
	return release.Image{Ref: "sha256:baked", Version: in.Spec.Version}, nil
}

func (c *cloud) sweep(*call, activities.SweepInput) (bool, error) {
	c.left, c.baked = false, false
	delete(c.images, "sha256:baked")
	return true, nil
}

func (c *cloud) scan(_ *call, in activities.ScanInput) (activities.Scanned, error) {
	if c.plan.Leaky {
		delete(c.images, in.Image)
		c.baked = false
		return activities.Scanned{}, permanent(activities.ErrSecretsFound, "there is a secret in it", true)
	}
	return activities.Scanned{}, nil
}

func (c *cloud) proveImage(a *call, in activities.ProveInput) (activities.Verified, error) {
	r := c.regions[in.Place.Region]
	if r.fleets[in.Fleet] == nil && !a.memory {
		a.memory = true
		r.fleets[in.Fleet] = &fleet{name: in.Fleet, by: in.Place.Release, image: in.Image, desired: 1, detached: true, held: in.Place.Release}
		return activities.Verified{}, waits(boots)
	}
	delete(r.fleets, in.Fleet)
	return activities.Verified{}, nil
}

func (c *cloud) provision(a *call, in activities.ProvisionInput) (release.Fleet, error) {
	r, now := c.regions[in.Place.Region], c.now()
	of := fmt.Sprintf("%s %s %d", in.Image, in.Version, in.Instances)
	f := r.fleets[in.Fleet]
	switch {
	case !c.images[in.Image]:
		return release.Fleet{}, permanent(activities.ErrNotReady, "the image is not there")
	case f == nil && a.memory:
		return release.Fleet{}, permanent(activities.ErrNotReady, "somebody removed it while it was coming up")
	case f == nil:
		f = &fleet{name: in.Fleet, by: in.Place.Release, version: in.Version, image: in.Image, held: in.Place.Release, detached: in.Alone, spec: of}
		r.fleets[in.Fleet] = f
		r.alone[in.Fleet] = now
		r.resize(f, in.Instances, now)
	case f.spec != of:
		c.breaks(7, "%s: %s was made of %q and is asked for again of %q", r.name, in.Fleet, f.spec, of)
		return release.Fleet{}, permanent(activities.ErrNotReady, "a fleet of that name is made of something else")
	}
	a.memory = true
	switch {
	case f.desired < in.Instances:
		return release.Fleet{}, permanent(activities.ErrNotReady, "somebody changed its desired capacity")
	case f.inService(now) >= f.desired:
		return f.describe(r, now), nil
	case now.Sub(a.began) > in.Within.Std():
		return release.Fleet{}, permanent(activities.ErrNotReady, "it was not ready in time")
	}
	return release.Fleet{}, waits(boots / 2)
}

func (c *cloud) verify(_ *call, in activities.VerifyInput) (activities.Verified, error) {
	r := c.regions[in.Place.Region]
	answer := "pass"
	if len(r.verify) > 0 {
		answer, r.verify = r.verify[0], r.verify[1:]
	}
	switch {
	case r.fleets[in.Fleet] == nil, answer == "fail":
		return activities.Verified{}, permanent(activities.ErrNotVerified, "the checks did not pass")
	case answer == "unknown":
		return activities.Verified{}, permanent(activities.ErrNotJudged, "the checks tell nothing")
	}
	return activities.Verified{Rounds: 2, Results: []release.Result{{Check: "health", Verdict: release.Pass, Value: "200", Bound: "200", At: c.now()}}}, nil
}

// capacity holds both fleets and grows Fleet to what its share of the load needs.
func (c *cloud) capacity(a *call, in activities.CapacityInput) (release.Parity, error) {
	r, now := c.regions[in.Place.Region], c.now()
	f := r.fleets[in.Fleet]
	if live := r.fleets[previous]; r.scaled && r.shifts == 0 && live != nil { // what carries all of the load is what it needs
		r.load, r.scaled = live.inService(now), false
	}
	if r.weights != nil && !r.scaled || in.Fleet == previous && r.weights.Of(c.candidate()) == 100 { // else nothing carries it that could be measured
		r.known = r.load
	}
	m := measure{at: now, asked: true, load: r.known, shifts: r.shifts}
	r.last[in.Fleet] = m
	if f == nil {
		return release.Parity{}, permanent(activities.ErrCapacity, "the fleet is not there")
	}
	if in.Image != "" && !c.images[in.Image] {
		return release.Parity{}, permanent(activities.ErrCapacity, "its image is gone")
	}
	f.held = in.Place.Release
	var carrying *release.Fleet
	if other := r.fleets[in.Carrying]; other != nil {
		other.held = in.Place.Release
		d := other.describe(r, now)
		carrying = &d
	}
	share, grown := in.Share, 0
	if share <= 0 || share > 100 {
		share = 100
	}
	if carrying != nil {
		grown = release.GrownLoad(carrying.InService(), in.CarryingMade, in.CarryingHas)
	}
	parity := release.JudgeParity(f.describe(r, now), carrying, max(in.Least, (grown*share+99)/100), in.Share)
	parity.Load = max(parity.Load, grown)
	if carrying != nil {
		parity.Carrying = carrying.InService()
	}
	parity.Notices = release.ShrunkBy(f.describe(r, now), in.Made)
	if r.base == 0 && in.Fleet == c.candidate() {
		r.base = r.known
	}
	if parity.Enough() {
		m.enough = true
		r.last[in.Fleet] = m
		return parity, nil
	}
	if f.desired < parity.Need {
		r.resize(f, parity.Need, now)
	}
	if now.Sub(a.began) > in.Within.Std() {
		return release.Parity{}, permanent(activities.ErrCapacity, "it was not big enough in time", parity)
	}
	return release.Parity{}, waits(boots / 2)
}

func (c *cloud) releaseHolds(_ *call, in activities.HoldsInput) (bool, error) {
	r := c.regions[in.Place.Region]
	for _, name := range in.Fleets {
		if f := r.fleets[name]; f != nil && f.held == in.Place.Release {
			f.held = ""
		}
	}
	return true, nil
}

func (c *cloud) shift(a *call, in activities.ShiftInput) (activities.Shift, error) {
	r := c.regions[in.Place.Region]
	if !r.weights.Equal(in.Expected) && !r.weights.Equal(in.Want) {
		if !r.weights.Equal(r.ours) && r.weights != nil {
			a.memory = true // it is somebody else's change, and no move of our own that was cut off
		}
		return activities.Shift{}, permanent(activities.ErrOutOfBand, "somebody else changed the shares: "+r.weights.String(), r.weights)
	}
	for _, w := range in.Want {
		if f := r.fleets[w.Fleet]; w.Percent > 0 && (f == nil || f.detached) {
			return activities.Shift{}, permanent("Broken", w.Fleet+" is not part of the route")
		}
	}
	if !r.weights.Equal(in.Want) {
		c.moves(r, in.Want)
		c.set(r, in.Want, byRelease)
	}
	r.ours = in.Want
	var counted []release.Requests
	for _, w := range in.Want {
		counted = append(counted, release.Requests{Fleet: w.Fleet, Total: 100, At: c.now()})
	}
	return activities.Shift{Weights: in.Want, Requests: counted, At: c.now()}, nil
}

func (c *cloud) shrink(a *call, in activities.ShrinkInput) (bool, error) {
	r, now := c.regions[in.Place.Region], c.now()
	f := r.fleets[in.Fleet]
	share := r.weights.Of(in.Fleet)
	switch {
	case in.To == 0 && share > 0:
		return false, permanent(activities.ErrStillTraffic, "it has a share of the traffic")
	case f == nil && in.To == 0:
		return true, nil
	case f == nil:
		return false, permanent(activities.ErrOutOfBand, "it is not there", 0)
	}
	if !a.memory {
		a.memory = true
		f.held = in.Place.Release
		if in.To < f.desired {
			r.resize(f, in.To, now)
			f.ready = min(f.ready, in.To)
			c.shrunk(r, f)
		}
		if in.To == 0 {
			f.held = ""
		}
		return false, waits(10 * time.Second)
	}
	return true, nil
}

// quiet waits until a fleet had no request for as long as it takes.
func (c *cloud) quiet(a *call, r *region, in activities.RetireInput) error {
	now := c.now()
	switch {
	case r.weights.Of(in.Fleet) > 0:
		return permanent(activities.ErrStillTraffic, "it has a share of the traffic")
	case now.Before(r.rogue[in.Fleet]) && now.Sub(a.began) > in.Within.Std():
		return permanent(activities.ErrStillTraffic, "it still gets requests")
	case now.Before(r.rogue[in.Fleet]):
		return waits(5 * time.Minute)
	case !r.alone[in.Fleet].IsZero() && now.Sub(r.alone[in.Fleet]) < in.Quiet.Std():
		return waits(in.Quiet.Std())
	}
	return nil
}

func (c *cloud) detach(a *call, in activities.RetireInput) (bool, error) {
	r := c.regions[in.Place.Region]
	if err := c.quiet(a, r, in); err != nil {
		return false, err
	}
	if f := r.fleets[in.Fleet]; f != nil {
		c.taken(r, f, activities.Detach)
		f.detached = true
	}
	return true, nil
}

func (c *cloud) attach(_ *call, in activities.AttachInput) (bool, error) {
	f := c.regions[in.Place.Region].fleets[in.Fleet]
	if f == nil {
		return false, permanent(activities.ErrNotReady, "somebody removed it")
	}
	f.detached = false
	return true, nil
}

func (c *cloud) retire(a *call, in activities.RetireInput) (bool, error) {
	r := c.regions[in.Place.Region]
	if err := c.quiet(a, r, in); err != nil {
		return false, err
	}
	if f := r.fleets[in.Fleet]; f != nil {
		c.taken(r, f, activities.Retire)
		c.remove(r, in.Fleet, byRelease)
	}
	return true, nil
}

func (c *cloud) migrate(_ *call, in activities.MigrateInput) (activities.Migrated, error) {
	if half, there := c.schema[in.Key]; there && half != in.Half {
		c.breaks(7, "the key %s was used for %s and is used for %s", in.Key, half, in.Half)
	}
	c.schema[in.Key] = in.Half
	keys := slices.DeleteFunc(keysOf(c.schema), func(k string) bool { return c.schema[k] != in.Half })
	if len(keys) > 1 || !strings.HasSuffix(in.Key, c.request.ID+"/"+in.Half) {
		c.breaks(7, "%s runs under keys that another try does not have: %v", in.Half, keys)
	}
	return activities.Migrated{Output: in.Half + " done"}, nil
}
