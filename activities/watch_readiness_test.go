package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func proving(t *testing.T) *watcher {
	w := newWatcher(t)
	w.in.Renew, w.in.From = spec.Duration(5*time.Minute), "1.0.0"
	return w
}

func noQuota() []platform.Finding {
	return []platform.Finding{{Subject: "vCPU quota", Problem: "1 is left", Advice: "raise it", Blocking: true}, {Subject: "key pair", Problem: "it is old"}}
}

// on goes on where a watch ended, as the workflow does.
func (w *watcher) on(out activities.Watch) {
	w.in.Known, w.in.Noticed, w.in.Before, w.memory = out.Readiness, out.Noticed, out.Watched, nil
}

func TestReadinessIsProvenInFullAtItsInterval(t *testing.T) {
	w := proving(t)
	for range 11 {
		_, again := w.look()
		require.Equal(t, time.Minute, again)
		w.now = w.now.Add(again)
	}
	require.Equal(t, 3, w.cloud.Calls("Fleets.Readiness"))
	w.in.Renew = 0
	w.look()
	require.Equal(t, 3, w.cloud.Calls("Fleets.Readiness"))
}

func TestReadinessThatAProofLostIsToldAndAskedForInEveryLook(t *testing.T) {
	w := proving(t)
	w.look()
	w.cloud.Readiness = noQuota()
	w.now = w.now.Add(4 * time.Minute)
	_, again := w.look()
	require.Positive(t, again, "the next proof is not due")
	w.now = w.now.Add(time.Minute)
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.Contains(t, out.Reason, "vCPU quota: 1 is left (raise it)")
	require.NotContains(t, out.Reason, "key pair", "a doubt stands against nothing")

	w.on(out)
	w.now = w.now.Add(time.Minute)
	_, again = w.look()
	require.Positive(t, again, "it is known")
	require.Equal(t, 3, w.cloud.Calls("Fleets.Readiness"))
	w.cloud.Readiness = nil
	w.now = w.now.Add(time.Minute)
	out, _ = w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.True(t, out.Readiness.Ready)
}

func TestReadinessThatCannotBeProvenStaysAsItIsKnown(t *testing.T) {
	w := proving(t)
	w.cloud.Fail("Fleets.Readiness", fakeplatform.Fault{Err: fakeplatform.Throttled})
	w.in.Until = w.now
	_, again := w.look()
	require.Positive(t, again, "neither lost, nor a good look")
	require.Equal(t, w.now, w.memory.Unknown)
	w.now = w.now.Add(again)
	require.Equal(t, activities.WatchDone, w.until().Why, "proven in the next look")

	w = proving(t)
	w.cloud.Readiness = noQuota()
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	w.on(out)
	w.cloud.Readiness = nil
	w.cloud.Fail("Fleets.Readiness", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, again = w.look()
	require.Positive(t, again, "a proof that failed brings nothing back")
	out, _ = w.look()
	require.True(t, out.Readiness.Ready)
}

func TestInstancesThatAreLostAreToldAlsoWhenTheProofCannotBeRead(t *testing.T) {
	w := proving(t)
	w.cloud.Fail("Fleets.Readiness", fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
	w.cloud.Change(region, blue, func(f *release.Fleet) { f.Instances[0].State = release.InstanceUnhealthy })
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.Contains(t, out.Reason, "no instance of "+blue)
}

func TestAVersionThatTheSchemaHasLeftBehindCanNotTakeTheTrafficBack(t *testing.T) {
	w := proving(t)
	w.in.Schema = release.Schema{Version: 7, Floor: 7, Builds: []release.Build{{Version: "1.0.0", Needs: 6}}}
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.Contains(t, out.Reason, "version 1.0.0 needs schema 6")

	w = proving(t)
	w.in.Schema = release.Schema{Version: 7, Floor: 6, Builds: []release.Build{{Version: "1.0.0", Needs: 6}}}
	_, again := w.look()
	require.Positive(t, again)
}

func TestAPreviousFleetThatTheReleaseShrankNeedsOnlyWhatItKept(t *testing.T) {
	w := proving(t)
	w.in.Least, w.in.Need = 1, 4
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	require.Contains(t, out.Reason, "today's load needs 4")

	w = proving(t)
	w.in.Least, w.in.Need, w.in.Keep = 1, 4, 1
	_, again := w.look()
	require.Positive(t, again)
	w.cloud.Change(region, blue, func(f *release.Fleet) { f.Instances = nil })
	out, _ = w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
}

func TestDoubtThatIsOverIsToldByTheNextWatchWhenSomethingElseCameFirst(t *testing.T) {
	w := newWatcher(t)
	w.in.Before.Unknown = w.now.Add(-time.Hour)
	w.cloud.Change(region, blue, func(f *release.Fleet) { f.Instances[0].State = release.InstanceUnhealthy })
	out, _ := w.look()
	require.Equal(t, activities.WatchReadiness, out.Why)
	w.on(out)
	w.now = w.now.Add(time.Minute)
	out, _ = w.look()
	require.Equal(t, activities.WatchCertain, out.Why)
	w.on(out)
	w.now = w.now.Add(time.Minute)
	_, again := w.look()
	require.Positive(t, again)
}
