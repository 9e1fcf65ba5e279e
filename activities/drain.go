package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/activities/acterr"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// drain proves that a fleet gets no traffic any more.
type drain struct {
	op       string // what is to be done to the fleet after it, for messages
	router   platform.Router
	in       RetireInput
	deadline time.Time
	poll     Poll
	since    time.Time     // when an attempt first began to look at the fleet without a share
	sticky   time.Duration // how long clients stay with the fleet they got
}

// draining is what the next attempt is to know: when the fleet's time began.
type draining struct {
	Since time.Time `json:"since,omitzero"`
	Doing string    `json:"doing"`
}

func (f *Fleets) drain(op string, router platform.Router, in RetireInput, deadline time.Time) *drain {
	return &drain{op: op, router: router, in: in, deadline: deadline, poll: f.Poll}
}

// begin takes over what an earlier attempt remembers and starts the heartbeat.
func (d *drain) begin(ctx context.Context) *pulse {
	var earlier draining
	d.since = time.Now()
	if remembered(ctx, &earlier) && !earlier.Since.IsZero() && earlier.Since.Before(d.since) {
		d.since = earlier.Since
	}
	return beat(ctx, draining{Since: d.since, Doing: "waiting until " + at(d.in.Place.Region, d.in.Fleet) + " gets no request"})
}

// noShare reads the shares and refuses a fleet that has one.
func noShare(ctx context.Context, router platform.Router, op string, place Place, fleet string) error {
	weights, err := router.Weights(ctx, place.Region, place.Target)
	if err != nil {
		return fmt.Errorf("%s fleet %s: read the shares of traffic: %w", op, at(place.Region, fleet), err)
	}
	if share := weights.Of(fleet); share != 0 {
		return acterr.Final(ErrStillTraffic, "%s fleet %s: the router gives it %d %% of the traffic (%s); move the traffic first",
			op, at(place.Region, fleet), share, weights)
	}
	return nil
}

// prove waits for two readings of the counters at least Quiet apart with no
// request between them and none in flight. Requests in flight no longer count when
// their time is over: Drain, or as long as clients stick to the fleet where that is longer.
func (d *drain) prove(ctx context.Context) (release.Requests, error) {
	if err := noShare(ctx, d.router, d.op, d.in.Place, d.in.Fleet); err != nil {
		return release.Requests{}, err
	}
	traits, err := d.router.Traits(ctx, d.in.Place.Region, d.in.Place.Target)
	if platform.IgnoreNotFound(err) != nil { // without a route nobody sticks to anything
		return release.Requests{}, fmt.Errorf("%s fleet %s: read how long clients stay with it: %w", d.op, at(d.in.Place.Region, d.in.Fleet), err)
	}
	d.sticky = traits.Sticky
	// Counters may lag by minutes: only what was counted up to a moment after this one
	// tells of the time without a share.
	without := time.Now()
	quiet := d.in.Quiet.Std()
	var first release.Requests
	for n := 0; ; n++ {
		now, err := d.counters(ctx)
		switch {
		case err != nil && (acterr.Permanent(err) || ctx.Err() != nil):
			return release.Requests{}, err
		case err != nil: // no evidence: look again
		case now.At.Before(without):
		case first.At.IsZero() || now.Total != first.Total:
			first = now // a request came: the quiet time begins anew
		default:
			judged := now
			if !d.patient(time.Now()) {
				judged.InFlight = 0
			}
			if release.Drained(first, judged, quiet) {
				return now, nil
			}
		}
		if !time.Now().Before(d.deadline) {
			if err == nil && first.At.IsZero() {
				err = fmt.Errorf("the counters tell only of the time up to %s", now.At.UTC().Format(time.RFC3339))
			}
			return release.Requests{}, d.stillTraffic(now, err)
		}
		// At most a quarter of the quiet time, so that proof is not late.
		if err := pause(ctx, min(d.poll.next(n), max(quiet/4, time.Millisecond))); err != nil {
			return release.Requests{}, err
		}
	}
}

// patient says whether requests may still come from clients that had the fleet before.
func (d *drain) patient(now time.Time) bool {
	return now.Sub(d.since) <= max(d.in.Drain.Std(), d.sticky, d.in.Quiet.Std())
}

// stillTraffic is final only when the time of the clients that stick to the fleet is over.
func (d *drain) stillTraffic(now release.Requests, err error) error {
	fleet := at(d.in.Place.Region, d.in.Fleet)
	switch {
	case err != nil:
		return fmt.Errorf("%s fleet %s: no proof within %s that its traffic is gone: %w", d.op, fleet, d.in.Within, err)
	case d.sticky > 0 && d.patient(time.Now()):
		return fmt.Errorf("%s fleet %s: clients that stay with it for up to %s still send requests after %s (%d counted, %d in flight)",
			d.op, fleet, d.sticky, d.in.Within, now.Total, now.InFlight)
	}
	return acterr.Final(ErrStillTraffic, "%s fleet %s: at weight 0 it still gets requests after %s (%d counted, %d in flight); look for clients that go around the router",
		d.op, fleet, d.in.Within, now.Total, now.InFlight)
}

// counters reads what the router counted for the fleet. A fleet that the router
// does not know has counted nothing.
func (d *drain) counters(ctx context.Context) (release.Requests, error) {
	all, err := d.router.Requests(ctx, d.in.Place.Region, d.in.Place.Target)
	if err != nil {
		return release.Requests{}, fmt.Errorf("%s fleet %s: read the request counters: %w", d.op, at(d.in.Place.Region, d.in.Fleet), err)
	}
	for _, r := range all {
		if r.Fleet == d.in.Fleet {
			return r, nil
		}
	}
	return release.Requests{Fleet: d.in.Fleet, At: time.Now().UTC()}, nil
}
