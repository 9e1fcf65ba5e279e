package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Retired is a fleet that is certainly gone.
type Retired struct {
	Fleet    string           `json:"fleet"`
	Absent   bool             `json:"absent,omitempty"`  // it was gone already
	Requests release.Requests `json:"requests,omitzero"` // the counters that proved its traffic gone
}

// Retire removes a fleet after proving that it gets no traffic: weight 0 read back,
// then not one request for Quiet. Requests in flight get Drain to end. It returns
// when the platform says that the fleet is not there. ErrStillTraffic when the
// router gives it a share, or requests still arrive at the end of Within; nothing
// is removed then. A fleet that left the route, or has no instances, is quiet as well.
func (f *Fleets) Retire(ctx context.Context, in RetireInput) (Retired, error) {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return Retired{}, err
	}
	region, out := in.Place.Region, Retired{Fleet: in.Fleet}
	if _, err := p.Fleets.Describe(ctx, region, in.Fleet); platform.IsNotFound(err) {
		out.Absent = true
		if err := noShare(ctx, p.Router, "retire", in.Place, in.Fleet); err != nil {
			return Retired{}, err
		}
		if err := p.Fleets.Retire(ctx, region, in.Fleet); err != nil { // who removed it may have left what belongs to it
			return Retired{}, fmt.Errorf("remove what is left of fleet %s, which is gone: %w", at(region, in.Fleet), err)
		}
		return out, nil
	} else if err != nil {
		return Retired{}, fmt.Errorf("retire fleet %s: %w", at(region, in.Fleet), err)
	}
	deadline := time.Now().Add(in.Within.Std())
	drain := f.drain("retire", p.Router, in, deadline)
	pulse := drain.begin(ctx)
	defer pulse.Stop()
	if out.Requests, err = drain.prove(ctx); err != nil {
		return Retired{}, err
	}
	if err := noShare(ctx, p.Router, "retire", in.Place, in.Fleet); err != nil { // the last look before the point of no return
		return Retired{}, err
	}
	pulse.Set(draining{Since: drain.since, Doing: "removing " + at(region, in.Fleet)})
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err = p.Fleets.Retire(bounded, region, in.Fleet)
	switch {
	case err != nil && bounded.Err() != nil && ctx.Err() == nil:
		return Retired{}, fmt.Errorf("retire fleet %s: it is not gone after %s, and is removed further by the next try: %w", at(region, in.Fleet), in.Within, err)
	case platform.IsConflict(err):
		return Retired{}, acterr.Final(ErrStillTraffic, "retire fleet %s: %w", at(region, in.Fleet), err)
	case platform.IgnoreNotFound(err) != nil:
		return Retired{}, fmt.Errorf("retire fleet %s: %w", at(region, in.Fleet), err)
	}
	return out, f.gone(ctx, p.Fleets, in, deadline)
}

// gone waits until the platform says that the fleet is not there: only then may it
// be forgotten.
func (f *Fleets) gone(ctx context.Context, fleets platform.Fleets, in RetireInput, deadline time.Time) error {
	for n := 0; ; n++ {
		fleet, err := fleets.Describe(ctx, in.Place.Region, in.Fleet)
		switch {
		case platform.IsNotFound(err):
			return nil
		case err != nil && (acterr.Permanent(err) || ctx.Err() != nil):
			return err
		case !time.Now().Before(deadline):
			return fmt.Errorf("retire fleet %s: its removal was asked for and is not confirmed after %s: %s",
				at(in.Place.Region, in.Fleet), in.Within, progress(fleet, 0, err))
		}
		if err := pause(ctx, f.Poll.next(n)); err != nil {
			return err
		}
	}
}
