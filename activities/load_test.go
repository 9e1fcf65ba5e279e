package activities_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func TestMeasureLoadAddsRegionsUpAndLeavesOutWhatIsNotKnownInAll(t *testing.T) {
	b := newBench(t)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	step := func(n int, requests float64) release.Load {
		return release.Load{At: begin.Add(time.Duration(n) * 15 * time.Minute), Requests: requests}
	}
	b.cloud.SetLoad("local-a", target, step(0, 10), step(1, 20), step(2, 30), step(3, math.NaN()), step(4, 50))
	b.cloud.SetLoad("local-b", target, step(4, 5), step(3, 4), step(1, 0), step(0, 1))
	in := activities.MeasureInput{Place: place, Regions: []string{"local-a", "local-b"}, Since: begin, Until: begin.Add(24 * time.Hour)}
	out, err := run[activities.Measured](b, activities.MeasureLoad, in)
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, out.Step.Std())
	require.Equal(t, []release.Load{step(0, 11), step(1, 20), step(4, 55)}, out.Curve)

	in.Since, in.Until = begin.Add(time.Minute), begin.Add(74*time.Minute)
	out, err = run[activities.Measured](b, activities.MeasureLoad, in)
	require.NoError(t, err)
	require.Equal(t, []release.Load{step(1, 20)}, out.Curve, "steps that lie in the time as a whole")

	in.Until = in.Since
	out, err = run[activities.Measured](b, activities.MeasureLoad, in)
	require.NoError(t, err)
	require.Empty(t, out.Curve)
}

func TestMeasureLoadTakesNoFailedReadForNoTraffic(t *testing.T) {
	b := newBench(t)
	b.cloud.Fail("Router.Load", fakeplatform.Fault{Err: fakeplatform.Throttled})
	now := time.Now()
	_, err := run[activities.Measured](b, activities.MeasureLoad, activities.MeasureInput{Place: place, Regions: []string{"local-a"}, Since: now.Add(-24 * time.Hour), Until: now})
	requireKind(t, err, string(platform.KindThrottled), false)
}

func TestMeasureLoadLooksBackForTwoWeeksAtMost(t *testing.T) {
	b := newBench(t)
	until := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	old, young := until.Add(-15*24*time.Hour), until.Add(-14*24*time.Hour)
	b.cloud.SetLoad(region, target, release.Load{At: old, Requests: 1}, release.Load{At: young, Requests: 2})
	out, err := run[activities.Measured](b, activities.MeasureLoad, activities.MeasureInput{Place: place, Regions: []string{region}, Since: until.AddDate(0, -1, 0), Until: until})
	require.NoError(t, err)
	require.Equal(t, []release.Load{{At: young, Requests: 2}}, out.Curve)
}

func TestShiftTellsHowLongNewInstancesTakeToGetTheirPart(t *testing.T) {
	b, in := shiftBench(t)
	b.cloud.Traits.SlowStart = 30 * time.Second
	out, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, out.SlowStart.Std())

	b.cloud.Fail("Router.Traits", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err = run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err, "traffic has moved all the same")
}
