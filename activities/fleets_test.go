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
	"github.com/switchyard/switchyard/release/spec"
)

func provisionInput() activities.ProvisionInput {
	return activities.ProvisionInput{
		Place: place, Fleet: green, Image: "sha256:r2", Version: "2.0.0", Instances: 3,
		Spec: spec.Fleet{Command: []string{"/bin/checkout"}, HealthPath: "/healthz"}, Within: ms(60_000),
	}
}

func TestProvisionWaitsForEveryInstance(t *testing.T) {
	b := newBench(t)
	b.cloud.ReadyAfter = 5
	fleet, err := run[release.Fleet](b, activities.Provision, provisionInput())
	require.NoError(t, err)
	require.Equal(t, 3, fleet.InService())
	require.Equal(t, "r2", fleet.Release)
	require.GreaterOrEqual(t, b.cloud.Calls("Fleets.Describe"), 6, "in service is believed when it is seen twice")
}

func TestProvisionAfterALostAnswerMakesNoSecondFleet(t *testing.T) {
	b := newBench(t)
	b.cloud.Fail("Fleets.Provision", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	_, err := run[release.Fleet](b, activities.Provision, provisionInput())
	requireKind(t, err, string(platform.KindAmbiguous), false)
	made, ok := b.cloud.Fleet(region, green)
	require.True(t, ok)

	b.newAttempt()
	fleet, err := run[release.Fleet](b, activities.Provision, provisionInput())
	require.NoError(t, err)
	require.Equal(t, made.Instances[0].ID, fleet.Instances[0].ID)
	again, err := run[release.Fleet](b, activities.Provision, provisionInput())
	require.NoError(t, err)
	require.Equal(t, fleet, again)
}

func TestProvisionNotReadyNamesEveryInstancesReason(t *testing.T) {
	b := newBench(t)
	b.cloud.Stick(region, green, "exit code 3")
	in := provisionInput()
	in.Within = ms(20)
	_, err := run[release.Fleet](b, activities.Provision, in)
	app := requireKind(t, err, activities.ErrNotReady, true)
	require.Contains(t, app.Error(), "0 of 3 instances in service")
	require.Contains(t, app.Error(), "i-1 unhealthy: exit code 3")
	require.Contains(t, app.Error(), "i-3 unhealthy: exit code 3")
}

func TestProvisionNeverTakesAFailedReadForReady(t *testing.T) {
	b := newBench(t)
	b.cloud.Fail("Fleets.Describe", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
	in := provisionInput()
	in.Within = ms(20)
	_, err := run[release.Fleet](b, activities.Provision, in)
	app := requireKind(t, err, activities.ErrNotReady, true)
	require.Contains(t, app.Error(), "can't be read")
}

func TestProvisionOfANameThatIsTakenIsFinal(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(green, "somebody", 1))
	_, err := run[release.Fleet](b, activities.Provision, provisionInput())
	requireKind(t, err, activities.ErrNotReady, true)
}

func TestAnUnknownPlatformIsFinal(t *testing.T) {
	b := newBench(t)
	in := provisionInput()
	in.Place.Platform = "moon"
	_, err := run[release.Fleet](b, activities.Provision, in)
	app := requireKind(t, err, string(platform.KindInvalid), true)
	require.Contains(t, app.Error(), "this worker knows: fake")
}

func capacityInput() activities.CapacityInput {
	return activities.CapacityInput{Place: place, Fleet: green, Carrying: blue, Least: 2, Within: ms(60_000)}
}

func TestCapacityOfAnEqualFleetIsProvenWithOneLook(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 3))
	b.cloud.Place(fleetOf(green, "r2", 3))
	parity, err := run[release.Parity](b, activities.Capacity, capacityInput())
	require.NoError(t, err)
	require.Equal(t, release.Parity{Fleet: green, Need: 3, Load: 3, Carrying: 3, Desired: 3, InService: 3}, parity)
	require.Equal(t, 2, b.cloud.Calls("Fleets.Describe"))
	for _, name := range []string{blue, green} {
		f, _ := b.cloud.Fleet(region, name)
		require.Equal(t, "r2", f.ScaleInHeld, name)
	}
	_, err = run[release.Parity](b, activities.Capacity, capacityInput())
	require.NoError(t, err, "the same release asks again")
}

