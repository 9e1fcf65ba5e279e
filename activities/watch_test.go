package activities_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// watcher makes one attempt after the other at a watch, as the server does, on a
// clock of its own.
type watcher struct {
	*bench
	in      activities.WatchInput
	healthy atomic.Bool
	now     time.Time

	mu     sync.Mutex
	memory *release.Watched // as the last attempt's heartbeat left it
}

func newWatcher(t *testing.T) *watcher {
	w := &watcher{bench: newBench(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.healthy.Store(true)
	w.all.Checks.Now = func() time.Time { return w.now }
	w.cloud.Now = w.all.Checks.Now
	serving(w.bench, server(t, func(rw http.ResponseWriter, _ *http.Request) {
		if !w.healthy.Load() {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	w.cloud.Place(fleetOf(blue, "r1", 1))
	w.cloud.SetShares(region, target, allGreen)
	w.cloud.Count(region, target, green, 100, 0, 0)
	rate, least := spec.Percent(1), 20
	breach := spec.Duration(3 * time.Minute)
	w.in = activities.WatchInput{
		Place: place, Fleet: green, Previous: blue, Least: 1, HealthPath: "/healthz",
		Soak:     spec.Soak{Interval: spec.Duration(time.Minute), Breach: &breach, MaxErrorRate: &rate, MinRequests: &least},
		Baseline: release.Requests{Fleet: green, Total: 100, At: w.now.Add(-time.Second)}, Weights: allGreen,
	}
	return w
}

// look makes one attempt. An attempt that goes on answers the delay to the next.
func (w *watcher) look() (activities.Watch, time.Duration) {
	w.t.Helper()
	w.newAttempt()
	if w.memory != nil {
		w.env.SetHeartbeatDetails(*w.memory)
	}
	w.env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		w.mu.Lock()
		defer w.mu.Unlock()
		var m release.Watched
		if details.Get(&m) == nil {
			w.memory = &m
		}
	})
	out, err := run[activities.Watch](w.bench, activities.WatchFleet, w.in)
	if err == nil {
		return out, 0
	}
	var app *temporal.ApplicationError
	require.ErrorAs(w.t, err, &app)
	require.Equal(w.t, activities.ErrLooksGood, app.Type(), app.Error())
	require.False(w.t, app.NonRetryable())
	require.Equal(w.t, temporal.ApplicationErrorCategoryBenign, app.Category())
	require.Positive(w.t, app.NextRetryDelay())
	return out, app.NextRetryDelay()
}

// until looks, letting the asked-for time pass, until the watch ends.
func (w *watcher) until() activities.Watch {
	w.t.Helper()
	for range 200 {
		out, again := w.look()
		if again == 0 {
			return out
		}
		w.now = w.now.Add(again)
	}
	require.Fail(w.t, "the watch does not end")
	return activities.Watch{}
}

func TestWatchGoesOnWhileAllIsWell(t *testing.T) {
	w := newWatcher(t)
	for range 5 {
		_, again := w.look()
		require.Equal(t, time.Minute, again)
		w.now = w.now.Add(again)
		w.cloud.Count(region, target, green, 1000, 2, 0)
	}
	require.Equal(t, 5, w.memory.Looks)
	require.Zero(t, w.memory.Bad)
}

func TestWatchSaysThatTheRouterHasNoCountsOfAFleet(t *testing.T) {
	w := newWatcher(t)
	w.in.Fleet, w.in.Since = "nobody", w.now
	out := w.until()
	require.Equal(t, activities.WatchBreach, out.Why)
	require.Contains(t, out.Reason, "error-rate inconclusive: the router has no counts of it")
}

func TestWatchBreachesWhenFailureLasts(t *testing.T) {
	w := newWatcher(t)
	w.look()
	w.healthy.Store(false)
	began := w.now
	out := w.until()
	require.Equal(t, activities.WatchBreach, out.Why)
	require.Equal(t, 3*time.Minute, w.now.Sub(began), "not later than the spec says")
	require.Contains(t, out.Reason, "status 500")
	require.Equal(t, began, out.Watched.BadSince)
}

func TestWatchForgivesAFailureThatPasses(t *testing.T) {
	w := newWatcher(t)
	w.healthy.Store(false)
	_, again := w.look()
	require.Less(t, again, time.Minute, "a failure is looked at more often")
	w.healthy.Store(true)
	w.now = w.now.Add(time.Minute)
	w.look()
	require.Zero(t, w.memory.BadSince)
	require.Equal(t, 1, w.memory.Bad)
}

func TestWatchWithoutPatienceBreachesAtOnce(t *testing.T) {
	w := newWatcher(t)
	w.in.Soak.Breach = new(spec.Duration)
	w.healthy.Store(false)
	out, _ := w.look()
	require.Equal(t, activities.WatchBreach, out.Why)
}

func TestWatchBreachesOnTheErrorsOfUsers(t *testing.T) {
	w := newWatcher(t)
	began := w.now
	for range 100 {
		w.cloud.Count(region, target, green, 60, 6, 0)
		out, again := w.look()
		if again == 0 {
			require.Equal(t, activities.WatchBreach, out.Why)
			require.Contains(t, out.Reason, "6 of 60 requests failed (10.00 %)")
			require.Equal(t, 3*time.Minute, w.now.Sub(began))
			return
		}
		w.now = w.now.Add(again)
	}
	require.Fail(t, "no breach")
}

func TestWatchDoesNotTakeAShortLookForARecovery(t *testing.T) {
	w := newWatcher(t)
	w.cloud.Count(region, target, green, 60, 60, 0)
	_, again := w.look()
	since := w.memory.BadSince
	require.False(t, since.IsZero())
	w.now = w.now.Add(again)
	w.cloud.Count(region, target, green, 5, 5, 0) // too few to judge after a short time
	_, again = w.look()
	require.Equal(t, since, w.memory.BadSince, "the failure goes on until there is proof against it")
	w.now = w.now.Add(again)
	w.cloud.Count(region, target, green, 15, 15, 0)
	w.look()
	require.Equal(t, 2, w.memory.Bad, "requests of both looks together are judged")
}

func TestWatchReportsSharesThatSomebodyChanged(t *testing.T) {
	w := newWatcher(t)
	w.cloud.SetShares(region, target, allBlue)
	out, _ := w.look()
	require.Equal(t, activities.WatchOutOfBand, out.Why)
	require.True(t, out.Weights.Equal(allBlue))
	require.Contains(t, out.Reason, blue+" 100 %")
}

func TestWatchReportsWhenARollbackWouldNoLongerWorkAndWhenItWouldAgain(t *testing.T) {
	w := newWatcher(t)
	w.look()
	w.cloud.Change(region, blue, func(f *release.Fleet) { f.Instances[0].State = release.InstanceUnhealthy })
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.False(t, out.Readiness.Ready)
	require.Contains(t, out.Reason, "no instance of "+blue)

	w.in.Known, w.in.Before, w.memory = out.Readiness, out.Watched, nil
	_, again := w.look()
	require.Positive(t, again, "what is known is not told again")
	w.cloud.Change(region, blue, func(f *release.Fleet) { f.Instances[0].State = release.InstanceInService })
	out, _ = w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.True(t, out.Readiness.Ready)
}

func TestWatchOfAFirstReleaseAsksForNoPreviousFleet(t *testing.T) {
	w := newWatcher(t)
	w.in.Previous = ""
	_, again := w.look()
	require.Equal(t, time.Minute, again)
}

func TestWatchThatCannotSeeSaysSoOnce(t *testing.T) {
	for _, call := range []string{"Fleets.Describe", "Router.Weights", "Router.Requests"} {
		w := newWatcher(t)
		w.look()
		w.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
		began := w.now
		out := w.until()
		require.Equal(t, activities.WatchUnknown, out.Why, call)
		require.GreaterOrEqual(t, w.now.Sub(began), 10*time.Minute)
		require.Contains(t, out.Reason, "can't be read")

		w.in.Before, w.memory = out.Watched, nil
		_, again := w.look()
		require.Positive(t, again, "the doubt was told")
	}
}

func TestWatchSaysAgainThatItCannotSeeAfterItSawBetween(t *testing.T) {
	w := newWatcher(t)
	w.in.Before.Unknown = w.now.Add(-time.Hour)
	out, _ := w.look()
	require.Equal(t, activities.WatchCertain, out.Why, "that the doubt is over is told")
	w.in.Before, w.memory = out.Watched, nil
	w.cloud.Fail("Router.Weights", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
	require.Equal(t, activities.WatchUnknown, w.until().Why)
}

func TestShortWatchEndsWellAtItsTime(t *testing.T) {
	w := newWatcher(t)
	w.in.Until = w.now.Add(90 * time.Second)
	out := w.until()
	require.Equal(t, activities.WatchDone, out.Why)
	require.Equal(t, w.in.Until, w.now)
}

func TestShortWatchDoesNotEndWellInAFailure(t *testing.T) {
	w := newWatcher(t)
	w.in.Until = w.now.Add(time.Minute)
	w.healthy.Store(false)
	began := w.now
	out := w.until()
	require.Equal(t, activities.WatchBreach, out.Why)
	require.Equal(t, 3*time.Minute, w.now.Sub(began))
}

func TestShortWatchDoesNotEndWellInDoubt(t *testing.T) {
	w := newWatcher(t)
	w.in.Until = w.now.Add(time.Minute)
	w.cloud.Fail("Router.Requests", fakeplatform.Fault{Err: errors.New("down"), Times: 3})
	require.Equal(t, activities.WatchDone, w.until().Why)
	require.True(t, w.now.After(w.in.Until))
}

func TestWatchCarriesAFailureOverFromAnEarlierWatch(t *testing.T) {
	w := newWatcher(t)
	w.healthy.Store(false)
	w.in.Before.BadSince = w.now.Add(-3 * time.Minute)
	out, _ := w.look()
	require.Equal(t, activities.WatchBreach, out.Why)
}

func TestWatchOfACandidateThatIsGoneFails(t *testing.T) {
	w := newWatcher(t)
	w.in.Fleet = "nobody"
	require.Equal(t, activities.WatchBreach, w.until().Why)
}
