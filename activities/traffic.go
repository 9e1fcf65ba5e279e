package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

// Traffic moves shares of traffic between fleets.
type Traffic struct {
	Platforms Set
}

// ShiftTraffic moves the shares from Expected to Want and reads them back; what was
// read is the only evidence. Shares that are Want already are a success. Shares
// that are neither end it with ErrOutOfBand: somebody else's change is not
// overwritten. The shares that are in force are the error's details.
func (t *Traffic) ShiftTraffic(ctx context.Context, in ShiftInput) (Shift, error) {
	p, err := t.Platforms.at(in.Place)
	if err != nil {
		return Shift{}, err
	}
	ctx = platform.Urgent(ctx)
	router, region, target := p.Router, in.Place.Region, in.Place.Target
	setErr := router.SetWeights(ctx, region, target, in.Expected, in.Want)
	// The shares are read whatever the answer was: an answer that was lost, or a
	// conflict with our own earlier attempt, may hide that they are as wanted.
	seen, readErr := router.Weights(ctx, region, target)
	read := time.Now().UTC()
	switch {
	case readErr != nil:
		return Shift{}, fmt.Errorf("shift traffic of %s: read the shares back: %w", at(region, target.String()), errors.Join(readErr, setErr))
	case seen.Equal(in.Want):
	case setErr == nil && seen.Equal(in.Expected):
		return Shift{}, fmt.Errorf("shift traffic of %s: it was moved to %s, and %s is read: an old answer, or it was moved back; look again",
			at(region, target.String()), in.Want, seen)
	case setErr == nil || platform.IsConflict(setErr):
		return Shift{}, acterr.FinalWith(ErrOutOfBand, seen,
			"shift traffic of %s: wanted %s, expected %s before, but %s is in force: somebody else changed it; find out who before going on",
			at(region, target.String()), in.Want, in.Expected, seen)
	default:
		return Shift{}, fmt.Errorf("shift traffic of %s to %s: %w", at(region, target.String()), in.Want, setErr)
	}
	// The counters are where the watch begins to count. Without them it begins with its
	// first look: traffic that has moved is never taken for traffic that has not.
	requests, err := router.Requests(ctx, region, target)
	if err != nil {
		requests = nil
	}
	out := Shift{Weights: seen, Requests: requests, At: read}
	// Traffic has moved whether or not this can be read: not known is as if there were none.
	if traits, err := router.Traits(ctx, region, target); err == nil {
		out.SlowStart, out.Sticky = spec.Duration(traits.SlowStart), spec.Duration(traits.Sticky)
	}
	return out, nil
}
