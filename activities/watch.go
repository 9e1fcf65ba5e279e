package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	minLook       = 200 * time.Millisecond // shortest time between two looks
	leastDoubt    = 5 * time.Minute        // doubt is reported after this, or doubtLooks intervals if that is longer
	doubtLooks    = 10
	defaultBreach = 3 * time.Minute
)

// WatchFleet looks once. While nothing has happened it fails with ErrLooksGood, a
// benign error that asks to be tried again after the interval: the server keeps
// the schedule, no worker is held and the history does not grow. What it has seen
// goes from attempt to attempt in the heartbeat's details, which the SDK sends
// before it reports the failure. It returns when the workflow has to know
// something; see the reasons why a watch ends.
func (c *Checks) WatchFleet(ctx context.Context, in WatchInput) (Watch, error) {
	p, err := c.Platforms.at(in.Place)
	if err != nil {
		return Watch{}, err
	}
	memory := in.Before
	var later release.Watched
	if remembered(ctx, &later) {
		memory = later
	}
	pulse := beat(ctx, memory)
	defer pulse.Stop()
	seen, err := c.look(ctx, p, in, memory)
	if err != nil {
		return Watch{}, err
	}
	if seen.Why != "" {
		return seen.Watch, nil
	}
	pulse.Set(seen.Watched)
	pulse.Stop()
	return Watch{}, temporal.NewApplicationErrorWithOptions(seen.Reason, ErrLooksGood, temporal.ApplicationErrorOptions{
		NextRetryDelay: seen.again,
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// seen is one look, and when to look again.
type seen struct {
	Watch
	again time.Duration
}

// look reads everything once and decides.
func (c *Checks) look(ctx context.Context, p platform.Platform, in WatchInput, memory release.Watched) (seen, error) {
	view := c.view(ctx, p, in, memory)
	if ctx.Err() != nil {
		return seen{}, ctx.Err() // what was read while being cancelled is worth nothing
	}
	now := c.now()
	verdict := release.Worst(view.results)
	breach := or(in.Soak.Breach, spec.Duration(defaultBreach)).Std()
	watched, breached := memory.Look(verdict, breach, now)
	watched.Last = view.last
	view.notice(ctx, p, in, &watched)
	s := seen{Watch: Watch{
		Results: view.results, Watched: watched, Readiness: view.readiness, Counts: view.counts, Weights: view.weights,
		Noticed: view.noticed,
	}}
	decide(&s, in, view, verdict, breached, now)
	return s, nil
}

// decide fills in why the watch ends, if it does, else when to look again.
func decide(s *seen, in WatchInput, view view, verdict release.Verdict, breached bool, now time.Time) {
	w := s.Watched
	told := !in.Before.Unknown.IsZero() && in.Before.Unknown.Equal(w.Unknown)
	doubt := max(doubtLooks*in.Soak.Interval.Std(), leastDoubt)
	doubtful := !w.Unknown.IsZero() && now.Sub(w.Unknown) >= doubt
	switch {
	case breached:
		s.Why = WatchBreach
		s.Reason = fmt.Sprintf("%s has failed its checks since %s (%s): %s", at(in.Place.Region, in.Fleet),
			w.BadSince.UTC().Format(time.RFC3339), now.Sub(w.BadSince).Round(time.Millisecond), evidence(view.results))
	case view.weightsRead && !view.weights.Equal(in.Weights) && !view.gone:
		s.Why = WatchOutOfBand
		s.Reason = fmt.Sprintf("the shares of traffic in %s are %s, this release set %s: somebody else changed them", in.Place.Region, view.weights, in.Weights)
	case view.readinessRead && view.readiness.Ready != known(in):
		s.Why = WatchReadiness
		s.Reason = "a rollback would work now"
		if !view.readiness.Ready {
			s.Reason = "a rollback would not work now: " + view.readiness.Why
		}
	case view.noticedRead && !slices.Equal(view.noticed, in.Noticed):
		s.Why = WatchNoticed
		s.Reason = strings.Join(view.noticed, "; ")
	case doubtful && !told:
		s.Why = WatchUnknown
		s.Reason = fmt.Sprintf("for %s it could not be told how %s does: %s", now.Sub(w.Unknown).Round(time.Second), at(in.Place.Region, in.Fleet), evidence(view.results))
	case !in.Until.IsZero() && !now.Before(in.Until) && verdict == release.Pass:
		s.Why = WatchDone
		s.Reason = fmt.Sprintf("watched until %s, the last look was good", in.Until.UTC().Format(time.RFC3339))
	}
	switch {
	case s.Why == "":
		s.Reason = fmt.Sprintf("look %d: %s; %s", w.Looks, verdict, clip(evidence(view.results), maxValue))
		s.again = nextLook(in, w, now)
	case s.Why != WatchUnknown && !told:
		// Doubt that carries over has been told. This has not: it counts anew.
		s.Watched.Unknown = time.Time{}
	}
}

// known is the readiness the workflow knows; it takes a rollback for possible until
// it is told otherwise.
func known(in WatchInput) bool {
	return in.Known.At.IsZero() || in.Known.Ready
}

// nextLook is the interval; sooner while a failure goes on, so that a breach is
// seen when it happens, and sooner when the watch ends before.
func nextLook(in WatchInput, w release.Watched, now time.Time) time.Duration {
	wait := max(in.Soak.Interval.Std(), minLook/2)
	if !w.BadSince.IsZero() {
		breach := or(in.Soak.Breach, spec.Duration(defaultBreach)).Std()
		wait = min(wait, max(breach/4, minLook))
		if left := w.BadSince.Add(breach).Sub(now); left > 0 {
			wait = min(wait, max(left, minLook/4))
		}
	}
	if left := in.Until.Sub(now); !in.Until.IsZero() && left > 0 {
		wait = min(wait, max(left, minLook/4))
	}
	return wait
}

// view is everything one look reads.
type view struct {
	results       []release.Result
	last          release.Requests // from which the next look counts
	weights       release.Weights
	weightsRead   bool
	readiness     release.Readiness
	readinessRead bool
	counts        release.Counts
	fleets        release.Seen
	unread        bool     // a fleet could not be read
	gone          bool     // the candidate is certainly not there, so its share goes to nobody
	noticed       []string // what is not as the release left it
	noticedRead   bool
}

// view reads the candidate, its answers, its errors, the shares and the previous
// fleet. Whatever can't be read becomes an inconclusive result.
func (c *Checks) view(ctx context.Context, p platform.Platform, in WatchInput, memory release.Watched) view {
	v := view{last: memory.Last, counts: release.Counts{At: c.now()}}
	region, target := in.Place.Region, in.Place.Target
	candidate, err := p.Fleets.Describe(ctx, region, in.Fleet)
	need := in.Least
	switch {
	case platform.IsNotFound(err):
		v.gone = true
		v.add(release.Result{Check: "instances", Verdict: release.Fail, Value: "the fleet is not there", Bound: "a fleet", At: c.now()})
	case err != nil:
		v.unread = true
		v.add(unread("instances", err))
	default:
		v.fleets.Candidate = &candidate
		v.counts.Candidate = candidate.InService()
		need = max(need, min(candidate.InService(), candidate.Desired))
		v.add(enough(candidate, min(in.Least, candidate.Desired))) // one that somebody made smaller is told of, and no failure
		who := subject{place: in.Place, fleet: in.Fleet, checks: orHealth(in.Checks, in.HealthPath), instances: inService(candidate)}
		v.results = append(v.results, c.ask(ctx, p, who)...)
	}
	v.countErrors(ctx, p, in, memory, c.now())
	if v.weights, err = p.Router.Weights(ctx, region, target); err != nil {
		v.add(unread("traffic", err))
	}
	v.weightsRead = err == nil
	v.previous(ctx, p, in, need, c.now())
	return v
}

func (v *view) add(r release.Result) { v.results = append(v.results, r) }

// countErrors judges the requests since the last judged reading. As long as there
// are too few to tell they add up from look to look. While a failure goes on looks
// follow each other faster than the interval: a few good answers in a short time
// are then no proof that it is over.
func (v *view) countErrors(ctx context.Context, p platform.Platform, in WatchInput, memory release.Watched, at time.Time) {
	all, err := p.Router.Requests(ctx, in.Place.Region, in.Place.Target)
	if err != nil {
		v.add(unread("error-rate", err))
		return
	}
	var now release.Requests
	for _, r := range all {
		if r.Fleet == in.Fleet {
			now = r
		}
	}
	if now.At.Before(in.Since) {
		v.last = memory.Last
		v.add(release.Result{Check: "error-rate", Verdict: release.Inconclusive, At: at, Bound: "counts of the time since the switch",
			Value: "the counts reach up to " + now.At.UTC().Format(time.RFC3339)})
		return
	}
	before := memory.Last
	if before.At.IsZero() {
		before = in.Baseline
	}
	least := or(in.Soak.MinRequests, 20)
	r := release.ErrorRate(before, now, or(in.Soak.MaxErrorRate, 1).Fraction(), least)
	anew := now.At.After(before.At) && now.Total >= before.Total && now.Errors >= before.Errors
	few := anew && now.Total-before.Total < uint64(max(1, least))
	early := !memory.BadSince.IsZero() && now.At.Sub(before.At) < in.Soak.Interval.Std()
	switch {
	case few && (early || r.Verdict == release.Inconclusive):
		r.Verdict = release.Inconclusive
		v.last = before
	case !now.At.IsZero():
		v.last = now
	}
	v.add(r)
}

// previous judges whether a rollback would work. A read that failed is no
// evidence: what was known stays, and the look is inconclusive.
func (v *view) previous(ctx context.Context, p platform.Platform, in WatchInput, need int, now time.Time) {
	if in.Previous == "" {
		return
	}
	fleet, err := p.Fleets.Describe(ctx, in.Place.Region, in.Previous)
	switch {
	case platform.IsNotFound(err):
		v.readiness = release.JudgeReadiness(nil, need, fmt.Sprintf("the previous fleet %s is not there", in.Previous), now)
	case err != nil:
		v.unread = true
		v.readiness = in.Known
		v.add(unread("readiness", err))
		return
	default:
		v.fleets.Previous = &fleet
		v.counts.Previous = fleet.InService()
		v.readiness = release.JudgeReadiness(&fleet, need, "", now)
	}
	v.readinessRead = true
}

// notice compares what is there with what the release left. What can't be read is no
// evidence: what was noticed before then stays as it was.
func (v *view) notice(ctx context.Context, p platform.Platform, in WatchInput, memory *release.Watched) {
	if v.unread {
		return
	}
	*memory = memory.Short(v.fleets.Candidate)
	v.fleets.Made, v.fleets.Missing = in.Least, memory.Missing
	for _, f := range []*release.Fleet{v.fleets.Candidate, v.fleets.Previous} {
		if f == nil || f.Image == "" {
			continue
		}
		_, err := p.Images.Get(ctx, in.Place.Region, f.Image)
		switch {
		case platform.IsNotFound(err):
			v.fleets.ImagesGone = append(v.fleets.ImagesGone, f.Image)
		case err != nil:
			return
		}
	}
	v.noticed, v.noticedRead = release.Irregularities(v.fleets), true
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
