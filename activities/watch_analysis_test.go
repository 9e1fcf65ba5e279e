package activities_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

var split = release.Weights{{Fleet: blue, Percent: 80}, {Fleet: green, Percent: 20}}

// newAnalyst watches a candidate that has a share, for ten minutes, by a comparison of
// errors alone: the rate itself may be anything.
func newAnalyst(t *testing.T) *watcher {
	w := newWatcher(t)
	w.cloud.SetShares(region, target, split)
	w.cloud.Count(region, target, blue, 1000, 0, 0)
	any100, pass, marginal := spec.Percent(100), spec.Percent(95), spec.Percent(75)
	w.in.Weights, w.in.Soak.MaxErrorRate = split, &any100
	w.in.Stage, w.in.Since = release.StageAnalysis, w.now
	w.in.Until = w.now.Add(10 * time.Minute)
	w.in.Analysis = &spec.Analysis{Interval: spec.Duration(time.Minute), Pass: &pass, Marginal: &marginal, Compare: []spec.Comparison{compareErrors("errors", 1, false)}}
	return w
}

func compareErrors(name string, weight int, critical bool) spec.Comparison {
	tolerance := spec.Percent(10)
	return spec.Comparison{Name: name, Weight: weight, Critical: critical, Worse: spec.WorseHigher, Tolerance: &tolerance,
		Confidence: 98, MinSamples: 6, Errors: &spec.ErrorsSource{MinRequests: 20}}
}

// traffic lets users ask both fleets, and the asked-for time pass, until the watch ends.
func (w *watcher) traffic(candidate, failed, live uint64) activities.Watch {
	w.t.Helper()
	for range 60 {
		out, again := w.look()
		if again == 0 {
			return out
		}
		w.now = w.now.Add(again)
		w.cloud.Count(region, target, green, candidate, failed, 0)
		w.cloud.Count(region, target, blue, live, 0, 0)
	}
	require.Fail(w.t, "the watch does not end")
	return activities.Watch{}
}

func TestAnalysisOfACandidateAsGoodAsTheLiveFleetPassesAtItsTime(t *testing.T) {
	w := newAnalyst(t)
	out := w.traffic(100, 0, 400)
	require.Equal(t, activities.WatchDone, out.Why)
	require.Equal(t, w.in.Until, w.now)
	require.Len(t, out.Compared, 1)
	require.Equal(t, release.Pass, out.Compared[0].Verdict, out.Compared[0])
	require.Len(t, out.Watched.Samples[0].Candidate, 10, "one sample between two looks")
}

func TestAnalysisOfAWorseCandidateBreachesAfterTheSpecsPatience(t *testing.T) {
	w := newAnalyst(t)
	out := w.traffic(100, 10, 400)
	require.Equal(t, activities.WatchBreach, out.Why)
	require.Contains(t, out.Reason, "analysis fail")
	require.Equal(t, w.now.Add(-3*time.Minute), out.Watched.BadSince)
	require.True(t, w.now.Before(w.in.Until))
}

func TestAnalysisWithoutEnoughSamplesNeverEndsWellAndAlarmsNobodyBeforeItsTime(t *testing.T) {
	w := newAnalyst(t)
	for w.now.Before(w.in.Until) {
		_, again := w.look()
		require.Positive(t, again)
		require.Zero(t, w.memory.Unknown, "there is time yet")
		w.now = w.now.Add(again)
		w.cloud.Count(region, target, green, 5, 0, 0) // four looks make a sample
		w.cloud.Count(region, target, blue, 400, 0, 0)
	}
	_, again := w.look()
	require.Positive(t, again)
	require.Equal(t, w.in.Until, w.memory.Unknown, "from here on it is doubt")
	require.Len(t, w.memory.Samples[0].Candidate, 2, "requests add up until there are enough for a sample")

	out := w.traffic(100, 0, 400)
	require.Equal(t, activities.WatchDone, out.Why)
	require.GreaterOrEqual(t, len(out.Watched.Samples[0].Live), 6)
}

func TestAnalysisThatNeverGetsItsSamplesCallsAPerson(t *testing.T) {
	w := newAnalyst(t)
	out := w.traffic(0, 0, 0)
	require.Equal(t, activities.WatchUnknown, out.Why)
	require.Contains(t, out.Reason, "analysis inconclusive")
	require.True(t, w.now.After(w.in.Until))
}