func TestCapacityGrowsAFleetThatIsTooSmallForTodaysLoad(t *testing.T) {
	b := newBench(t)
	b.cloud.ReadyAfter = 3
	b.cloud.Place(fleetOf(blue, "r1", 6))
	b.cloud.Place(fleetOf(green, "r2", 3))
	b.cloud.Fail("Fleets.Resize", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	parity, err := run[release.Parity](b, activities.Capacity, capacityInput())
	require.NoError(t, err)
	require.True(t, parity.Enough())
	require.Equal(t, 6, parity.InService)
	require.Equal(t, 1, b.cloud.Calls("Fleets.Resize"), "an answer that was lost is not asked for again: the fleet is read")
}

func TestCapacityThatCannotBeReadIsNotEnough(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 1))
	b.cloud.Place(fleetOf(green, "r2", 9))
	b.cloud.Fail("Fleets.Describe", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
	in := capacityInput()
	in.Within = ms(10)
	_, err := run[release.Parity](b, activities.Capacity, in)
	requireKind(t, err, activities.ErrCapacity, true)
}

func TestCapacityMissingSaysHowMuch(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 4))
	b.cloud.Place(fleetOf(green, "r2", 2))
	b.cloud.Stick(region, green, "no room")
	in := capacityInput()
	in.Within = ms(10)
	_, err := run[release.Parity](b, activities.Capacity, in)
	app := requireKind(t, err, activities.ErrCapacity, true)
	require.Contains(t, app.Error(), "the load needs 4")
}

func TestCapacityDoesNotWaitForAHoldThatAnotherReleaseLeftBehind(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 2))
	b.cloud.Place(fleetOf(green, "r2", 2))
	require.NoError(t, b.cloud.Platform("fake").Fleets.HoldScaleIn(t.Context(), region, blue, "r1"))
	_, err := run[release.Parity](b, activities.Capacity, capacityInput())
	app := requireKind(t, err, activities.ErrCapacity, true)
	require.ErrorContains(t, app, "r1 holds it")
	require.ErrorContains(t, app, "end its hold")
}

func TestCapacityOfAFleetThatIsGoneIsFinal(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 4))
	_, err := run[release.Parity](b, activities.Capacity, capacityInput())
	requireKind(t, err, activities.ErrCapacity, true)
}

func TestCapacityWithoutACarryingFleetNeedsWhatTheSpecSays(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(green, "r2", 2))
	parity, err := run[release.Parity](b, activities.Capacity, capacityInput())
	require.NoError(t, err)
	require.Equal(t, 2, parity.Need)
}

func TestCapacityOfAShareGrowsToItsPartOfTheLoad(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 8))
	b.cloud.Place(fleetOf(green, "r2", 1))
	in := capacityInput()
	in.Least, in.Share = 1, 30
	parity, err := run[release.Parity](b, activities.Capacity, in)
	require.NoError(t, err)
	require.Equal(t, release.Parity{Fleet: green, Need: 3, Load: 8, Carrying: 8, Desired: 3, InService: 3}, parity)

	in.Share = 10
	parity, err = run[release.Parity](b, activities.Capacity, in)
	require.NoError(t, err)
	require.Equal(t, 3, parity.InService, "a fleet that is bigger than its share needs is left alone")
	require.Equal(t, 1, b.cloud.Calls("Fleets.Resize"))
}

func TestReleaseHoldsTriesEveryFleet(t *testing.T) {
	b := newBench(t)
	held := fleetOf(green, "r2", 1)
	held.ScaleInHeld = "r2"
	b.cloud.Place(held)
	foreign := fleetOf("other", "r9", 1)
	foreign.ScaleInHeld = "r9"
	b.cloud.Place(foreign)
	b.cloud.Fail("Fleets.ReleaseScaleIn", fakeplatform.Fault{Err: fakeplatform.Throttled})
	in := activities.HoldsInput{Place: place, Fleets: []string{blue, green, "other"}}
	requireKind(t, act(b, activities.ReleaseHolds, in), string(platform.KindThrottled), false)
	f, _ := b.cloud.Fleet(region, green)
	require.Empty(t, f.ScaleInHeld, "the failure of the first did not keep the second")
	require.NoError(t, act(b, activities.ReleaseHolds, in))
	f, _ = b.cloud.Fleet(region, "other")
	require.Equal(t, "r9", f.ScaleInHeld, "a hold of another release stays")
}

