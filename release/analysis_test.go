package release_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// comparison is one with the defaults of the spec.
func comparison(with ...func(*spec.Comparison)) spec.Comparison {
	c := spec.Comparison{Name: "c", Weight: 1, Worse: spec.WorseHigher, Tolerance: ptr(spec.Percent(10)), Confidence: 98, MinSamples: 20}
	for _, w := range with {
		w(&c)
	}
	return c
}

func lowerIsWorse(c *spec.Comparison)          { c.Worse = spec.WorseLower }
func critical(c *spec.Comparison)              { c.Critical = true }
func least(n int) func(*spec.Comparison)       { return func(c *spec.Comparison) { c.MinSamples = n } }
func weighing(n int) func(*spec.Comparison)    { return func(c *spec.Comparison) { c.Weight = n } }
func named(name string) func(*spec.Comparison) { return func(c *spec.Comparison) { c.Name = name } }
func sure(p spec.Percent) func(*spec.Comparison) {
	return func(c *spec.Comparison) { c.Confidence = p }
}
func tolerating(p spec.Percent) func(*spec.Comparison) {
	return func(c *spec.Comparison) { c.Tolerance = &p }
}

// from is n values from start up in steps.
func from(start, step float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = start + step*float64(i)
	}
	return out
}

// some is n values of which the first many are v and the others rest.
func some(n, many int, v, rest float64) []float64 {
	return append(slices.Repeat([]float64{v}, many), slices.Repeat([]float64{rest}, n-many)...)
}

func TestCompare(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	hundred := from(100, 1, 30) // 100 to 129
	for _, c := range []struct {
		name            string
		comparison      spec.Comparison
		candidate, live []float64
		verdict         release.Verdict
		value           string
	}{
		{"alike", comparison(), hundred, hundred, pass, "median 114.5, live 114.5; 30 and 30 samples, p 1"},
		{"half as much again", comparison(), from(150, 1.5, 30), hundred, fail, "median 171.8, live 114.5; 30 and 30 samples, p 8.5e-18"},
		{"better", comparison(), from(50, 1, 30), hundred, pass, "median 64.5, live 114.5; 30 and 30 samples, p 1"},
		{"worse within the tolerance", comparison(tolerating(60)), from(150, 1.5, 30), hundred, pass, ""},
		{"no tolerance given", comparison(func(c *spec.Comparison) { c.Tolerance = nil }), from(115, 1, 30), hundred, fail, ""},
		{"lower is worse", comparison(lowerIsWorse), from(50, 1, 30), hundred, fail, ""},
		{"higher is better", comparison(lowerIsWorse), from(150, 1.5, 30), hundred, pass, ""},
		{"values below zero are not made better by the tolerance", comparison(), from(-98, 1, 30), from(-100, 1, 30), pass, ""},
		{"nor where lower is worse", comparison(lowerIsWorse), from(-102, 1, 30), from(-100, 1, 30), pass, ""},
		{"too few of the candidate", comparison(), hundred[:19], hundred, doubt, "19 samples of the candidate, 30 of the live fleet"},
		{"too few of the live fleet", comparison(), hundred, hundred[:19], doubt, "30 samples of the candidate, 19 of the live fleet"},
		{"far worse, but too few", comparison(), from(1e6, 1, 19), hundred, doubt, ""},
		{"just enough", comparison(), from(1e6, 1, 20), hundred, fail, ""},
		{"none", comparison(least(0)), nil, nil, doubt, "0 samples of the candidate, 0 of the live fleet"},
		{"not a number", comparison(), append([]float64{nan}, hundred...), hundred, doubt, "1 of 31 samples of the candidate and 0 of 30 of the live fleet are no numbers"},
		{"not a number among the live fleet's", comparison(), hundred, append([]float64{nan}, hundred...), doubt, ""},
		{"endless", comparison(), hundred, append([]float64{inf, -inf}, hundred...), doubt, "0 of 30 samples of the candidate and 2 of 32 of the live fleet are no numbers"},
		{"all the same", comparison(), some(30, 0, 0, 0), some(30, 0, 0, 0), pass, "median 0, live 0; mean 0, live 0; 30 and 30 samples, p 1"},
		{"all the same, many", comparison(), some(60, 0, 0, 7), some(60, 0, 0, 7), pass, ""},
		{"every value at the bound", comparison(), some(30, 0, 0, 110), some(30, 0, 0, 100), pass, ""},
		{"every value above it", comparison(), some(30, 0, 0, 111), some(30, 0, 0, 100), fail, ""},
		{"errors in a quarter of the looks", comparison(), some(40, 10, 0.05, 0), some(40, 0, 0, 0), fail, "median 0, live 0; mean 0.0125, live 0; 40 and 40 samples, p 0.0004"},
		{"errors in one look", comparison(), some(40, 1, 0.05, 0), some(40, 0, 0, 0), pass, ""},
		{"errors more often, but fewer of them", comparison(), some(40, 18, 0.001, 0), some(40, 6, 0.5, 0), pass, ""},
		{"errors of both alike", comparison(), some(40, 10, 0.05, 0), some(40, 10, 0.05, 0), pass, ""},
		{"never sure enough", comparison(sure(100)), from(1e6, 1, 500), from(1, 0, 500), pass, ""},
		{"as large as numbers get", comparison(), some(30, 0, 0, math.MaxFloat64), some(30, 0, 0, math.MaxFloat64), pass, ""},
		{"five samples suffice where five are asked for", comparison(least(5)), from(200, 1, 5), from(100, 1, 5), fail, ""},
	} {
		r := release.Compare(c.comparison, release.Samples{Candidate: c.candidate, Live: c.live}, t0)
		assert.Equal(t, c.verdict, r.Verdict, "%s: %s", c.name, r)
		if c.value != "" {
			assert.Equal(t, c.value, r.Value, c.name)
		}
		assert.Equal(t, t0, r.At)
		assert.Equal(t, "c", r.Check)
		assert.NotEmpty(t, r.Bound)
	}

	bound := func(c spec.Comparison, values []float64) string {
		return release.Compare(c, release.Samples{Candidate: values, Live: values}, t0).Bound
	}
	assert.Equal(t, "not above the live fleet's by more than 10%, or p ≥ 0.02", bound(comparison(), hundred))
	assert.Equal(t, "not below the live fleet's by more than 0.5%, or p ≥ 0.2", bound(comparison(lowerIsWorse, tolerating(0.5), sure(80)), hundred))
	assert.Equal(t, "at least 20 of each", bound(comparison(), nil))
}

