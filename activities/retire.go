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
// is removed then.
func (f *Fleets) Retire(ctx context.Context, in RetireInput) (Retired, error) {
	p, err := f.Platforms.at(in.Place)
	if err != nil {
		return Retired{}, err
	}
	region, out := in.Place.Region, Retired{Fleet: in.Fleet}
	if _, err := p.Fleets.Describe(ctx, region, in.Fleet); platform.IsNotFound(err) {
		out.Absent = true
		if err := noShare(ctx, p.Router, in); err != nil {
			return Retired{}, err
		}
		if err := p.Fleets.Retire(ctx, region, in.Fleet); err != nil { // who removed it may have left what belongs to it
			return Retired{}, fmt.Errorf("remove what is left of fleet %s, which is gone: %w", at(region, in.Fleet), err)
		}
		return out, nil
	} else if err != nil {
		return Retired{}, fmt.Errorf("retire fleet %s: %w", at(region, in.Fleet), err)
	}
	pulse := beat(ctx, "waiting until "+at(region, in.Fleet)+" gets no request")
	defer pulse.Stop()
	deadline := time.Now().Add(in.Within.Std())
	if out.Requests, err = f.drained(ctx, p.Router, in, deadline); err != nil {
		return Retired{}, err
	}
	if err := noShare(ctx, p.Router, in); err != nil { // the last look before the point of no return
		return Retired{}, err
	}
	pulse.Set("removing " + at(region, in.Fleet))
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

// noShare reads the shares and refuses a fleet that has one.
func noShare(ctx context.Context, router platform.Router, in RetireInput) error {
	weights, err := router.Weights(ctx, in.Place.Region, in.Place.Target)
	if err != nil {
		return fmt.Errorf("retire fleet %s: read the shares of traffic: %w", at(in.Place.Region, in.Fleet), err)
	}
	if share := weights.Of(in.Fleet); share != 0 {
		return acterr.Final(ErrStillTraffic, "retire fleet %s: the router gives it %d %% of the traffic (%s); move the traffic first",
			at(in.Place.Region, in.Fleet), share, weights)
	}
	return nil
}

// drained waits for two readings of the counters at least Quiet apart with no
// request between them and none in flight. After Drain requests in flight no longer
// count: their time is over.
func (f *Fleets) drained(ctx context.Context, router platform.Router, in RetireInput, deadline time.Time) (release.Requests, error) {
	if err := noShare(ctx, router, in); err != nil {
		return release.Requests{}, err
	}
	// Counters may lag by minutes: only what was counted up to a moment after this one
	// tells of the time without a share.
	without := time.Now()
	quiet := in.Quiet.Std()
	patience := time.Now().Add(max(in.Drain.Std(), quiet))
	var first release.Requests
	for n := 0; ; n++ {
		now, err := counters(ctx, router, in)
		switch {
		case err != nil && (acterr.Permanent(err) || ctx.Err() != nil):
			return release.Requests{}, err
		case err != nil: // no evidence: look again
		case now.At.Before(without):
		case first.At.IsZero() || now.Total != first.Total:
			first = now // a request came: the quiet time begins anew
		default:
			judged := now
			if time.Now().After(patience) {
				judged.InFlight = 0
			}
			if release.Drained(first, judged, quiet) {
				return now, nil
			}
		}
		if !time.Now().Before(deadline) {
			if err == nil && first.At.IsZero() {
				err = fmt.Errorf("the counters tell only of the time up to %s", now.At.UTC().Format(time.RFC3339))
			}
			return release.Requests{}, stillTraffic(in, now, err)
		}
		if err := pause(ctx, f.quietPause(n, quiet)); err != nil {
			return release.Requests{}, err
		}
	}
}

// quietPause is at most a quarter of the quiet time, so that proof is not late.
func (f *Fleets) quietPause(n int, quiet time.Duration) time.Duration {
	return min(f.Poll.next(n), max(quiet/4, time.Millisecond))
}

func stillTraffic(in RetireInput, now release.Requests, err error) error {
	if err != nil {
		return fmt.Errorf("retire fleet %s: no proof within %s that its traffic is gone: %w", at(in.Place.Region, in.Fleet), in.Within, err)
	}
	return acterr.Final(ErrStillTraffic, "retire fleet %s: at weight 0 it still gets requests after %s (%d counted, %d in flight); look for clients that go around the router",
		at(in.Place.Region, in.Fleet), in.Within, now.Total, now.InFlight)
}

// counters reads what the router counted for the fleet. A fleet that the router
// does not know has counted nothing.
func counters(ctx context.Context, router platform.Router, in RetireInput) (release.Requests, error) {
	all, err := router.Requests(ctx, in.Place.Region, in.Place.Target)
	if err != nil {
		return release.Requests{}, fmt.Errorf("retire fleet %s: read the request counters: %w", at(in.Place.Region, in.Fleet), err)
	}
	for _, r := range all {
		if r.Fleet == in.Fleet {
			return r, nil
		}
	}
	return release.Requests{Fleet: in.Fleet, At: time.Now().UTC()}, nil
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
