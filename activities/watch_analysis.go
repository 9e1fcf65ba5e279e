package activities

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// analysisCheck is the name of the result of all comparisons together.
const analysisCheck = "analysis"

// analyse takes samples of the candidate and of the fleet it is compared with, adds them
// to those since the share was moved, and judges. Samples that can't be read make their
// comparison inconclusive in this look, and are made up for in the next where that is possible.
func (c *Checks) analyse(ctx context.Context, in WatchInput, v *view) {
	if in.Analysis == nil || len(in.Analysis.Compare) == 0 || in.Previous == "" {
		return
	}
	now := c.now()
	v.early = now.Before(in.Until)
	if !v.memory.Moved.Equal(in.Since) { // of another share: they tell nothing of this one
		v.memory.Moved, v.memory.Samples, v.memory.Sampled = in.Since, nil, nil
	}
	compare := in.Analysis.Compare
	took := make([]taken, len(compare))
	var all sync.WaitGroup
	for i, comparison := range compare {
		last := v.sampled(comparison.Name)
		all.Go(func() { took[i] = c.take(ctx, in, v, comparison, last, now) })
	}
	all.Wait()
	v.memory.Samples, v.memory.Sampled = slices.Clone(v.memory.Samples), slices.Clone(v.memory.Sampled)
	for i, comparison := range compare {
		if err := took[i].err; err != nil {
			v.compared = append(v.compared, unread(comparison.Name, err))
			continue
		}
		samples := v.remember(comparison.Name, took[i])
		v.compared = append(v.compared, release.Compare(comparison, samples, now))
	}
	v.add(release.JudgeAnalysis(*in.Analysis, v.compared, now))
}

// taken is what one look measured for one comparison.
type taken struct {
	candidate, live []float64
	reach           release.Sampled
	err             error
}

// take takes the samples of one comparison since those of the last look.
func (c *Checks) take(ctx context.Context, in WatchInput, v *view, comparison spec.Comparison, last release.Sampled, now time.Time) taken {
	if comparison.Errors != nil {
		if v.requestsErr != nil {
			return taken{err: v.requestsErr}
		}
		return shareOfErrors(v.counted(in.Fleet), v.counted(in.Previous), in.Since, last, uint64(max(1, comparison.Errors.MinRequests)))
	}
	since := last.Until
	if since.IsZero() {
		since = in.Since
	}
	if since.IsZero() {
		since = now
	}
	out := taken{reach: last}
	out.reach.Until = now
	out.candidate, out.live, out.err = c.asker().Samples(ctx, v.subject, comparison, since, now)
	return out
}

// shareOfErrors is one sample of both fleets: the share of failed requests since the
// counters of the last one. Below the least number of requests, of either fleet, they add
// up. Counters of the time before the share was moved, or that ran backwards, begin anew.
func shareOfErrors(candidate, live release.Requests, moved time.Time, last release.Sampled, least uint64) taken {
	out := taken{reach: last}
	if candidate.At.Before(moved) || live.At.Before(moved) || candidate.At.IsZero() || live.At.IsZero() {
		return out
	}
	mine, whole := failing(last.Candidate, candidate)
	theirs, also := failing(last.Live, live)
	if whole && also && (mine.total < least || theirs.total < least) {
		return out
	}
	out.reach.Until, out.reach.Candidate, out.reach.Live = candidate.At, candidate, live
	if whole && also {
		out.candidate, out.live = []float64{mine.share()}, []float64{theirs.share()}
	}
	return out
}

// failing counts requests between two readings. It says whether the readings allow that.
func failing(before, after release.Requests) (counts, bool) {
	if before.At.IsZero() || after.Total < before.Total || after.Errors < before.Errors {
		return counts{}, false
	}
	bad := after.Errors - before.Errors
	return counts{total: max(after.Total-before.Total, bad), bad: bad}, true // a failed request was one, even when the totals lag
}

type counts struct{ total, bad uint64 }

func (c counts) share() float64 { return float64(c.bad) / float64(max(1, c.total)) }

// sampled is up to where the samples of the comparison reach.
func (v *view) sampled(name string) release.Sampled {
	for _, s := range v.memory.Sampled {
		if s.Name == name {
			return s
		}
	}
	return release.Sampled{Name: name}
}

// remember adds what was taken to the samples of the comparison and returns all of them.
func (v *view) remember(name string, t taken) release.Samples {
	m := &v.memory
	byName := func(s release.Samples) bool { return s.Name == name }
	i := slices.IndexFunc(m.Samples, byName)
	if i < 0 {
		i, m.Samples = len(m.Samples), append(m.Samples, release.Samples{Name: name})
	}
	m.Samples[i] = m.Samples[i].Add(t.candidate, t.live)
	m.Sampled = slices.DeleteFunc(m.Sampled, func(s release.Sampled) bool { return s.Name == name })
	m.Sampled = append(m.Sampled, t.reach)
	return m.Samples[i]
}
