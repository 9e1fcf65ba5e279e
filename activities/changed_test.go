package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// vanishing are fleets that somebody removes after so many looks. from then on every
// look fails with the error.
type vanishing struct {
	platform.Fleets
	looks int
	err   error
}

func (f *vanishing) Describe(ctx context.Context, region, name string) (release.Fleet, error) {
	if f.looks--; f.looks < 0 {
		return release.Fleet{}, f.err
	}
	return f.Fleets.Describe(ctx, region, name)
}

func vanish(b *bench, looks int, err error) {
	p := b.cloud.Platform("fake")
	p.Fleets = &vanishing{Fleets: p.Fleets, looks: looks, err: err}
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
}

func TestProvisionDoesNotWaitForAFleetThatSomebodyRemoved(t *testing.T) {
	b := newBench(t)
	b.cloud.Stick(region, green, "starting")
	vanish(b, 2, platform.NotFound("describe", green))
	_, err := run[release.Fleet](b, activities.Provision, provisionInput())
	app := requireKind(t, err, activities.ErrNotReady, true)
	require.Contains(t, app.Error(), "somebody removed it while it was coming up")
}

func TestProvisionSaysThatAFleetItCannotReadWasThereBefore(t *testing.T) {
	b := newBench(t)
	b.cloud.Stick(region, green, "starting")
	vanish(b, 2, fakeplatform.Throttled)
	in := provisionInput()
	in.Within = ms(20)
	_, err := run[release.Fleet](b, activities.Provision, in)
	app := requireKind(t, err, activities.ErrNotReady, true)
	require.Contains(t, app.Error(), "it was there before: somebody may have removed it")
}

func TestCapacityTellsWhatSomebodyChangedWhileTheFleetWaited(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*release.Fleet)
		says   string
	}{
		"nothing":           {func(*release.Fleet) {}, ""},
		"instance replaced": {func(f *release.Fleet) { f.Instances[0].ID = "another" }, "instance " + green + "-a of " + green + " went away after the fleet was ready"},
		"made smaller":      {func(f *release.Fleet) { f.Desired, f.Instances = 2, f.Instances[:2] }, "somebody changed it. It was brought back to what the load needs"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cloud.Place(fleetOf(blue, "r1", 3))
			b.cloud.Place(fleetOf(green, "r2", 3))
			in := capacityInput()
			in.Made = 3
			f, _ := b.cloud.Fleet(region, green)
			in.Known = release.Known(f)
			b.cloud.Change(region, green, c.change)
			parity, err := run[release.Parity](b, activities.Capacity, in)
			require.NoError(t, err)
			require.Equal(t, 3, parity.InService)
			if c.says == "" {
				require.Empty(t, parity.Notices)
				return
			}
			require.Len(t, parity.Notices, 1)
			require.Contains(t, parity.Notices[0], c.says)
		})
	}
}

func TestRetireOfAFleetThatIsGoneRemovesWhatIsLeftOfIt(t *testing.T) {
	b := newBench(t)
	out, err := run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
	require.True(t, out.Absent)
	require.Equal(t, 1, b.cloud.Calls("Fleets.Retire"), "a launch template may be left")

	b.cloud.Fail("Fleets.Retire", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err = run[activities.Retired](b, activities.Retire, retireInput())
	requireKind(t, err, string(platform.KindThrottled), false)
}

func TestWatchTakesAFleetThatSomebodyMadeSmallerForNoFailure(t *testing.T) {
	w := newWatcher(t)
	w.in.Least = 2
	w.cloud.Place(fleetOf(blue, "r1", 2))
	out, _ := w.look()
	require.Equal(t, activities.WatchNoticed, out.Why)
	require.Contains(t, out.Reason, "somebody changed it")

	w.in.Noticed, w.in.Before, w.memory = out.Noticed, out.Watched, nil
	for range 10 {
		_, again := w.look()
		require.Equal(t, time.Minute, again, "it was told once, and is no breach")
		w.now = w.now.Add(again)
		w.cloud.Count(region, target, green, 1000, 0, 0)
	}
}

func TestWatchTakesAnInstanceThatStaysAwayForAFailure(t *testing.T) {
	w := newWatcher(t)
	w.in.Least = 2
	w.cloud.Place(fleetOf(blue, "r1", 2))
	w.cloud.Change(region, green, func(f *release.Fleet) { f.Desired = 2 })
	w.cloud.Stick(region, green, "no room")
	var told []string
	for {
		out := w.until()
		if out.Why == activities.WatchBreach {
			break
		}
		require.Equal(t, activities.WatchNoticed, out.Why)
		told = append(told, out.Noticed...)
		w.in.Noticed, w.in.Before, w.memory = out.Noticed, out.Watched, nil
	}
	require.Len(t, told, 1)
	require.Contains(t, told[0], "fewer instances in service than it should have")
}

func TestWatchDoesNotBlameAnybodyForTheSharesOfAFleetThatIsGone(t *testing.T) {
	w := newWatcher(t)
	w.in.Fleet = "gone"
	w.cloud.SetShares(region, target, nil)
	out := w.until()
	require.Equal(t, activities.WatchBreach, out.Why)
	require.Contains(t, out.Reason, "the fleet is not there")
}
