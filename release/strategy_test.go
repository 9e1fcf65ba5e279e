package release_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func rolling(batch, surge, minHealthy spec.Percent, keep int) spec.Traffic {
	return spec.Traffic{Strategy: spec.RollingBy, Rolling: &spec.Rolling{
		Batch: batch, Surge: &surge, MinHealthy: &minHealthy, WarmUp: ptr(spec.Duration(time.Minute)), Keep: keep,
	}}
}

// shown is the steps as "weight/capacity/live", in their order.
func shown(steps []release.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, fmt.Sprintf("%d%%/%d/%d", s.Weight, s.Capacity, s.Live))
	}
	return out
}

func TestTheStepsOfEachStrategy(t *testing.T) {
	canary := spec.Traffic{Strategy: spec.CanaryWay, Canary: &spec.Canary{Steps: []spec.CanaryStep{
		{Weight: 1, Hold: spec.Duration(time.Minute)}, {Weight: 10}, {Weight: 50, Hold: spec.Duration(time.Hour)},
	}}}
	for _, c := range []struct {
		name    string
		traffic spec.Traffic
		need    int
		first   bool
		steps   []string
	}{
		{"blue-green moves all at once", spec.Traffic{Strategy: spec.BlueGreen}, 4, false, []string{"100%/4/4"}},
		{"capacity follows the canary's share, rounded up", canary, 15, false, []string{"1%/1/15", "10%/2/15", "50%/8/15", "100%/15/15"}},
		{"one instance takes any share", canary, 1, false, []string{"1%/1/1", "10%/1/1", "50%/1/1", "100%/1/1"}},
		{"a load that needs nothing needs an instance", spec.Traffic{Strategy: spec.BlueGreen}, 0, false, []string{"100%/1/1"}},
		{"the first release has nobody to share with", canary, 3, true, []string{"100%/3/3"}},
		{"nor to replace", rolling(25, 25, 100, 1), 3, true, []string{"100%/3/3"}},

		{"batches within the surge", rolling(25, 25, 100, 1), 8, false, []string{"25%/2/6", "50%/4/4", "75%/6/2", "100%/8/1"}},
		{"a surge smaller than the batch", rolling(50, 10, 100, 1), 10, false, []string{"10%/1/9", "20%/2/8", "30%/3/7", "40%/4/6", "50%/5/5", "60%/6/4", "70%/7/3", "80%/8/2", "90%/9/1", "100%/10/1"}},
		{"no surge: the live fleet shrinks first", rolling(25, 0, 50, 1), 4, false, []string{"0%/0/3", "33%/1/2", "67%/2/1", "75%/3/1", "100%/4/1"}},
		{"surge and fewer healthy together", rolling(50, 25, 75, 1), 8, false, []string{"33%/2/4", "86%/6/1", "100%/8/1"}},
		{"all in one batch", rolling(100, 100, 100, 2), 5, false, []string{"100%/5/2"}},
		{"what stays for the way back", rolling(50, 50, 100, 2), 4, false, []string{"50%/2/2", "100%/4/2"}},
		{"more stays than there is", rolling(50, 50, 100, 9), 2, false, []string{"50%/1/1", "100%/2/2"}},
		{"one instance", rolling(25, 25, 100, 1), 1, false, []string{"100%/1/1"}},
		{"one instance and no surge: one more rather than none", rolling(25, 0, 50, 1), 1, false, []string{"100%/1/1"}},
		{"nothing may be added or missing: one more rather than one less", rolling(50, 0, 100, 1), 3, false, []string{"33%/1/2", "67%/2/1", "100%/3/1"}},
	} {
		steps := release.Steps(c.traffic, c.need, c.first)
		assert.Equal(t, c.steps, shown(steps), c.name)
		last := steps[len(steps)-1]
		assert.Zero(t, last.Hold, "%s: the watch follows the last step", c.name)
	}

	slow := shown(release.Steps(rolling(1, 0.1, 100, 1), 200, false))
	assert.Equal(t, []string{"0%/1/199", "1%/2/198", "1%/3/197", "2%/4/196"}, slow[:4], "less than a percent at a time moves traffic with every other batch")

	exact := release.Steps(rolling(8.8, 8.8, 100, 1), 375, false)
	assert.Equal(t, 33, exact[0].Capacity, "8.8% of 375, not one more for how fractions are stored")

	held := release.Steps(canary, 4, false)
	assert.Equal(t, []time.Duration{time.Minute, 0, time.Hour, 0}, []time.Duration{held[0].Hold, held[1].Hold, held[2].Hold, held[3].Hold})
	warm := release.Steps(rolling(25, 0, 50, 1), 4, false)
	assert.Zero(t, warm[0].Hold, "nothing is judged before a share was moved")
	assert.Equal(t, time.Minute, warm[1].Hold)
}

func TestShareNeed(t *testing.T) {
	for _, c := range []struct{ need, percent, want int }{
		{10, 0, 0}, {0, 50, 0}, {10, 1, 1}, {10, 10, 1}, {10, 11, 2}, {10, 100, 10}, {3, 34, 2}, {1, 1, 1}, {200, 1, 2}, {100, 29, 29}, {7, 100, 7},
	} {
		assert.Equal(t, c.want, release.ShareNeed(c.need, c.percent), "%d %% of %d", c.percent, c.need)
	}
}