// The chances, for which the exact numbers are known: all of one side above all of the
// other is one order of C(n+m, n); zeros and ones are drawn without putting back.
func TestTheChanceIsTheExactOne(t *testing.T) {
	choose := func(n, k int) float64 {
		c := 1.0
		for i := 1; i <= k; i++ {
			c = c * float64(n-k+i) / float64(i)
		}
		return c
	}
	at := func(p float64, candidate, live []float64) {
		p = math.Round(p*1e6) / 1e6
		exact := func(c *spec.Comparison) { c.MinSamples, c.Tolerance = 5, nil }
		s := release.Samples{Candidate: candidate, Live: live}
		for _, level := range []float64{p * 0.9, p * 1.1} {
			r := release.Compare(comparison(exact, sure(spec.Percent(100-100*level))), s, t0)
			assert.Equal(t, level > p, r.Verdict == fail, "chance %g at level %g: %s", p, level, r)
		}
	}
	at(1/choose(10, 5), from(10, 1, 5), from(1, 1, 5))
	at(1/choose(12, 6), from(10, 1, 6), from(1, 1, 6))
	at(choose(8, 3)/choose(18, 3), some(8, 3, 1, 0), some(10, 0, 1, 0))
	at((choose(8, 3)*choose(10, 1)+choose(8, 4))/choose(18, 4), some(8, 3, 1, 0), some(10, 1, 1, 0))
}