func retireInput() activities.RetireInput {
	return activities.RetireInput{Place: place, Fleet: blue, Drain: ms(20), Quiet: ms(10), Within: ms(60_000)}
}

func retireBench(t *testing.T) *bench {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 2))
	b.cloud.SetShares(region, target, release.Weights{{Fleet: green, Percent: 100}})
	b.cloud.Count(region, target, blue, 1000, 0, 0)
	return b
}

func TestRetireProvesQuietAndReturnsWhenTheFleetIsGone(t *testing.T) {
	b := retireBench(t)
	b.cloud.Linger(region, blue, 3)
	out, err := run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
	require.False(t, out.Absent)
	require.EqualValues(t, 1000, out.Requests.Total)
	require.GreaterOrEqual(t, b.cloud.Calls("Router.Requests"), 2)
	require.GreaterOrEqual(t, b.cloud.Calls("Fleets.Describe"), 4, "removal is believed when the fleet is not found")

	out, err = run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
	require.True(t, out.Absent)
}

func TestRetireAfterALostAnswerSucceeds(t *testing.T) {
	b := retireBench(t)
	b.cloud.Fail("Fleets.Retire", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	_, err := run[activities.Retired](b, activities.Retire, retireInput())
	requireKind(t, err, string(platform.KindAmbiguous), false)
	_, err = run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
}

func TestRetireRefusesAFleetWithAShare(t *testing.T) {
	b := retireBench(t)
	b.cloud.SetShares(region, target, release.Weights{{Fleet: blue, Percent: 1}, {Fleet: green, Percent: 99}})
	_, err := run[activities.Retired](b, activities.Retire, retireInput())
	requireKind(t, err, activities.ErrStillTraffic, true)
	require.Zero(t, b.cloud.Calls("Fleets.Retire"))
}

// busy is a router that has counted another request at every reading.
type busy struct {
	platform.Router
	total uint64
}

func (r *busy) Requests(context.Context, string, release.Target) ([]release.Requests, error) {
	r.total++
	return []release.Requests{{Fleet: blue, Total: r.total, At: time.Now()}}, nil
}

func TestRetireRefusesAFleetThatStillGetsRequests(t *testing.T) {
	b := retireBench(t)
	p := b.cloud.Platform("fake")
	p.Router = &busy{Router: p.Router}
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	in := retireInput()
	in.Within = ms(50)
	_, err := run[activities.Retired](b, activities.Retire, in)
	requireKind(t, err, activities.ErrStillTraffic, true)
	_, there := b.cloud.Fleet(region, blue)
	require.True(t, there)
}

func TestRetireGivesOpenRequestsTheDrainTimeAndNoMore(t *testing.T) {
	b := retireBench(t)
	b.cloud.Count(region, target, blue, 0, 0, 3)
	began := time.Now()
	_, err := run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), retireInput().Drain.Std())
}

func TestRetireWithoutCountersRemovesNothing(t *testing.T) {
	for _, call := range []string{"Router.Requests", "Router.Weights", "Fleets.Describe"} {
		b := retireBench(t)
		b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
		in := retireInput()
		in.Within = ms(20)
		_, err := run[activities.Retired](b, activities.Retire, in)
		requireKind(t, err, string(platform.KindThrottled), false)
		_, there := b.cloud.Fleet(region, blue)
		require.True(t, there, call)
	}
}

// A carrying fleet that has a share, and more instances than it was given for it, shows
// how large the load has become.
func TestCapacityCountsTheLoadThatAShareShows(t *testing.T) {
	b := newBench(t)
	b.cloud.Place(fleetOf(blue, "r1", 4)) // half of the traffic; it was given two instances
	b.cloud.Place(fleetOf(green, "r2", 4))
	in := capacityInput()
	in.CarryingHas, in.CarryingMade = 50, 2
	parity, err := run[release.Parity](b, activities.Capacity, in)
	require.NoError(t, err)
	require.Equal(t, 8, parity.Need)
	require.Equal(t, 8, parity.InService)
}
