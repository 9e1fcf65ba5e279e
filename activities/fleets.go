package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Fleets makes, sizes and removes fleets.
type Fleets struct {
	Platforms Set
	Poll      Poll // how often a wait looks
}

// Provision makes a fleet and waits until all its instances are in service, seen
// twice in a row. Asked again it carries on with the fleet that is there. A fleet
// that is not ready within Within ends it with ErrNotReady and the reason of every
// instance; the fleet is left for the clean-up.
func (f *Fleets) Provision(ctx context.Context, in ProvisionInput) (release.Fleet, error) {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return release.Fleet{}, err
	}
	pulse := beat(ctx, "asking for "+at(in.Place.Region, in.Fleet))
	defer pulse.Stop()
	_, err = p.Fleets.Provision(ctx, platform.FleetSpec{
		Name: in.Fleet, Region: in.Place.Region, Target: in.Place.Target, Release: in.Place.Release,
		Version: in.Version, Image: in.Image, Instances: in.Instances, Command: in.Spec.Command,
		Environment: in.Spec.Environment, Secrets: in.Spec.Secrets, HealthPath: in.Spec.HealthPath,
		Like: in.Like, HeldBy: in.Place.Release, Alone: in.Alone,
	})
	if platform.IsConflict(err) {
		return release.Fleet{}, acterr.Final(ErrNotReady,
			"provision fleet %s: a fleet of that name is there and is made of something else; retire it, or use a new release id: %w",
			at(in.Place.Region, in.Fleet), err)
	}
	if err != nil {
		return release.Fleet{}, fmt.Errorf("provision fleet %s: %w", at(in.Place.Region, in.Fleet), err)
	}
	return f.untilReady(ctx, p.Fleets, in, pulse)
}

func (f *Fleets) untilReady(ctx context.Context, fleets platform.Fleets, in ProvisionInput, pulse *pulse) (release.Fleet, error) {
	deadline := time.Now().Add(in.Within.Std())
	var arriving release.Arriving
	for n := 0; ; n++ {
		fleet, err := fleets.Describe(ctx, in.Place.Region, in.Fleet)
		switch {
		case err != nil && acterr.Permanent(err):
			return release.Fleet{}, err
		case platform.IsNotFound(err):
			arriving = arriving.Miss()
		case err != nil:
			arriving.Ready = 0 // a read that failed proves nothing
		default:
			arriving = arriving.Look(fleet, in.Instances)
		}
		if arriving.Ready == 2 {
			fleet.Notices = append(fleet.Notices, arriving.Notices...)
			return fleet, nil
		}
		if arriving.Changed != "" {
			return release.Fleet{}, acterr.Final(ErrNotReady, "fleet %s: %s; find out who did it, then release again",
				at(in.Place.Region, in.Fleet), arriving.Changed)
		}
		so := progress(fleet, in.Instances, err)
		if err != nil && len(arriving.Seen) > 0 {
			so += "; it was there before: somebody may have removed it"
		}
		pulse.Set(so)
		if !time.Now().Before(deadline) {
			return release.Fleet{}, acterr.Final(ErrNotReady, "fleet %s was not ready within %s: %s", at(in.Place.Region, in.Fleet), in.Within, so)
		}
		if err := pause(ctx, min(f.Poll.next(n), max(time.Until(deadline), time.Millisecond))); err != nil {
			return release.Fleet{}, err
		}
	}
}

// maxReasons bounds the instances that a message names: a fleet may have a thousand.
const maxReasons = 8

// progress says how far a fleet is, with the reason of each instance that is not in service.
func progress(f release.Fleet, want int, err error) string {
	if err != nil {
		return "it can't be read: " + err.Error()
	}
	lines := []string{fmt.Sprintf("%d of %d instances in service", f.InService(), want)}
	left := 0
	for _, i := range f.Instances {
		if i.State == release.InstanceInService {
			continue
		}
		if left++; left > maxReasons {
			continue
		}
		line := i.ID + " " + string(i.State)
		if i.Reason != "" {
			line += ": " + i.Reason
		}
		lines = append(lines, line)
	}
	if left > maxReasons {
		lines = append(lines, fmt.Sprintf("and %d more", left-maxReasons))
	}
	lines = append(lines, f.Notices...) // such as why instances do not come at all
	return strings.Join(lines, "; ")
}

// ReleaseHolds ends the scale-in holds of the release. Every fleet is tried; the
// errors are joined. A fleet without the hold, or that is gone, is a success.
func (f *Fleets) ReleaseHolds(ctx context.Context, in HoldsInput) error {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range in.Fleets {
		err := p.Fleets.ReleaseScaleIn(ctx, in.Place.Region, name, in.Place.Release)
		if err = platform.IgnoreNotFound(err); err != nil {
			errs = append(errs, fmt.Errorf("release the scale-in hold of %s: %w", at(in.Place.Region, name), err))
		}
	}
	return errors.Join(errs...)
}