// Fleets that are alike are taken for different about as often as the confidence says,
// and seldom with a tolerance; the kinds of values do not matter.
func TestFleetsThatAreAlikeSeldomFail(t *testing.T) {
	for name, draw := range map[string]func(*rand.Rand) float64{
		"even":         func(r *rand.Rand) float64 { return 100 + 50*r.Float64() },
		"long tail":    func(r *rand.Rand) float64 { return 20 + 10*r.ExpFloat64() },
		"error shares": func(r *rand.Rand) float64 { return math.Max(0, float64(r.IntN(10)-7)) / 20 },
	} {
		const draws = 1000
		source := rand.New(rand.NewPCG(1, 2))
		sample := func(n int) []float64 {
			out := make([]float64, n)
			for i := range out {
				out[i] = draw(source)
			}
			return out
		}
		exact, tolerant := 0, 0
		for range draws {
			s := release.Samples{Candidate: sample(60), Live: sample(60)}
			if release.Compare(comparison(tolerating(0)), s, t0).Verdict == fail {
				exact++
			}
			if release.Compare(comparison(), s, t0).Verdict == fail {
				tolerant++
			}
		}
		assert.LessOrEqual(t, exact, draws*3/100, "%s: 2%% are expected", name)
		assert.LessOrEqual(t, tolerant, exact, name)
	}
}

func TestHalfAsMuchAgainIsFound(t *testing.T) {
	source := rand.New(rand.NewPCG(3, 4))
	for i := range 200 {
		var s release.Samples
		for range 40 {
			s.Candidate = append(s.Candidate, 1.5*(100+30*source.Float64()))
			s.Live = append(s.Live, 100+30*source.Float64())
		}
		require.Equal(t, fail, release.Compare(comparison(), s, t0).Verdict, "draw %d", i)
		s.Candidate, s.Live = s.Live, s.Candidate
		require.Equal(t, pass, release.Compare(comparison(), s, t0).Verdict, "draw %d, the other way round", i)
		require.Equal(t, fail, release.Compare(comparison(lowerIsWorse), s, t0).Verdict, "draw %d, where lower is worse", i)
	}
}

func TestComparingIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64Range(-1e3, 1e3), rapid.Just(0.0), rapid.SampledFrom([]float64{1, 2, 3}), rapid.Float64())
		few := rapid.SliceOfN(value, 0, 24)
		s := release.Samples{Candidate: few.Draw(t, "candidate"), Live: few.Draw(t, "live")}
		c := comparison(least(rapid.IntRange(5, 12).Draw(t, "least")), tolerating(spec.Percent(rapid.IntRange(0, 100).Draw(t, "tolerance"))))
		if rapid.Bool().Draw(t, "lower") {
			c.Worse = spec.WorseLower
		}
		before, err := json.Marshal(s)
		require.NoError(t, err)
		r := release.Compare(c, s, t0)
		after, err := json.Marshal(s)
		require.NoError(t, err)
		require.JSONEq(t, string(before), string(after), "samples stay in their order")

		shuffled := release.Samples{
			Candidate: rapid.Permutation(s.Candidate).Draw(t, "candidate's order"),
			Live:      rapid.Permutation(s.Live).Draw(t, "live's order"),
		}
		require.Equal(t, r, release.Compare(c, shuffled, t0), "the order of samples does not matter")
		if min(len(s.Candidate), len(s.Live)) < c.MinSamples {
			require.Equal(t, doubt, r.Verdict)
			return
		}
		require.NotEqual(t, doubt, r.Verdict)
		require.Equal(t, pass, release.Compare(c, release.Samples{Candidate: s.Live, Live: s.Live}, t0).Verdict, "no fleet is worse than itself")

		bad := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(t, "bad")
		if rapid.Bool().Draw(t, "in the candidate's") {
			s.Candidate = append(s.Candidate, bad)
		} else {
			s.Live = append(s.Live, bad)
		}
		require.Equal(t, doubt, release.Compare(c, s, t0).Verdict, "what is no number tells nothing")
	})
}

