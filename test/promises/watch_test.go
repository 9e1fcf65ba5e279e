package promises

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const quarter = spec.Duration(15 * time.Minute)

// watch looks once per attempt, as WatchFleet does.
func (c *cloud) watch(ctx context.Context, in activities.WatchInput) (activities.Watch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending.over {
		return activities.Watch{}, permanent("Over", "the run is over")
	}
	id := activity.GetInfo(ctx).ActivityID
	if c.calls[id] == nil {
		c.count[activities.WatchFleet]++
		c.calls[id] = &call{name: activities.WatchFleet, place: in.Place.Region, in: in}
	}
	r := c.regions[in.Place.Region]
	c.looked(r)
	w := c.look(r, in)
	if w.Why == "" {
		return w, temporal.NewApplicationErrorWithOptions("all is well", activities.ErrLooksGood, temporal.ApplicationErrorOptions{
			NextRetryDelay: c.nextLook(r, in), Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	w.Weights = r.weights
	w.Results = []release.Result{{Check: "health", Verdict: c.verdict(r, in), Value: w.Reason, Bound: "200", At: c.now()}}
	c.calls[id].out = w
	c.note("WatchFleet %s: %s %s", r.name, w.Why, w.Reason)
	return w, nil
}

func (c *cloud) verdict(r *region, in activities.WatchInput) release.Verdict {
	switch {
	case !r.bad.IsZero() || r.fleets[in.Fleet] == nil:
		return release.Fail
	case !r.dark.IsZero():
		return release.Inconclusive
	}
	return release.Pass
}

// look decides as the activity does, in its order.
func (c *cloud) look(r *region, in activities.WatchInput) activities.Watch {
	now := c.now()
	w := activities.Watch{Readiness: in.Known, Counts: release.Counts{At: now}, Noticed: in.Noticed}
	w.Watched = in.Before
	w.Watched.Looks++
	f := r.fleets[in.Fleet]
	if f == nil && r.bad.IsZero() {
		r.bad = now
	}
	if f != nil {
		w.Counts.Candidate = f.inService(now)
	}
	verdict := c.verdict(r, in)
	ready := c.ready(r, in)
	var noticed []string
	if r.flicker {
		noticed = append(noticed, "something was changed by hand")
	}
	if f != nil && f.desired < in.Least {
		noticed = append(noticed, release.ShrunkBy(f.describe(r, now), in.Least)...)
	}
	told := !in.Before.Unknown.IsZero()
	switch {
	case verdict == release.Fail && now.Sub(r.bad) >= in.Soak.Breach.Std():
		w.Why, w.Reason = activities.WatchBreach, "it has failed its checks"
	case !r.weights.Equal(in.Weights) && f != nil:
		w.Why, w.Reason = activities.WatchOutOfBand, "somebody else changed the shares"
	case in.Previous != "" && ready.Ready != (in.Known.At.IsZero() || in.Known.Ready):
		w.Why, w.Reason, w.Readiness = activities.WatchReadiness, ready.Why, ready
	case fmt.Sprint(noticed) != fmt.Sprint(in.Noticed):
		w.Why, w.Noticed = activities.WatchNoticed, noticed
		w.Reason = strings.Join(noticed, "; ")
	case verdict == release.Inconclusive && !told && now.Sub(r.dark) >= 2*in.Soak.Interval.Std():
		w.Why, w.Reason, w.Watched.Unknown = activities.WatchUnknown, "nothing can be read", r.dark
	case !in.Until.IsZero() && !now.Before(in.Until) && verdict == release.Pass:
		w.Why, w.Reason = activities.WatchDone, "the last look was good"
	case !in.Before.Unknown.IsZero() && r.dark.IsZero() && verdict == release.Pass:
		w.Why, w.Reason, w.Watched.Unknown = activities.WatchCertain, "it can be told again", time.Time{}
	}
	return w
}

// ready says whether a rollback would work.
func (c *cloud) ready(r *region, in activities.WatchInput) release.Readiness {
	now := c.now()
	p := r.fleets[in.Previous]
	if p == nil {
		return release.JudgeReadiness(nil, 0, "the previous fleet is not there", now)
	}
	need := max(in.Least, in.Need)
	if f := r.fleets[in.Fleet]; f != nil {
		need = max(need, min(f.inService(now), f.desired))
	}
	if in.Keep > 0 {
		need = min(need, in.Keep)
	}
	d := p.describe(r, now)
	return release.JudgeReadiness(&d, need, "", now)
}

func (c *cloud) nextLook(r *region, in activities.WatchInput) time.Duration {
	wait := max(in.Soak.Interval.Std(), 100*time.Millisecond)
	if !r.bad.IsZero() {
		wait = min(wait, max(in.Soak.Breach.Std()/4, 200*time.Millisecond))
	}
	if left := in.Until.Sub(c.now()); !in.Until.IsZero() && left > 0 {
		wait = min(wait, left)
	}
	return wait
}

// delivered takes in what the workflow is told. It is called when an answer reaches the
// workflow, before the workflow does anything about it.
func (c *cloud) delivered(id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.calls[id]
	if a == nil || c.ending.over {
		return
	}
	if a.name == activities.ShiftTraffic && a.memory && err != nil {
		c.told["shares"] = 10
	}
	if err != nil {
		return
	}
	switch out := a.out.(type) {
	case activities.Verified:
		if in, ok := a.in.(activities.VerifyInput); ok {
			if f := c.regions[a.place].fleets[in.Fleet]; f != nil {
				f.verified = true
			}
		}
	case release.Parity:
		for _, n := range out.Notices {
			c.told[n] = 10
		}
	case activities.Watch:
		c.heard(c.regions[a.place], out)
	}
}

func (c *cloud) heard(r *region, w activities.Watch) {
	switch w.Why {
	case activities.WatchDone:
		r.done, r.doubt = c.now(), false
	case activities.WatchUnknown:
		r.doubt = true
		c.told["nothing certain"] = 8
	case activities.WatchCertain:
		r.doubt = false
	case activities.WatchOutOfBand:
		r.told = w.Weights
		if !r.weights.Equal(r.ours) {
			c.told["shares"] = 10
		}
	case activities.WatchReadiness:
		r.lost = !w.Readiness.Ready
		if r.lost {
			c.told["a rollback would not work"] = 3
		}
	case activities.WatchNoticed:
		for _, n := range w.Noticed {
			c.told[n] = 10
		}
		r.noticed = len(w.Noticed) > 0
	}
}
