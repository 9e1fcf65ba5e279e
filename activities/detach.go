package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
)

// Detach takes a fleet out of the route after proving, as Retire does, that it gets no
// traffic. Its instances stay. A fleet that is out of the route already, or gone, is a
// success. ErrStillTraffic when the router gives it a share, or requests still arrive at
// the end of Within; it stays in the route then.
func (f *Fleets) Detach(ctx context.Context, in RetireInput) (Retired, error) {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return Retired{}, err
	}
	region, out := in.Place.Region, Retired{Fleet: in.Fleet}
	_, err = p.Fleets.Describe(ctx, region, in.Fleet)
	switch {
	case platform.IsNotFound(err):
		out.Absent = true
		return out, noShare(ctx, p.Router, "detach", in.Place, in.Fleet)
	case err != nil:
		return Retired{}, fmt.Errorf("detach fleet %s: %w", at(region, in.Fleet), err)
	}
	drain := f.drain("detach", p.Router, in, time.Now().Add(in.Within.Std()))
	pulse := drain.begin(ctx)
	defer pulse.Stop()
	if out.Requests, err = drain.prove(ctx); err != nil {
		return Retired{}, err
	}
	pulse.Set(draining{Since: drain.since, Doing: "taking " + at(region, in.Fleet) + " out of the route"})
	err = p.Fleets.Detach(ctx, region, in.Fleet)
	switch {
	case platform.IsConflict(err):
		return Retired{}, acterr.Final(ErrStillTraffic, "detach fleet %s: %w", at(region, in.Fleet), err)
	case platform.IgnoreNotFound(err) != nil:
		return Retired{}, fmt.Errorf("detach fleet %s: %w", at(region, in.Fleet), err)
	}
	return out, nil
}

// Attach puts a fleet back into the route, without a share. Attached already is a
// success. ErrNotReady when the fleet is not there: nothing can bring it back. A route
// that has no place for it is tried again: the place may become free.
func (f *Fleets) Attach(ctx context.Context, in AttachInput) error {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return err
	}
	pulse := beat(ctx, "putting "+at(in.Place.Region, in.Fleet)+" into the route")
	defer pulse.Stop()
	err = p.Fleets.Attach(ctx, in.Place.Region, in.Fleet)
	switch {
	case err == nil:
		return nil
	case platform.IsNotFound(err):
		return acterr.Final(ErrNotReady, "attach fleet %s: it is not there: somebody removed it: %w", at(in.Place.Region, in.Fleet), err)
	}
	return fmt.Errorf("attach fleet %s: %w", at(in.Place.Region, in.Fleet), err)
}