func TestSamplesAreBounded(t *testing.T) {
	var s release.Samples
	for i := range 300 {
		before := slices.Clone(s.Candidate)
		next := s.Add([]float64{float64(2 * i), float64(2*i + 1)}, []float64{float64(-i)})
		require.Equal(t, before, s.Candidate, "the old samples stay as they are")
		s = next
	}
	require.Len(t, s.Candidate, release.MaxSamples)
	require.Equal(t, from(100, 1, 500), s.Candidate, "the newest, oldest first")
	require.Equal(t, from(0, -1, 300), s.Live)

	require.Len(t, release.Samples{}.Add(from(0, 1, 700), nil).Candidate, release.MaxSamples)
	require.Equal(t, s, s.Add(nil, nil))
	require.Equal(t, s, s.Add([]float64{1, math.NaN()}, []float64{1}), "a look with what is no number is no evidence")
	require.Equal(t, s, s.Add([]float64{1}, []float64{math.Inf(-1)}))
	_, err := json.Marshal(s.Add([]float64{math.NaN()}, nil))
	require.NoError(t, err)

	// Two continuations of the same samples do not write into each other.
	a := s.Add([]float64{1}, nil)
	b := s.Add([]float64{2}, nil)
	require.InDelta(t, 1, a.Candidate[len(a.Candidate)-1], 0)
	require.InDelta(t, 2, b.Candidate[len(b.Candidate)-1], 0)
}

func TestJudgeAnalysis(t *testing.T) {
	analysis := func(compare ...spec.Comparison) spec.Analysis {
		return spec.Analysis{Compare: compare, Pass: ptr(spec.Percent(95)), Marginal: ptr(spec.Percent(75))}
	}
	four := analysis(comparison(named("a")), comparison(named("b")), comparison(named("c")), comparison(named("d")))
	heavy := analysis(comparison(named("a"), weighing(97)), comparison(named("b"), weighing(3)))
	guarded := analysis(comparison(named("a"), critical), comparison(named("b"), weighing(100)))
	for _, c := range []struct {
		name     string
		analysis spec.Analysis
		verdicts []release.Verdict // of a, b, c…
		want     release.Verdict
		value    string
	}{
		{"no comparison", analysis(), nil, pass, "no comparison"},
		{"all pass", four, []release.Verdict{pass, pass, pass, pass}, pass, "100% of the weight passed"},
		{"three of four are marginal", four, []release.Verdict{pass, pass, fail, pass}, doubt, "75% of the weight passed, marginal"},
		{"half is bad", four, []release.Verdict{pass, fail, fail, pass}, fail, "50% of the weight passed"},
		{"weight counts", heavy, []release.Verdict{pass, fail}, pass, "97% of the weight passed"},
		{"weight counts the other way", heavy, []release.Verdict{fail, pass}, fail, "3% of the weight passed"},
		{"a critical one is bad", guarded, []release.Verdict{fail, pass}, fail, "worse: a"},
		{"a critical one is bad and another not known", guarded, []release.Verdict{fail, doubt}, fail, "worse: a"},
		{"a critical one is not known", guarded, []release.Verdict{doubt, pass}, doubt, "nothing known of a"},
		{"one is not known", heavy, []release.Verdict{pass, doubt}, doubt, "nothing known of b"},
		{"what is not known does not fail", heavy, []release.Verdict{doubt, fail}, doubt, "nothing known of a"},
		{"one has no result", heavy, []release.Verdict{pass}, doubt, "nothing known of b"},
		{"nothing was compared", heavy, nil, doubt, "nothing known of a, b"},
		{"no verdict is not known", heavy, []release.Verdict{pass, ""}, doubt, "nothing known of b"},
	} {
		var compared []release.Result
		for i, v := range c.verdicts {
			compared = append(compared, release.Result{Check: string(rune('a' + i)), Verdict: v})
		}
		compared = append(compared, release.Result{Check: "removed from the spec", Verdict: fail})
		r := release.JudgeAnalysis(c.analysis, compared, t0)
		assert.Equal(t, c.want, r.Verdict, c.name)
		assert.Equal(t, c.value, r.Value, c.name)
		assert.Equal(t, "analysis", r.Check)
		assert.Equal(t, t0, r.At)
		slices.Reverse(compared)
		assert.Equal(t, r, release.JudgeAnalysis(c.analysis, compared, t0), "%s: the order of results does not matter", c.name)
	}
	twice := []release.Result{{Check: "a", Verdict: pass}, {Check: "a", Verdict: fail}}
	assert.Equal(t, fail, release.JudgeAnalysis(analysis(comparison(named("a"))), twice, t0).Verdict, "the worse of two results counts")
}
