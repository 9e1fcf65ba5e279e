package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Shrink makes a fleet smaller and waits until at most To of its instances are left.
// Asked again it carries on from where it is. The release's own hold is taken away for
// the resize and put back once the new size is read, or the resize failed, unless the
// fleet went to 0.
// ErrOutOfBand with the desired capacity as details when that is neither Expected nor
// To, or when somebody else holds the fleet; ErrStillTraffic when a fleet that is to go
// to 0 has a share. Instances that are still there after Within are no final error: they
// were asked to go, and the next try waits for them.
func (f *Fleets) Shrink(ctx context.Context, in ShrinkInput) error {
	if in.To < 0 || in.Expected > 0 && in.To > in.Expected {
		return acterr.Final(ErrInvalidRequest, "shrink fleet %s: from %d to %d instances is no smaller", at(in.Place.Region, in.Fleet), in.Expected, in.To)
	}
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return err
	}
	pulse := beat(ctx, fmt.Sprintf("making %s smaller", at(in.Place.Region, in.Fleet)))
	defer pulse.Stop()
	deadline := time.Now().Add(in.Within.Std())
	fleet, err := p.Fleets.Describe(ctx, in.Place.Region, in.Fleet)
	switch {
	case platform.IsNotFound(err) && in.To == 0:
		return noShare(ctx, p.Router, "shrink", in.Place, in.Fleet)
	case platform.IsNotFound(err):
		return acterr.FinalWith(ErrOutOfBand, 0, "shrink fleet %s to %d instances: it is not there: somebody removed it", at(in.Place.Region, in.Fleet), in.To)
	case err != nil:
		return fmt.Errorf("shrink fleet %s: %w", at(in.Place.Region, in.Fleet), err)
	case in.Expected == 0:
		in.Expected, in.To = fleet.Desired, min(in.To, fleet.Desired) // a smaller one stays as it is
	case fleet.Desired != in.Expected && fleet.Desired != in.To:
		return resizedBy(in, fleet.Desired, nil)
	}
	if err := shrink(ctx, p, in, fleet); err != nil {
		return err
	}
	return f.left(ctx, p.Fleets, in, deadline, pulse)
}

// shrink asks for the new size.
func shrink(ctx context.Context, p platform.Platform, in ShrinkInput, fleet release.Fleet) error {
	if in.To == 0 {
		if err := noShare(ctx, p.Router, "shrink", in.Place, in.Fleet); err != nil {
			return err
		}
	}
	err := p.Fleets.ReleaseScaleIn(ctx, in.Place.Region, in.Fleet, in.Place.Release)
	if err == nil && fleet.Desired != in.To {
		err = p.Fleets.Resize(ctx, in.Place.Region, in.Fleet, in.Expected, in.To)
	}
	if err == nil {
		return nil
	}
	held := p.Fleets.HoldScaleIn(ctx, in.Place.Region, in.Fleet, in.Place.Release)
	if !platform.IsConflict(err) {
		return fmt.Errorf("shrink fleet %s from %d to %d instances: %w", at(in.Place.Region, in.Fleet), in.Expected, in.To, errors.Join(err, held))
	}
	now, readErr := p.Fleets.Describe(ctx, in.Place.Region, in.Fleet)
	if readErr != nil {
		return fmt.Errorf("shrink fleet %s: it was refused (%w), and it can't be read why: %w", at(in.Place.Region, in.Fleet), err, readErr)
	}
	return resizedBy(in, now.Desired, err)
}

func resizedBy(in ShrinkInput, desired int, cause error) error {
	if cause != nil {
		return acterr.FinalWith(ErrOutOfBand, desired, "shrink fleet %s from %d to %d instances: its desired capacity is %d: %s; find out who changed or holds it before going on",
			at(in.Place.Region, in.Fleet), in.Expected, in.To, desired, cause)
	}
	return acterr.FinalWith(ErrOutOfBand, desired, "shrink fleet %s from %d to %d instances: its desired capacity is %d: somebody else changed it; find out who before going on",
		at(in.Place.Region, in.Fleet), in.Expected, in.To, desired)
}

// left waits until the new size is read, holds the fleet at it, and waits until the
// instances that are too many are gone. A hold goes by the size that is read: one that is
// taken on an old answer could bring the fleet back to it.
func (f *Fleets) left(ctx context.Context, fleets platform.Fleets, in ShrinkInput, deadline time.Time, pulse *pulse) error {
	held := in.To == 0
	for n := 0; ; n++ {
		fleet, err := fleets.Describe(ctx, in.Place.Region, in.Fleet)
		if err == nil && fleet.Desired == in.To && !held {
			err = fleets.HoldScaleIn(ctx, in.Place.Region, in.Fleet, in.Place.Release)
			held = err == nil
		}
		switch {
		case platform.IsNotFound(err) && in.To == 0:
			return nil
		case err != nil && (acterr.Permanent(err) || ctx.Err() != nil):
			return err
		case platform.IsConflict(err):
			return resizedBy(in, fleet.Desired, err)
		case err == nil && fleet.Desired != in.To && fleet.Desired != in.Expected:
			return resizedBy(in, fleet.Desired, nil)
		case err == nil && fleet.Desired == in.To && len(fleet.Instances) <= in.To:
			return nil
		}
		so := fmt.Sprintf("%d instances are left, it is to have %d", len(fleet.Instances), in.To)
		if err != nil {
			so = "not known: " + err.Error()
		}
		pulse.Set(so)
		if !time.Now().Before(deadline) {
			if err != nil {
				return fmt.Errorf("shrink fleet %s: no proof within %s that its instances are gone: %w", at(in.Place.Region, in.Fleet), in.Within, err)
			}
			return fmt.Errorf("shrink fleet %s: after %s %s", at(in.Place.Region, in.Fleet), in.Within, so)
		}
		if err := pause(ctx, f.Poll.next(n)); err != nil {
			return err
		}
	}
}
