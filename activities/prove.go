package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Prover proves images.
type Prover struct {
	Fleets *Fleets
	Checks *Checks
}

// ProveImage boots one instance from the image, alone and without any share of the
// traffic, asks it the checks that go to instances, and removes it again, on success
// and on failure. What an earlier attempt left is removed first: it may be on its way out.
// ErrNotReady when it does not come into service in time, ErrNotVerified when the
// checks do not pass, ErrNotJudged when they tell nothing.
func (pr *Prover) ProveImage(ctx context.Context, in ProveInput) (Verified, error) {
	p, err := pr.Fleets.Platforms.at(in.Place)
	if err != nil {
		return Verified{}, err
	}
	if err := removeProof(ctx, p.Fleets, in); err != nil {
		return Verified{}, fmt.Errorf("remove what an earlier attempt to prove image %s left: %w", in.Image, err)
	}
	proof, err := pr.proof(ctx, in)
	if ctx.Err() != nil {
		return Verified{}, ctx.Err() // the clean-up of the release removes it
	}
	if removeErr := removeProof(ctx, p.Fleets, in); removeErr != nil {
		return Verified{}, fmt.Errorf("remove the instance that proved image %s: %w", in.Image, removeErr)
	}
	return proof, err
}

func (pr *Prover) proof(ctx context.Context, in ProveInput) (Verified, error) {
	alone := ProvisionInput{
		Place: in.Place, Fleet: in.Fleet, Image: in.Image, Version: in.Version, Instances: 1,
		Spec: in.Spec, Within: in.Spec.ReadyWithin, Alone: true,
	}
	if _, err := pr.Fleets.Provision(ctx, alone); err != nil {
		return Verified{}, fmt.Errorf("boot image %s: %w", in.Image, err)
	}
	v := in.Verification
	v.Checks = toInstances(orHealth(v.Checks, in.Spec.HealthPath), in.Spec.HealthPath)
	return pr.Checks.VerifyFleet(ctx, VerifyInput{Place: in.Place, Fleet: in.Fleet, HealthPath: in.Spec.HealthPath, Verification: v, Version: in.Version})
}

// toInstances leaves out the checks that go through the route, which an instance that
// stands alone is no part of, and those that measure what only users' traffic makes.
func toInstances(checks []spec.Check, healthPath string) []spec.Check {
	var out []spec.Check
	for _, c := range checks {
		routed := c.HTTP != nil && (c.HTTP.Via == spec.ViaRouter || c.HTTP.Via == spec.ViaListener)
		if !routed && c.Prometheus == nil && c.CloudWatch == nil {
			out = append(out, c)
		}
	}
	return orHealth(out, healthPath)
}

func removeProof(ctx context.Context, fleets platform.Fleets, in ProveInput) error {
	pulse := beat(ctx, "removing "+at(in.Place.Region, in.Fleet))
	defer pulse.Stop()
	bounded, cancel := context.WithTimeout(ctx, in.Spec.ReadyWithin.Std())
	defer cancel()
	if _, err := fleets.Describe(bounded, in.Place.Region, in.Fleet); platform.IsNotFound(err) {
		return nil
	}
	if err := platform.IgnoreNotFound(fleets.ReleaseScaleIn(bounded, in.Place.Region, in.Fleet, in.Place.Release)); err != nil {
		return err
	}
	if err := platform.IgnoreNotFound(fleets.Retire(bounded, in.Place.Region, in.Fleet)); err != nil {
		return err
	}
	for n := 0; ; n++ {
		_, err := fleets.Describe(bounded, in.Place.Region, in.Fleet)
		if platform.IsNotFound(err) {
			return nil
		}
		if err != nil && (acterr.Permanent(err) || bounded.Err() != nil) {
			return err
		}
		if err := pause(bounded, min(time.Second, time.Duration(n+1)*100*time.Millisecond)); err != nil {
			return err
		}
	}
}

// ProofFleet is the name of the fleet of one that proves an image for a release.
func ProofFleet(t release.Target, releaseID string) string {
	return release.FleetName(t, releaseID) + "-proof"
}
