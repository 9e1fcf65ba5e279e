package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func shrinkInput(expected, to int) activities.ShrinkInput {
	return activities.ShrinkInput{Place: place, Fleet: blue, Expected: expected, To: to, Within: ms(60_000)}
}

func shrinkBench(t *testing.T, instances int) *bench {
	b := newBench(t)
	f := fleetOf(blue, "r1", instances)
	f.ScaleInHeld = place.Release
	b.cloud.Place(f)
	b.cloud.SetShares(region, target, allGreen)
	return b
}

func TestShrinkKeepsTheFleetHeldAtItsNewSize(t *testing.T) {
	b := shrinkBench(t, 4)
	for range 2 { // the second time there is nothing left to do
		require.NoError(t, act(b, activities.Shrink, shrinkInput(4, 1)))
		f, _ := b.cloud.Fleet(region, blue)
		require.Equal(t, 1, f.Desired)
		require.Len(t, f.Instances, 1)
		require.Equal(t, place.Release, f.ScaleInHeld)
	}
	require.Equal(t, 1, b.cloud.Calls("Fleets.Resize"))
}

func TestShrinkToNothingLeavesNoHold(t *testing.T) {
	b := shrinkBench(t, 2)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(0, 0)))
	f, _ := b.cloud.Fleet(region, blue)
	require.Zero(t, f.Desired)
	require.Empty(t, f.ScaleInHeld)
}

func TestShrinkOfWhateverSizeLeavesASmallerFleetAlone(t *testing.T) {
	b := shrinkBench(t, 2)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(0, 3)))
	f, _ := b.cloud.Fleet(region, blue)
	require.Equal(t, 2, f.Desired)
	require.Zero(t, b.cloud.Calls("Fleets.Resize"))
}

func TestShrinkToNothingNeedsAFleetWithoutAShare(t *testing.T) {
	b := shrinkBench(t, 2)
	b.cloud.SetShares(region, target, release.Weights{{Fleet: blue, Percent: 5}, {Fleet: green, Percent: 95}})
	requireKind(t, act(b, activities.Shrink, shrinkInput(2, 0)), activities.ErrStillTraffic, true)
	require.Zero(t, b.cloud.Calls("Fleets.Resize"))
	require.NoError(t, act(b, activities.Shrink, shrinkInput(2, 1)), "a fleet with a share may get smaller")

	b.cloud.Fail("Router.Weights", fakeplatform.Fault{Err: fakeplatform.Throttled})
	requireKind(t, act(b, activities.Shrink, shrinkInput(1, 0)), string(platform.KindThrottled), false)
	f, _ := b.cloud.Fleet(region, blue)
	require.Equal(t, 1, f.Desired, "shares that can't be read are no shares of 0")
}

func TestShrinkDoesNotOverwriteSomebodyElsesSize(t *testing.T) {
	b := shrinkBench(t, 3)
	app := requireKind(t, act(b, activities.Shrink, shrinkInput(4, 1)), activities.ErrOutOfBand, true)
	var desired int
	require.NoError(t, app.Details(&desired))
	require.Equal(t, 3, desired)

	b.cloud.Change(region, blue, func(f *release.Fleet) { f.ScaleInHeld = "somebody" })
	app = requireKind(t, act(b, activities.Shrink, shrinkInput(3, 1)), activities.ErrOutOfBand, true)
	require.Contains(t, app.Error(), "who changed or holds it")
	f, _ := b.cloud.Fleet(region, blue)
	require.Equal(t, "somebody", f.ScaleInHeld)
}

func TestShrinkAfterALostAnswerCarriesOn(t *testing.T) {
	for _, call := range []string{"Fleets.ReleaseScaleIn", "Fleets.Resize", "Fleets.HoldScaleIn"} {
		for _, after := range []bool{false, true} {
			b := shrinkBench(t, 4)
			b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Lost, After: after})
			if err := act(b, activities.Shrink, shrinkInput(4, 2)); err != nil {
				requireKind(t, err, string(platform.KindAmbiguous), false)
			}
			b.newAttempt()
			require.NoError(t, act(b, activities.Shrink, shrinkInput(4, 2)), call)
			f, _ := b.cloud.Fleet(region, blue)
			require.Equal(t, 2, f.Desired)
			require.Equal(t, place.Release, f.ScaleInHeld, call)
		}
	}
}

func TestShrinkOfAFleetThatIsGone(t *testing.T) {
	b := newBench(t)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(2, 0)))
	requireKind(t, act(b, activities.Shrink, shrinkInput(2, 1)), activities.ErrOutOfBand, true)
	requireKind(t, act(b, activities.Shrink, shrinkInput(1, 2)), activities.ErrInvalidRequest, true)
}

// lingering are fleets whose instances take so many looks to end.
type lingering struct {
	platform.Fleets
	looks int
	extra []release.Instance
}

func (f *lingering) Describe(ctx context.Context, region, name string) (release.Fleet, error) {
	fleet, err := f.Fleets.Describe(ctx, region, name)
	if f.looks--; f.looks >= 0 {
		fleet.Instances = append(fleet.Instances, f.extra...)
	}
	return fleet, err
}

func TestShrinkWaitsUntilTheInstancesAreGone(t *testing.T) {
	b := shrinkBench(t, 2)
	p := b.cloud.Platform("fake")
	slow := &lingering{Fleets: p.Fleets, looks: 6, extra: []release.Instance{{ID: "i-old", State: release.InstanceTerminating}}}
	p.Fleets = slow
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(2, 1)))
	require.Negative(t, slow.looks)

	slow.looks = 1 << 20
	in := shrinkInput(1, 0)
	in.Within = ms(10)
	err := act(b, activities.Shrink, in)
	app := requireKind(t, err, "Unknown", false)
	require.Contains(t, app.Error(), "1 instances are left")
}

func TestShrinkHoldsNoFleetBeforeItsNewSizeIsRead(t *testing.T) {
	b := shrinkBench(t, 4)
	p := b.cloud.Platform("fake")
	p.Fleets = &stale{Fleets: p.Fleets, after: 1, answers: 3, t: t}
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(4, 2)))
	f, _ := b.cloud.Fleet(region, blue)
	require.Equal(t, place.Release, f.ScaleInHeld)
}

// stale are fleets that are read as they were for some looks after they were resized.
type stale struct {
	platform.Fleets
	t              *testing.T
	after, answers int
	old            release.Fleet
}

func (f *stale) Describe(ctx context.Context, region, name string) (release.Fleet, error) {
	fleet, err := f.Fleets.Describe(ctx, region, name)
	switch {
	case f.after > 0:
		f.after--
		f.old = fleet
	case f.answers > 0:
		f.answers--
		return f.old, err
	}
	return fleet, err
}

func (f *stale) HoldScaleIn(ctx context.Context, region, name, holder string) error {
	require.Zero(f.t, f.answers, "the size is not read yet")
	return f.Fleets.HoldScaleIn(ctx, region, name, holder)
}
