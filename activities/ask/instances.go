package ask

import (
	"context"
	"fmt"
	"strings"

	"github.com/switchyard/switchyard/release"
)

// each asks every instance and sums up: the first answers that are not good stand
// for all. A fleet without an instance that could be asked fails.
func (q *questions) each(ctx context.Context, ask func(release.Instance) release.Result) release.Result {
	if len(q.Instances) == 0 {
		return release.Result{Verdict: release.Fail, Value: "no instance in service", Bound: "an instance to ask"}
	}
	answers := make(chan release.Result)
	for _, i := range q.Instances {
		go func() {
			r := q.slot(ctx, func() release.Result { return ask(i) })
			r.Value = i.ID + ": " + r.Value
			answers <- r
		}()
	}
	var all []release.Result
	for range q.Instances {
		all = append(all, <-answers)
	}
	return sum(all)
}

// maxExamples bounds the answers that a summed-up result shows.
const maxExamples = 3

// sum is one result for all of the instances' answers.
func sum(all []release.Result) release.Result {
	out := release.Result{Verdict: release.Worst(all), Bound: all[0].Bound}
	if out.Verdict == release.Pass {
		out.Value = fmt.Sprintf("%d of %d instances", len(all), len(all))
		return out
	}
	var bad []string
	count := 0
	for _, r := range all {
		if r.Verdict == release.Pass {
			continue
		}
		count++
		if r.Verdict == out.Verdict {
			out.Bound = r.Bound
			if len(bad) < maxExamples {
				bad = append(bad, r.Value)
			}
		}
	}
	out.Value = fmt.Sprintf("%d of %d instances did not pass: %s", count, len(all), strings.Join(bad, "; "))
	return out
}
