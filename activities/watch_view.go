package activities

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// view is everything one look reads, and what is to be remembered of it.
type view struct {
	memory        release.Watched
	subject       ask.Subject
	results       []release.Result
	compared      []release.Result   // the single comparisons, which do not count by themselves
	early         bool               // the share is held for longer: an analysis that is not finished is no doubt yet
	requests      []release.Requests // what the router has counted
	requestsErr   error
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

// view reads the candidate, its answers, its errors, how it compares, the shares and the
// previous fleet. Whatever can't be read becomes an inconclusive result.
func (c *Checks) view(ctx context.Context, p platform.Platform, in WatchInput, memory release.Watched) *view {
	region, target := in.Place.Region, in.Place.Target
	v := &view{memory: memory, counts: release.Counts{At: c.now()}, subject: ask.Subject{
		Platform: p, Region: region, Target: target, Release: in.Place.Release, Version: in.Version, Fleet: in.Fleet, Live: in.Previous,
		Stage: stage(in), TestListener: in.TestListener, Round: firstRound(ctx) + memory.Looks,
	}}
	candidate, err := p.Fleets.Describe(ctx, region, in.Fleet)
	need := max(in.Least, in.Need)
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
		v.subject.Instances = inService(candidate)
		checks := orHealth(in.Checks, in.HealthPath)
		v.memory.Tracks = c.askDue(ctx, v.subject, checks, memory.Tracks)
		v.results = append(v.results, v.memory.Tracks.Standing(checks)...)
	}
	v.requests, v.requestsErr = p.Router.Requests(ctx, region, target)
	v.countErrors(in, c.now())
	c.analyse(ctx, in, v)
	if v.weights, err = p.Router.Weights(ctx, region, target); err != nil {
		v.add(unread("traffic", err))
	}
	v.weightsRead = err == nil
	if in.Scale > 0 {
		need = release.ShareNeed(need, in.Scale)
	}
	v.previous(ctx, p, in, need, c.now())
	return v
}

func stage(in WatchInput) string {
	if in.Stage != "" {
		return in.Stage
	}
	return release.StageSoak
}

func (v *view) add(r release.Result) { v.results = append(v.results, r) }

// counted is what the router has counted for a fleet; the zero value when it has nothing of it.
func (v *view) counted(fleet string) release.Requests {
	for _, r := range v.requests {
		if r.Fleet == fleet {
			return r
		}
	}
	return release.Requests{}
}

// countErrors judges the requests since the last judged reading. As long as there
// are too few to tell they add up from look to look. While a failure goes on looks
// follow each other faster than the interval: a few good answers in a short time
// are then no proof that it is over.
func (v *view) countErrors(in WatchInput, at time.Time) {
	if v.requestsErr != nil {
		v.add(unread("error-rate", v.requestsErr))
		return
	}
	now := v.counted(in.Fleet)
	if now.At.Before(in.Since) {
		value := "the counts reach up to " + now.At.UTC().Format(time.RFC3339)
		if now.At.IsZero() {
			value = "the router has no counts of it"
		}
		v.add(release.Result{Check: "error-rate", Verdict: release.Inconclusive, At: at, Bound: "counts of the time since the switch", Value: value})
		return
	}
	before := v.memory.Last
	if before.At.IsZero() {
		before = in.Baseline
	}
	least := or(in.Soak.MinRequests, 20)
	r := release.ErrorRate(before, now, or(in.Soak.MaxErrorRate, 1).Fraction(), least)
	anew := now.At.After(before.At) && now.Total >= before.Total && now.Errors >= before.Errors
	few := anew && now.Total-before.Total < uint64(max(1, least))
	early := !v.memory.BadSince.IsZero() && now.At.Sub(before.At) < interval(in)
	switch {
	case few && (early || r.Verdict == release.Inconclusive):
		r.Verdict = release.Inconclusive
		v.memory.Last = before
	case !now.At.IsZero():
		v.memory.Last = now
	}
	v.add(r)
}

// felt is the verdict that is remembered of the look. While a share is held an analysis
// that has not enough samples yet leaves nobody in doubt: the other results speak. It is
// no pass either: only the verdict over all results ends a watch well.
func (v *view) felt(now time.Time) release.Verdict {
	all := release.Worst(v.results)
	if !v.early || all != release.Inconclusive || !v.memory.BadSince.IsZero() {
		return all
	}
	var others []release.Result
	for _, r := range v.results {
		if r.Check != analysisCheck {
			others = append(others, r)
		}
	}
	return release.Worst(others)
}

// notice compares what is there with what the release left. What can't be read is no
// evidence: what was noticed before then stays as it was.
func (v *view) notice(ctx context.Context, p platform.Platform, in WatchInput, memory *release.Watched) {
	if v.unread {
		return
	}
	*memory = memory.Short(v.fleets.Candidate)
	v.fleets.Made, v.fleets.Missing = in.Least, memory.Missing
	gone, err := imagesGone(ctx, p.Images, in.Place.Region, v.fleets.Candidate, v.fleets.Previous)
	if err != nil {
		return
	}
	v.fleets.ImagesGone = gone
	v.noticed, v.noticedRead = release.Irregularities(v.fleets), true
}

// imagesGone are the images of the fleets that are certainly not there. They are asked for
// at once, so that a platform can answer with one call.
func imagesGone(ctx context.Context, images platform.Images, region string, fleets ...*release.Fleet) ([]string, error) {
	missing := make([]string, len(fleets))
	group, gctx := errgroup.WithContext(ctx)
	for i, f := range fleets {
		if f == nil || f.Image == "" {
			continue
		}
		group.Go(func() error {
			_, err := images.Get(gctx, region, f.Image)
			if platform.IsNotFound(err) {
				missing[i] = f.Image
			}
			return platform.IgnoreNotFound(err)
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(missing, func(ref string) bool { return ref == "" }), err
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
