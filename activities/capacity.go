package activities

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Capacity makes sure that Fleet can take its share of the load of Carrying. Scale-in of both is
// held for the release first, so that what is measured stays true. A fleet that is
// big enough is answered at once; a smaller one is grown and waited for. The need
// is measured anew at every look. ErrCapacity when it is not big enough in time.
func (f *Fleets) Capacity(ctx context.Context, in CapacityInput) (release.Parity, error) {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return release.Parity{}, err
	}
	// The first look is the common case and stands between an order and the switch:
	// no heartbeat is sent before it, and the platform makes it wait for no poll.
	urgent := platform.Urgent(ctx)
	if err := hold(urgent, p, in); err != nil {
		return release.Parity{}, err
	}
	parity, err := measure(urgent, p.Fleets, in)
	if err == nil && parity.Enough() {
		return parity, nil
	}
	return f.untilEnough(ctx, p.Fleets, in)
}

func (f *Fleets) untilEnough(ctx context.Context, fleets platform.Fleets, in CapacityInput) (release.Parity, error) {
	pulse := beat(ctx)
	defer pulse.Stop()
	deadline := time.Now().Add(in.Within.Std())
	var noticed []string // what was changed stays noticed after it was put right
	for n := 0; ; n++ {
		parity, err := measure(ctx, fleets, in)
		if noticed == nil {
			noticed = parity.Notices
		}
		if err == nil && parity.Enough() {
			parity.Notices = noticed
			return parity, nil
		}
		if err == nil {
			err = grow(ctx, fleets, in, parity)
		}
		if err != nil && (acterr.Permanent(err) || ctx.Err() != nil) {
			return release.Parity{}, err
		}
		pulse.Set(fmt.Sprintf("%d of %d instances in service", parity.InService, parity.Need))
		if !time.Now().Before(deadline) {
			return release.Parity{}, missing(in, parity, err)
		}
		if err := pause(ctx, min(f.Poll.next(n), max(time.Until(deadline), time.Millisecond))); err != nil {
			return release.Parity{}, err
		}
	}
}

func missing(in CapacityInput, parity release.Parity, err error) error {
	if err != nil {
		return acterr.Final(ErrCapacity, "fleet %s could not be proven big enough within %s: %w", at(in.Place.Region, in.Fleet), in.Within, err)
	}
	return acterr.FinalWith(ErrCapacity, parity, "fleet %s has %d instances in service, the load needs %d, and %s was not enough to grow it",
		at(in.Place.Region, in.Fleet), parity.InService, parity.Need, in.Within)
}

// hold keeps both fleets from shrinking. A carrying fleet that is certainly gone
// carries nothing and needs no hold.
func hold(ctx context.Context, p platform.Platform, in CapacityInput) error {
	fleets := p.Fleets
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return imageThere(gctx, p.Images, in) })
	group.Go(func() error {
		return fleets.HoldScaleIn(gctx, in.Place.Region, in.Fleet, in.Place.Release)
	})
	if in.Carrying != "" {
		group.Go(func() error {
			return platform.IgnoreNotFound(fleets.HoldScaleIn(gctx, in.Place.Region, in.Carrying, in.Place.Release))
		})
	}
	err := group.Wait()
	if platform.IsNotFound(err) {
		return acterr.Final(ErrCapacity, "fleet %s is not there, so it can't take traffic: %w", at(in.Place.Region, in.Fleet), err)
	}
	if platform.IsConflict(err) {
		// One release holds the target, so this is the hold of one that ended without
		// letting go. Waiting does not end it, and whose it is has to be looked at.
		return acterr.Final(ErrCapacity, "fleet %s can't be held at its size: %w; that release ended without letting go: see that it is over and end its hold with the platform's own tools",
			at(in.Place.Region, in.Fleet), err)
	}
	if err != nil {
		return fmt.Errorf("hold scale-in of %s for release %s: %w", at(in.Place.Region, in.Fleet), in.Place.Release, err)
	}
	return nil
}

// imageThere refuses a fleet whose image is gone: an instance that is lost could not be
// replaced, and the fleet could not grow. A read that failed is tried again.
func imageThere(ctx context.Context, images platform.Images, in CapacityInput) error {
	if in.Image == "" {
		return nil
	}
	_, err := images.Get(ctx, in.Place.Region, in.Image)
	if platform.IsNotFound(err) {
		return acterr.Final(ErrCapacity, "image %s of fleet %s is gone: somebody removed it, and without it no instance can be replaced; release again",
			in.Image, at(in.Place.Region, in.Fleet))
	}
	return err
}

// measure reads both fleets now. A carrying fleet that can't be read is an error:
// what it needs is then not known.
func measure(ctx context.Context, fleets platform.Fleets, in CapacityInput) (release.Parity, error) {
	group, gctx := errgroup.WithContext(ctx)
	var fleet release.Fleet
	var carrying *release.Fleet
	group.Go(func() (err error) {
		fleet, err = fleets.Describe(gctx, in.Place.Region, in.Fleet)
		return err
	})
	if in.Carrying != "" {
		group.Go(func() error {
			c, err := fleets.Describe(gctx, in.Place.Region, in.Carrying)
			if err == nil {
				carrying = &c
			}
			return platform.IgnoreNotFound(err)
		})
	}
	if err := group.Wait(); err != nil {
		return release.Parity{}, fmt.Errorf("measure the capacity of %s: %w", at(in.Place.Region, in.Fleet), err)
	}
	grown := 0
	if carrying != nil {
		grown = release.GrownLoad(carrying.InService(), in.CarryingMade, in.CarryingHas)
	}
	share := in.Share
	if share <= 0 {
		share = 100
	}
	parity := release.JudgeParity(fleet, carrying, max(in.Least, (grown*share+99)/100), in.Share)
	parity.Load = max(parity.Load, grown)
	if carrying != nil {
		parity.Carrying = carrying.InService()
	}
	for _, shrunk := range release.ShrunkBy(fleet, in.Made) {
		parity.Notices = append(parity.Notices, shrunk+". It was brought back to what the load needs")
	}
	if parity.Notices == nil { // a smaller fleet has lost instances: that is told already
		parity.Notices = release.WentAway(fleet, in.Known)
	}
	return parity, nil
}

// grow asks for as many instances as are needed, if that is more than was asked for
// already. A conflict means that somebody resized it meanwhile: the next look says
// what is true now.
func grow(ctx context.Context, fleets platform.Fleets, in CapacityInput, parity release.Parity) error {
	if parity.Desired >= parity.Need {
		return nil
	}
	err := fleets.Resize(ctx, in.Place.Region, in.Fleet, parity.Desired, parity.Need)
	if err == nil || platform.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("grow %s from %d to %d instances: %w", at(in.Place.Region, in.Fleet), parity.Desired, parity.Need, err)
}