func TestAnalysisThatCannotReadItsSamplesIsNoPass(t *testing.T) {
	w := newAnalyst(t)
	prometheus := compareErrors("saturation", 1, false)
	prometheus.Errors, prometheus.Prometheus = nil, &spec.PrometheusSource{URL: "http://127.0.0.1:1", Query: "load{fleet=\"$fleet\"}", Step: ms(15_000), Timeout: ms(1_000)}
	w.in.Analysis.Compare = append(w.in.Analysis.Compare, prometheus)
	w.in.Until = w.now.Add(7 * time.Minute)
	out := w.traffic(100, 0, 400)
	require.Equal(t, activities.WatchUnknown, out.Why)
	require.Equal(t, release.Pass, out.Compared[0].Verdict)
	require.Equal(t, release.Inconclusive, out.Compared[1].Verdict)
	require.Contains(t, out.Compared[1].Value, "can't be read")
}

func TestAnalysisDoesNotTakeAFailedReadForSamples(t *testing.T) {
	w := newAnalyst(t)
	w.look()
	w.cloud.Fail("Router.Requests", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: 3})
	out := w.traffic(100, 0, 400)
	require.Equal(t, activities.WatchDone, out.Why)
	require.Less(t, len(out.Watched.Samples[0].Candidate), 10, "looks that could not read gave none")
}

func TestASingleWorseComparisonIsEvidenceAndNoVerdict(t *testing.T) {
	w := newAnalyst(t)
	pass := spec.Percent(80)
	w.in.Analysis.Pass = &pass
	better := compareErrors("good", 9, false)
	better.Worse = spec.WorseLower // more failures are fine here
	w.in.Analysis.Compare = append(w.in.Analysis.Compare, better)
	out := w.traffic(100, 10, 400)
	require.Equal(t, activities.WatchDone, out.Why)
	require.Equal(t, release.Fail, out.Compared[0].Verdict)
	require.Equal(t, release.Pass, out.Compared[1].Verdict)

	w = newAnalyst(t)
	w.in.Analysis.Pass = &pass
	w.in.Analysis.Compare = []spec.Comparison{compareErrors("errors", 1, true), better}
	require.Equal(t, activities.WatchBreach, w.traffic(100, 10, 400).Why, "a critical one is")
}

func TestSamplesOfAnotherShareAreForgotten(t *testing.T) {
	w := newAnalyst(t)
	w.in.Before = release.Watched{Moved: w.now.Add(-time.Hour), Samples: []release.Samples{{Name: "errors", Candidate: []float64{1, 1}, Live: []float64{0, 0}}},
		Sampled: []release.Sampled{{Name: "errors", Candidate: release.Requests{At: w.now.Add(-time.Hour)}, Live: release.Requests{At: w.now.Add(-time.Hour)}}}}
	w.look()
	require.Empty(t, w.memory.Samples[0].Candidate)
	w.in.Before = *w.memory
	w.now = w.now.Add(time.Minute)
	w.cloud.Count(region, target, green, 100, 0, 0)
	w.cloud.Count(region, target, blue, 100, 0, 0)
	w.look()
	require.Equal(t, []float64{0}, w.memory.Samples[0].Candidate, "those of this share stay")
}

func TestAnalysisByLatencyAsksBothFleetsThroughTheRouter(t *testing.T) {
	w := newAnalyst(t)
	w.cloud.Change(region, blue, func(f *release.Fleet) {
		f.Instances[0].Address = server(t, func(http.ResponseWriter, *http.Request) {})
	})
	slow := compareErrors("latency", 1, false)
	slow.Errors, slow.Latency = nil, &spec.LatencySource{Path: "/", Requests: 10, Timeout: ms(10_000)}
	w.in.Analysis.Compare = []spec.Comparison{slow}
	w.in.Checks = []spec.Check{{Name: "port", TCP: &spec.TCPCheck{Timeout: ms(10_000)}}}
	w.healthy.Store(false) // every answer of the candidate is an error
	w.in.Soak.Breach = new(spec.Duration)
	out, _ := w.look()
	require.Equal(t, activities.WatchBreach, out.Why, "no answer counts as the timeout")
	require.Equal(t, release.Fail, out.Compared[0].Verdict)
}

func TestChecksOfAWatchAreAskedAtTheirOwnIntervals(t *testing.T) {
	w := newWatcher(t)
	address, asked := scripted(t, 200, 500, 500, 200)
	w.cloud.Change(region, green, func(f *release.Fleet) { f.Instances[0].Address = address })
	w.in.Checks = []spec.Check{health(spec.Duration(3*time.Minute), 1, 1)}
	for range 6 {
		_, again := w.look()
		require.Positive(t, again)
		w.now = w.now.Add(time.Minute)
	}
	require.EqualValues(t, 2, asked.Load())
	require.Zero(t, w.memory.Bad, "one bad answer is put up with")
	w.look()
	require.Equal(t, 1, w.memory.Bad, "a second is not")
}
