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
	watched, breached := view.memory.Look(view.felt(now), breach(in), now)
	view.notice(ctx, p, in, &watched)
	s := seen{Watch: Watch{
		Results: view.results, Compared: view.compared, Watched: watched, Readiness: view.readiness, Counts: view.counts, Weights: view.weights,
		Noticed: view.noticed,
	}}
	decide(&s, in, view, breached, now)
	return s, nil
}

func breach(in WatchInput) time.Duration {
	return or(in.Soak.Breach, spec.Duration(defaultBreach)).Std()
}

// decide fills in why the watch ends, if it does, else when to look again.
func decide(s *seen, in WatchInput, view *view, breached bool, now time.Time) {
	w, verdict := s.Watched, release.Worst(view.results)
	doubted := !in.Before.Unknown.IsZero()
	told := doubted && in.Before.Unknown.Equal(w.Unknown)
	doubtful := !w.Unknown.IsZero() && now.Sub(w.Unknown) >= patience(in)
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
	case !in.Until.IsZero() && !now.Before(in.Until) && in.Doubtful && verdict == release.Inconclusive && w.BadSince.IsZero():
		s.Why = WatchDone
		s.Reason = fmt.Sprintf("watched until %s; the last look told nothing, which a person lets pass", in.Until.UTC().Format(time.RFC3339))
	case doubted && w.Unknown.IsZero():
		s.Why = WatchCertain
		s.Reason = fmt.Sprintf("it can be told again how %s does: %s", at(in.Place.Region, in.Fleet), verdict)
	}
	switch {
	case s.Why == "":
		s.Reason = fmt.Sprintf("look %d: %s; %s", w.Looks, verdict, clip(evidence(view.results), maxValue))
		s.again = nextLook(in, w, now)
	case s.Why == WatchUnknown || s.Why == WatchCertain || told:
	case doubted && w.Unknown.IsZero():
		s.Watched.Unknown = in.Before.Unknown // that the doubt is over was not told: the next watch does
	default:
		// Doubt that carries over has been told. This has not: it counts anew.
		s.Watched.Unknown = time.Time{}
	}
}

// patience is how long doubt may last before it is told of: longer than a check needs
// for its answers in a row, or a comparison for its samples.
func patience(in WatchInput) time.Duration {
	longest := max(doubtLooks*interval(in), leastDoubt)
	for _, c := range in.Checks {
		longest = max(longest, time.Duration(c.Passes+c.Failures)*max(c.Interval.Std(), interval(in)))
	}
	if in.Analysis != nil {
		for _, c := range in.Analysis.Compare {
			longest = max(longest, time.Duration(c.MinSamples)*interval(in))
		}
	}
	return longest
}

// known is the readiness the workflow knows; it takes a rollback for possible until
// it is told otherwise.
func known(in WatchInput) bool {
	return in.Known.At.IsZero() || in.Known.Ready
}

// interval is the time between two looks.
func interval(in WatchInput) time.Duration {
	every := in.Soak.Interval.Std()
	if in.Analysis != nil && in.Analysis.Interval > 0 && (every == 0 || in.Analysis.Interval.Std() < every) {
		every = in.Analysis.Interval.Std()
	}
	return max(every, minLook/2)
}

// nextLook is the interval; sooner while a failure goes on, so that a breach is
// seen when it happens, and sooner when the watch ends before.
func nextLook(in WatchInput, w release.Watched, now time.Time) time.Duration {
	wait := interval(in)
	if !w.BadSince.IsZero() {
		wait = min(wait, max(breach(in)/4, minLook))
		if left := w.BadSince.Add(breach(in)).Sub(now); left > 0 {
			wait = min(wait, max(left, minLook/4))
		}
	}
	if left := in.Until.Sub(now); !in.Until.IsZero() && left > 0 {
		wait = min(wait, max(left, minLook/4))
	}
	return wait
}
