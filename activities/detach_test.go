package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func TestDetachProvesQuietAndKeepsTheInstances(t *testing.T) {
	b := retireBench(t)
	out, err := run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err)
	require.False(t, out.Absent)
	require.EqualValues(t, 1000, out.Requests.Total)
	require.True(t, b.cloud.Detached(region, blue))
	f, there := b.cloud.Fleet(region, blue)
	require.True(t, there)
	require.Len(t, f.Instances, 2)

	_, err = run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err, "out of the route already")
	require.NoError(t, act(b, activities.Attach, activities.AttachInput{Place: place, Fleet: blue}))
	require.False(t, b.cloud.Detached(region, blue))
}

func TestDetachRefusesAFleetWithTraffic(t *testing.T) {
	b := retireBench(t)
	b.cloud.SetShares(region, target, release.Weights{{Fleet: blue, Percent: 1}, {Fleet: green, Percent: 99}})
	_, err := run[activities.Retired](b, activities.Detach, retireInput())
	requireKind(t, err, activities.ErrStillTraffic, true)

	b = retireBench(t)
	p := b.cloud.Platform("fake")
	p.Router = &busy{Router: p.Router}
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	in := retireInput()
	in.Within = ms(50)
	_, err = run[activities.Retired](b, activities.Detach, in)
	requireKind(t, err, activities.ErrStillTraffic, true)
	require.False(t, b.cloud.Detached(region, blue))
}

func TestDetachWithoutProofChangesNothing(t *testing.T) {
	for _, call := range []string{"Router.Requests", "Router.Weights", "Router.Traits", "Fleets.Describe"} {
		b := retireBench(t)
		b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
		in := retireInput()
		in.Within = ms(20)
		_, err := run[activities.Retired](b, activities.Detach, in)
		requireKind(t, err, string(platform.KindThrottled), false)
		require.Zero(t, b.cloud.Calls("Fleets.Detach"), call)
	}
}

func TestDetachAfterALostAnswerSucceeds(t *testing.T) {
	b := retireBench(t)
	b.cloud.Fail("Fleets.Detach", fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
	_, err := run[activities.Retired](b, activities.Detach, retireInput())
	requireKind(t, err, string(platform.KindAmbiguous), false)
	_, err = run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err)
}

func TestDetachOfAFleetThatIsGoneSucceeds(t *testing.T) {
	b := newBench(t)
	out, err := run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err)
	require.True(t, out.Absent)
	requireKind(t, act(b, activities.Attach, activities.AttachInput{Place: place, Fleet: blue}), activities.ErrNotReady, true)
}

func TestAttachWithoutAPlaceIsTriedAgain(t *testing.T) {
	b := retireBench(t)
	b.cloud.Fail("Fleets.Attach", fakeplatform.Fault{Err: platform.Conflict("attach fleet", blue, "both target groups are taken")})
	in := activities.AttachInput{Place: place, Fleet: blue}
	requireKind(t, act(b, activities.Attach, in), string(platform.KindConflict), false)
	require.NoError(t, act(b, activities.Attach, in))
}

func TestRetireOfAFleetThatIsStoppedAndOutOfTheRoute(t *testing.T) {
	b := shrinkBench(t, 2)
	_, err := run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err)
	require.NoError(t, act(b, activities.Shrink, shrinkInput(2, 0)))
	_, err = run[activities.Retired](b, activities.Retire, retireInput())
	require.NoError(t, err)
	_, there := b.cloud.Fleet(region, blue)
	require.False(t, there)
}

// faithful is a router with clients that stay with their fleet for some looks.
type faithful struct {
	platform.Router
	mu    sync.Mutex
	total uint64
	looks int
}

func (r *faithful) Requests(context.Context, string, release.Target) ([]release.Requests, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks--; r.looks >= 0 {
		r.total++
	}
	return []release.Requests{{Fleet: blue, Total: r.total, At: time.Now()}}, nil
}

func TestClientsThatStickToAFleetAreWaitedForByTheNextAttempt(t *testing.T) {
	b := retireBench(t)
	b.cloud.Traits.Sticky = time.Hour
	p := b.cloud.Platform("fake")
	clients := &faithful{Router: p.Router, looks: 1 << 20}
	p.Router = clients
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	in := retireInput()
	in.Within = ms(50)
	_, err := run[activities.Retired](b, activities.Detach, in)
	app := requireKind(t, err, "Unknown", false)
	require.Contains(t, app.Error(), "stay with it for up to 1h0m0s")

	clients.looks = 2
	b.newAttempt()
	_, err = run[activities.Retired](b, activities.Detach, retireInput())
	require.NoError(t, err)
}

func TestTheTimeOfClientsThatStickBeginsWithTheFirstAttempt(t *testing.T) {
	b := retireBench(t)
	b.cloud.Traits.Sticky = time.Hour
	p := b.cloud.Platform("fake")
	p.Router = &busy{Router: p.Router}
	b.all.Fleets.Platforms["fake"] = platform.Fixed(p)
	b.env.SetHeartbeatDetails(map[string]any{"since": time.Now().Add(-2 * time.Hour), "doing": "waiting"})
	in := retireInput()
	in.Within = ms(50)
	_, err := run[activities.Retired](b, activities.Detach, in)
	requireKind(t, err, activities.ErrStillTraffic, true)
}
