package release

import (
	"math"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

// Step is one move on the way to all of the traffic. In this order: the candidate is
// brought to Capacity instances, which are ready before the next thing happens; its
// share is moved to Weight; the share is held for Hold while the candidate is judged;
// the live fleet is brought to Live instances. A step with the weight of the step
// before, or with weight 0 as the first, moves instances only and no traffic.
type Step struct {
	Weight   int           `json:"weight"`   // the candidate's percent of the traffic
	Capacity int           `json:"capacity"` // instances the candidate has to have
	Live     int           `json:"live"`     // instances of the live fleet after the hold; as many as the load needs: it stays as it is
	Hold     time.Duration `json:"hold,omitempty"`
}

// StepState is what became of a step in one region.
type StepState struct {
	Weight  int       `json:"weight"`
	Shifted time.Time `json:"shifted,omitzero"` // when the share was read back
	Done    time.Time `json:"done,omitzero"`    // when the release went on from it
	Verdict string    `json:"verdict,omitempty"`
	Before  int       `json:"before,omitempty"` // overrides that were given before the share was moved; they are not for this step
}

// Steps are the steps of a region in which the load needs so many instances, one at the
// least. The last one gives the candidate all of the traffic and the capacity the load
// needs, and has no hold: the watch after the switch follows. first says that there is
// no live fleet. A step makes the live fleet smaller and never larger. The same input
// always gives the same steps.
func Steps(t spec.Traffic, need int, first bool) []Step {
	need = max(1, need)
	switch {
	case first:
	case t.Strategy == spec.CanaryWay && t.Canary != nil:
		return shares(*t.Canary, need)
	case t.Strategy == spec.RollingBy && t.Rolling != nil:
		return batches(*t.Rolling, need)
	}
	return []Step{{Weight: 100, Capacity: need, Live: need}}
}

// shares are the steps of a canary. The live fleet keeps its size, so that all of the
// traffic can go back to it at any time.
func shares(c spec.Canary, need int) []Step {
	var out []Step
	for _, s := range c.Steps {
		out = append(out, Step{Weight: s.Weight, Capacity: ShareNeed(need, s.Weight), Live: need, Hold: s.Hold.Std()})
	}
	return append(out, Step{Weight: 100, Capacity: need, Live: need})
}

// batches are the steps of a rolling release: the first shrink where nothing may be
// added, then one step per batch, of which the last gives the candidate all.
//
// The spec bounds both fleets together from below (least) and from above (most). A batch
// that is larger than the space between the two is made as large as that space. After
// each batch the live fleet shrinks so far that both together have base instances, which
// leaves room for one more batch below most, and is not below least because a batch is
// not larger than the space. Hence at any time, before and after each growth and shrink:
//
//	ceil(need*minHealthy) <= candidate+live <= need+ceil(need*surge)
//
// with two exceptions, both one too many rather than one too few. Some of the live fleet
// stays to the end: one percent of the need, which is the smallest share there is, and
// of what keep asks for as much as the surge has room for; with a surge below one percent
// that comes on top at the last batches. And where the two bounds leave no space at all,
// as with one instance and no surge, one instance more is allowed.
func batches(r spec.Rolling, need int) []Step {
	surge, least := part(need, given(r.Surge)), part(need, given(r.MinHealthy))
	most := need + surge
	if most == least {
		most++
	}
	batch := min(max(1, part(need, r.Batch)), most-least)
	base := min(need, most-batch)
	stay := max(ShareNeed(need, 1), min(r.Keep, surge))

	var out []Step
	candidate, live := 0, need // live is what the load needs of it, without what only stays
	if most == need {
		live = base
		out = append(out, Step{Live: max(stay, live)})
	}
	for {
		candidate = min(need, candidate+min(batch, most-candidate-live))
		if candidate == need {
			return append(out, Step{Weight: 100, Capacity: need, Live: min(need, r.Keep)})
		}
		live = max(0, base-candidate)
		beside := max(stay, live)
		out = append(out, Step{Weight: weightOf(candidate, beside), Capacity: candidate, Live: beside, Hold: warmUp(r)})
	}
}

// weightOf is the share of a candidate of so many instances beside a live fleet of so
// many, in whole percents, which is what routers take. It is rounded in favour of the
// smaller fleet, where a percent is most: the larger one then gets less than one percent
// of the traffic too much, a fiftieth of what it serves. Below 100, because the live
// fleet is there to serve.
func weightOf(candidate, live int) int {
	all := candidate + live
	if candidate < live {
		return 100 * candidate / all
	}
	return min(99, (100*candidate+all-1)/all)
}

// ShareNeed is how many instances a fleet needs for so many percent of a load that
// needs so many instances in all: rounded up, at least 1 of anything.
func ShareNeed(need, percent int) int { return part(need, spec.Percent(percent)) }

// part is the percentage of n, rounded up, at least 1 of anything. That a fraction such
// as 33.3% has no exact form never makes it one more.
func part(n int, p spec.Percent) int {
	if n <= 0 || p <= 0 {
		return 0
	}
	return max(1, int(math.Ceil(float64(n)*float64(p)/100-1e-9)))
}

// given is a percentage, 0 when it is absent.
func given(p *spec.Percent) spec.Percent {
	if p == nil {
		return 0
	}
	return *p
}

func warmUp(r spec.Rolling) time.Duration {
	if r.WarmUp == nil {
		return 0
	}
	return r.WarmUp.Std()
}