// bounds are those of a rolling release, in tenths of a percent.
type bounds struct{ batch, surge, minHealthy, keep int }

func (b bounds) steps(need int) []release.Step {
	tenth := func(n int) spec.Percent { return spec.Percent(float64(n) / 10) }
	return release.Steps(rolling(tenth(b.batch), tenth(b.surge), tenth(b.minHealthy), b.keep), need, false)
}

// ceilPart is so many tenths of a percent of n, rounded up, in whole numbers.
func ceilPart(n, tenths int) int { return (n*tenths + 999) / 1000 }

// A rolling release within any bounds of the spec, in every size: how many instances
// serve at any time, and how much each of them has to do.
func TestRollingKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bounds{
			batch:      rapid.IntRange(10, 1000).Draw(t, "batch"),
			surge:      rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 20), rapid.IntRange(0, 1000)).Draw(t, "surge"),
			minHealthy: rapid.OneOf(rapid.Just(1000), rapid.IntRange(500, 1000)).Draw(t, "minHealthy"),
			keep:       rapid.OneOf(rapid.Just(1), rapid.IntRange(1, 1000)).Draw(t, "keep"),
		}
		for need := 1; need <= 200; need++ {
			if broken := b.broken(need); broken != "" {
				t.Fatalf("%d instances, %+v, steps %v: %s", need, b, shown(b.steps(need)), broken)
			}
		}
	})
}

// broken says which bound the steps break, if any.
func (b bounds) broken(need int) string {
	steps := b.steps(need)
	surge, least, one := ceilPart(need, b.surge), ceilPart(need, b.minHealthy), ceilPart(need, 10)
	most := need + surge
	if most == least { // one more rather than one less
		most++
	}
	batch := min(ceilPart(need, b.batch), most-least)
	if len(steps) > (need+batch-1)/batch+1 {
		return "more steps than batches and one before them, which is a shrink or smaller than a batch"
	}
	candidate, live, share := 0, need, 0
	for i, s := range steps {
		last := i == len(steps)-1
		grown := s.Capacity - candidate
		candidate = s.Capacity
		limit := most
		if live <= one { // the last of the live fleet stays to the end
			limit = max(most, need+one)
		}
		switch {
		case grown < 0 || grown > batch:
			return fmt.Sprintf("step %d adds more than a batch, or less than nothing", i)
		case grown == 0 && (i > 0 || most > need || s.Weight > 0 || s.Hold > 0 || s.Live >= live):
			return fmt.Sprintf("step %d adds nothing and is not the first shrink of a release without surge", i)
		case candidate+live > limit:
			return fmt.Sprintf("too many in step %d", i)
		case s.Weight < share || s.Weight == share && grown > 0 && b.keep == 1 && surge > 0 && need <= 100:
			return fmt.Sprintf("the share does not grow in step %d", i)
		case last:
			if s.Weight != 100 || candidate != need || s.Live != min(need, b.keep) || s.Hold != 0 {
				return "the last step does not end it"
			}
			return ""
		case s.Weight > 99 || s.Live > live || s.Live < max(1, min(b.keep, surge)):
			return fmt.Sprintf("the live fleet of step %d has no part, grew, or lost what was to be kept", i)
		case candidate+s.Live < least: // after the shrink, so before it and while the next batch starts too
			return fmt.Sprintf("too few after step %d", i)
		case overloaded(s.Weight, candidate, s.Live) || overloaded(100-s.Weight, s.Live, candidate):
			return fmt.Sprintf("step %d gives a fleet more than its part", i)
		}
		live, share = s.Live, s.Weight
	}
	return "it never ends"
}

// overloaded says whether a fleet of so many instances beside another gets more than its
// part of the traffic. The smaller one gets no more than that, but for one percent where
// there is nothing less; the larger one less than a percent more. As both together have
// the least that has to be healthy, no instance does more than the spec allows.
func overloaded(share, instances, others int) bool {
	all := instances + others
	if instances <= others && share > 1 {
		return share*all > 100*instances
	}
	return share > 0 && share*all >= 100*instances+all
}

func TestACanaryHasTheCapacityOfItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := rapid.IntRange(1, 200).Draw(t, "need")
		weight := 0
		var canary spec.Canary
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			weight = rapid.IntRange(weight+1, min(99, weight+12)).Draw(t, "weight")
			canary.Steps = append(canary.Steps, spec.CanaryStep{Weight: weight})
		}
		steps := release.Steps(spec.Traffic{Strategy: spec.CanaryWay, Canary: &canary}, need, false)
		require.Len(t, steps, len(canary.Steps)+1)
		for i, s := range steps {
			require.GreaterOrEqual(t, s.Capacity*100, need*s.Weight, "the candidate can take its share")
			require.Less(t, (s.Capacity-1)*100, need*s.Weight, "and is no larger than that")
			require.Equal(t, need, s.Live, "the live fleet can take all back")
			require.True(t, i == 0 || s.Weight > steps[i-1].Weight)
		}
		require.Equal(t, release.Step{Weight: 100, Capacity: need, Live: need}, steps[len(steps)-1])
	})
}
