package release

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aclements/go-moremath/stats"

	"github.com/switchyard/switchyard/release/spec"
)

// MaxSamples is how many samples of each fleet a comparison remembers. It bounds the
// state of a release, and is the largest minSamples that a spec may ask for.
const MaxSamples = 500

// Samples are the values that one comparison has of both fleets, oldest first.
type Samples struct {
	Name      string    `json:"name"`
	Candidate []float64 `json:"candidate,omitempty"`
	Live      []float64 `json:"live,omitempty"`
}

// Add takes in what one look saw of both fleets and keeps the newest MaxSamples of each.
// The samples it is called on stay as they are. A look in which either fleet has a value
// that is no number is left out as a whole: it is no evidence, and a state with such a
// value can't be written.
func (s Samples) Add(candidate, live []float64) Samples {
	if noNumbers(candidate)+noNumbers(live) > 0 {
		candidate, live = nil, nil
	}
	s.Candidate, s.Live = newest(s.Candidate, candidate), newest(s.Live, live)
	return s
}

func newest(have, more []float64) []float64 {
	all := slices.Concat(have, more)
	return all[max(0, len(all)-MaxSamples):]
}

func noNumbers(values []float64) int {
	n := 0
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			n++
		}
	}
	return n
}

// Compare asks whether the candidate's values are worse than the live fleet's by more
// than the tolerance. It fails only when both say so: a one-sided Mann-Whitney U test, at
// the comparison's confidence, and the medians; where those are equal, as with shares of
// errors that are mostly 0, the means. So neither chance nor a difference that does not
// matter fails a candidate. Too few samples, or values that are no numbers, tell nothing.
//
// The confidence is that of one comparison: with 98% one in 50 comparisons of equal
// fleets may be taken for worse. A test of ranks and its confidence of 98% are those of
// Kayenta's judge (https://spinnaker.io/docs/guides/user/canary/judge/), which asks in
// both directions; here only the worse one counts.
func Compare(c spec.Comparison, s Samples, at time.Time) Result {
	r := Result{Check: c.Name, Verdict: Inconclusive, At: at}
	if least := max(1, c.MinSamples); min(len(s.Candidate), len(s.Live)) < least {
		r.Value = fmt.Sprintf("%d samples of the candidate, %d of the live fleet", len(s.Candidate), len(s.Live))
		r.Bound = fmt.Sprintf("at least %d of each", least)
		return r
	}
	if candidate, live := noNumbers(s.Candidate), noNumbers(s.Live); candidate+live > 0 {
		r.Value = fmt.Sprintf("%d of %d samples of the candidate and %d of %d of the live fleet are no numbers", candidate, len(s.Candidate), live, len(s.Live))
		r.Bound = "numbers only"
		return r
	}
	lower := c.Worse == spec.WorseLower
	candidate, live := sorted(s.Candidate), sorted(s.Live)
	allowed := tolerated(live, c.Tolerance, lower)
	p := worseByChance(candidate, allowed, lower)
	level := 1 - c.Confidence.Fraction()

	r.Verdict = Pass
	if c.Confidence < 100 && p < level && worseOnTheWhole(candidate, allowed, lower) {
		r.Verdict = Fail
	}
	r.Value = fmt.Sprintf("median %.4g, live %.4g", median(candidate), median(live))
	if median(candidate) == median(allowed) {
		r.Value += fmt.Sprintf("; mean %.4g, live %.4g", mean(candidate), mean(live))
	}
	r.Value += fmt.Sprintf("; %d and %d samples, p %.2g", len(candidate), len(live), p)
	side := "above"
	if lower {
		side = "below"
	}
	r.Bound = fmt.Sprintf("not %s the live fleet's by more than %s, or p ≥ %.2g", side, given(c.Tolerance), level)
	return r
}

// sorted are the values from small to large. Adding 0 takes the sign off a zero, which
// has no place in the order and would show in the evidence.
func sorted(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v + 0
	}
	slices.Sort(out)
	return out
}

// tolerated are the live fleet's values, each made as much worse as the candidate's may
// be, sorted.
func tolerated(live []float64, t *spec.Percent, lower bool) []float64 {
	by := given(t).Fraction()
	if lower {
		by = -by
	}
	out := make([]float64, len(live))
	for i, v := range live {
		// The conversion keeps the two operations apart on every processor, so that a
		// replay elsewhere finds the same ties.
		out[i] = v + float64(by*math.Abs(v))
	}
	slices.Sort(out)
	return out
}

// worseByChance is the probability that fleets which are alike would give values as far
// apart as these in the worse direction. 1 when all values are equal.
func worseByChance(candidate, allowed []float64, lower bool) float64 {
	less, more := allowed, candidate
	if lower {
		less, more = candidate, allowed
	}
	// Asked as "less": with ties the library's other direction counts one step too many.
	test, err := stats.MannWhitneyUTest(less, more, stats.LocationLess)
	if err != nil || math.IsNaN(test.P) { // all are equal, so none is worse; neither side is empty
		return 1
	}
	return min(1, max(0, test.P))
}

func worseOnTheWhole(candidate, allowed []float64, lower bool) bool {
	a, b := median(candidate), median(allowed)
	if a == b {
		a, b = mean(candidate), mean(allowed)
	}
	if lower {
		return a < b
	}
	return a > b
}

// median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return sorted[n/2-1]/2 + sorted[n/2]/2
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

// JudgeAnalysis is the verdict over the comparisons of an analysis, in the scheme of
// Kayenta's judge (https://spinnaker.io/docs/guides/user/canary/judge/): the score is the
// weight of the comparisons that passed as a share of the weight of all. From Pass on the
// analysis passes, from Marginal on it is inconclusive, below it fails. A critical
// comparison that failed fails it whatever the others say. Else it is inconclusive when
// any comparison is, or has no result: what is not known neither passes nor fails.
func JudgeAnalysis(a spec.Analysis, compared []Result, at time.Time) Result {
	r := Result{Check: "analysis", Verdict: Pass, Value: "no comparison", Bound: "none asked for", At: at}
	if len(a.Compare) == 0 {
		return r
	}
	passed, all := 0, 0
	var critical, unknown []string
	for _, c := range a.Compare {
		weight := max(1, c.Weight)
		all += weight
		switch v := verdictOf(c.Name, compared); {
		case v == Pass:
			passed += weight
		case v == Fail && c.Critical:
			critical = append(critical, c.Name)
		case v != Fail:
			unknown = append(unknown, c.Name)
		}
	}
	score := 100 * float64(passed) / float64(all)
	pass, marginal := float64(given(a.Pass)), float64(given(a.Marginal))
	r.Bound = fmt.Sprintf("at least %s of the weight passes", given(a.Pass))
	r.Value = fmt.Sprintf("%.4g%% of the weight passed", score)
	switch {
	case len(critical) > 0:
		r.Verdict, r.Value, r.Bound = Fail, "worse: "+strings.Join(critical, ", "), "no critical comparison is worse"
	case len(unknown) > 0:
		r.Verdict, r.Value = Inconclusive, "nothing known of "+strings.Join(unknown, ", ")
	case score >= pass:
	case score >= marginal:
		r.Verdict, r.Value = Inconclusive, r.Value+", marginal"
	default:
		r.Verdict = Fail
		r.Bound += fmt.Sprintf("; below %s fails", given(a.Marginal))
	}
	return r
}

// verdictOf is the worst verdict that a comparison has. None is inconclusive.
func verdictOf(name string, compared []Result) Verdict {
	return Worst(slices.DeleteFunc(slices.Clone(compared), func(r Result) bool { return r.Check != name }))
}
