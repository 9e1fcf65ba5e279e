package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

var (
	allBlue  = release.Weights{{Fleet: blue, Percent: 100}}
	allGreen = release.Weights{{Fleet: blue, Percent: 0}, {Fleet: green, Percent: 100}}
)

func shiftBench(t *testing.T) (*bench, activities.ShiftInput) {
	b := newBench(t)
	b.cloud.SetShares(region, target, allBlue)
	b.cloud.Count(region, target, green, 12, 1, 0)
	return b, activities.ShiftInput{Place: place, Expected: allBlue, Want: allGreen}
}

func TestShiftReadsBackWhatIsInForce(t *testing.T) {
	b, in := shiftBench(t)
	out, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err)
	require.True(t, out.Weights.Equal(allGreen))
	require.EqualValues(t, 12, out.Requests[0].Total)
	require.False(t, out.At.IsZero())
	_, err = run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err, "shares that are as wanted are a success")
}

func TestShiftWhoseAnswerWasLostIsBelievedWhenReadBack(t *testing.T) {
	b, in := shiftBench(t)
	b.cloud.Fail("Router.SetWeights", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	out, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err)
	require.True(t, out.Weights.Equal(allGreen))
}

func TestShiftThatHadNoEffectIsRetried(t *testing.T) {
	b, in := shiftBench(t)
	b.cloud.Fail("Router.SetWeights", fakeplatform.Fault{Err: fakeplatform.Lost})
	_, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	requireKind(t, err, string(platform.KindAmbiguous), false)
	_, err = run[activities.Shift](b, activities.ShiftTraffic, in)
	require.NoError(t, err)
}

func TestShiftNeverBelievesAnAnswerItCannotReadBack(t *testing.T) {
	b, in := shiftBench(t)
	b.cloud.Fail("Router.Weights", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	requireKind(t, err, string(platform.KindThrottled), false)
}

func TestShiftDoesNotOverwriteSomebodyElsesChange(t *testing.T) {
	b, in := shiftBench(t)
	others := release.Weights{{Fleet: blue, Percent: 50}, {Fleet: "hotfix", Percent: 50}}
	b.cloud.SetShares(region, target, others)
	_, err := run[activities.Shift](b, activities.ShiftTraffic, in)
	app := requireKind(t, err, activities.ErrOutOfBand, true)
	require.Contains(t, app.Error(), "hotfix 50 %")
	require.Contains(t, app.Error(), green+" 100 %")
}
