package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/workflows"
)

// recorded are the histories of each version, made by TestRecord of test/e2e from
// its code. One that is listed and missing fails, and so does one that is not listed.
var recorded = map[string][]string{
	"v1": {
		"aborted-in-bake", "canary", "cancelled-in-soak", "completed", "environment", "finished-early", "first", "migrated",
		"queued", "rejected", "rolled-back-by-breach", "rolled-back-by-order", "rolled-back-from-stop", "rolling",
	},
}

// forEachHistory calls test with every recorded history.
func forEachHistory(t *testing.T, test func(t *testing.T, name string, h *historypb.History)) {
	t.Helper()
	root := filepath.Join("testdata", "histories")
	versions, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, versions, len(recorded))
	for version, names := range recorded {
		files, err := filepath.Glob(filepath.Join(root, version, "*.json"))
		require.NoError(t, err)
		var found []string
		for _, f := range files {
			found = append(found, strings.TrimSuffix(filepath.Base(f), ".json"))
		}
		require.ElementsMatch(t, names, found)
		for _, name := range names {
			t.Run(version+"/"+name, func(t *testing.T) {
				test(t, name, historyOf(t, version, name))
			})
		}
	}
}

func historyOf(t *testing.T, version, name string) *historypb.History {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "histories", version, name+".json"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}

// silent keeps panics that are wanted out of the output; the error tells of others.
var silent = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

func replayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{})
	require.NoError(t, err)
	return r
}

// Releases that run when a worker is replaced go on with its code.
func TestRecordedHistoriesReplay(t *testing.T) {
	r := replayer(t)
	workflows.Register(r, false)
	forEachHistory(t, func(t *testing.T, _ string, h *historypb.History) {
		require.NoError(t, r.ReplayWorkflowHistory(silent, h))
	})
}

// The same by the pinned registration of versioned workers.
func TestRecordedHistoriesReplayVersioned(t *testing.T) {
	r := replayer(t)
	workflows.Register(r, true)
	require.NoError(t, r.ReplayWorkflowHistory(silent, historyOf(t, "v1", "completed")))
}

// What replay is for: a workflow whose steps changed is found out.
func TestAChangedWorkflowDoesNotReplay(t *testing.T) {
	changes := map[string]func(workflow.Context, release.ReleaseInput) (release.Summary, error){
		"another first step": func(ctx workflow.Context, in release.ReleaseInput) (release.Summary, error) {
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return release.Summary{}, err
			}
			return workflows.Release(ctx, in)
		},
		"a step after the last": func(ctx workflow.Context, in release.ReleaseInput) (release.Summary, error) {
			out, err := workflows.Release(ctx, in)
			_ = workflow.Sleep(ctx, time.Second)
			return out, err
		},
	}
	for name, changed := range changes {
		t.Run(name, func(t *testing.T) {
			r := replayer(t)
			r.RegisterWorkflowWithOptions(changed, workflow.RegisterOptions{Name: release.WorkflowRelease})
			require.Error(t, r.ReplayWorkflowHistory(silent, historyOf(t, "v1", "completed")))
		})
	}
}

// mostEvents bounds the history of a release of a few steps in one region, however long
// it soaks.
const mostEvents = 190

func TestHistoriesStaySmall(t *testing.T) {
	forEachHistory(t, func(t *testing.T, _ string, h *historypb.History) {
		require.NotEmpty(t, h.GetEvents())
		require.LessOrEqual(t, len(h.GetEvents()), mostEvents)
	})
}

// looks are the attempts of each watch that a history holds: the server writes an
// activity down when it is over, with the number of its last attempt.
func looks(h *historypb.History) (watches int, attempts []int) {
	ours := map[int64]bool{}
	for _, e := range h.GetEvents() {
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			if e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == activities.WatchFleet {
				ours[e.GetEventId()] = true
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			if a := e.GetActivityTaskStartedEventAttributes(); ours[a.GetScheduledEventId()] {
				attempts = append(attempts, int(a.GetAttempt()))
			}
		}
	}
	return len(ours), attempts
}

// A soak is one activity with an attempt per look, in a history of the real server:
// five seconds at two looks a second.
func TestASoakIsOneActivity(t *testing.T) {
	watches, attempts := looks(historyOf(t, "v1", "completed"))
	require.Equal(t, 3, watches, "the soak, the stop of the previous fleet, and the last look before its deletion")
	require.Len(t, attempts, 2, "the one of the stop is cancelled when the fleet is stopped, which leaves no attempt in the history")
	require.GreaterOrEqual(t, attempts[0], 8)
}

// A release of 48 hours with a look a minute that an operator ended after some
// looks: one activity for them all, one for the last look. All 2880 looks are in
// TestSoakOfTwoDaysIsOneActivityAndKeepsTheHistorySmall.
func TestASoakThatIsFinishedEarlyIsTwoActivitiesAndTheStopTwo(t *testing.T) {
	h := historyOf(t, "v1", "finished-early")
	var in release.ReleaseInput
	started := h.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(started.GetInput(), &in))
	require.Equal(t, 48*time.Hour, in.Request.Spec.Soak.Duration.Std())
	require.Equal(t, time.Minute, in.Request.Spec.Soak.Interval.Std())
	watches, _ := looks(h)
	require.Equal(t, 4, watches)
}
