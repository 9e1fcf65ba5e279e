package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/internal/load"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

// The stories of this file make trouble for the whole cloud, so none is parallel.

// The local cloud dies in the soak. What it ran goes on serving, and its successor
// takes over the very same instances.
func TestTheCloudIsKilledInTheSoak(t *testing.T) {
	s := use(t).tell(t, "daemon", "")
	l := s.load(s.live())
	h := s.start(chapter{ID: "v2", Version: "2.0.0", Soak: "1h"})
	s.await(h, release.PhaseSoak)
	before := s.instances(s.fleet("v2"))
	status, err := s.dev.Cloud.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(status.PID, syscall.SIGKILL))
	looks := s.attempt(h, "WatchFleet")
	require.Eventually(t, func() bool { return s.attempt(h, "WatchFleet") > looks+1 }, 30*time.Second, 50*time.Millisecond, "nobody looked without the cloud")

	caddy, err := dev.FindProgram("caddy", binDir())
	require.NoError(t, err)
	_, err = local.EnsureRunning(t.Context(), s.dev.CloudDir,
		[]string{filepath.Join(binDir(), "switchyard"), "local-cloud", "--local-cloud", s.dev.CloudDir, "--caddy", caddy})
	require.NoError(t, err)
	s.inService(s.fleet("v2"), 2)
	require.Equal(t, before, s.instances(s.fleet("v2")))
	require.Equal(t, release.PhaseSoak, s.state(h).Phase, "a look that can't be taken is no evidence")
	s.order(h, release.Order{Kind: release.OrderFinishSoak, By: "grace"})
	end := s.ended(h)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	requireNoneFailed(t, l)
	s.settled(s.fleet("v2"))
}

// Each call that changes something has its effect, and its answer is lost.
func TestLostAnswersMakeNothingTwice(t *testing.T) {
	s := use(t).tell(t, "lost", "")
	l := s.load(s.live())
	s.trouble(
		cloud.Fault{Kind: cloud.FaultAPI, Call: "Fleets.Provision", When: "after"},
		cloud.Fault{Kind: cloud.FaultAPI, Call: "Router.SetWeights", When: "after"},
		cloud.Fault{Kind: cloud.FaultAPI, Call: "Fleets.Retire", When: "after"},
	)
	end := s.released(chapter{ID: "v2", Version: "2.0.0"})
	require.Empty(t, end.Warnings)
	status, err := s.dev.Cloud.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, status.Faults, "a call was never made")
	requireNoneFailed(t, l)
	s.settled(s.fleet("v2"))
}

// A release is cancelled while the order to move the traffic is on its way, and
// nobody learns whether it came through.
func TestCancelWhileTheTrafficMoves(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			s := use(t).tell(t, "moving-"+when, "")
			l := s.load(s.live())
			s.trouble(cloud.Fault{Kind: cloud.FaultAPI, Call: "Router.SetWeights", When: when, Delay: 2 * time.Second})
			h := s.start(chapter{ID: "v2", Version: "2.0.0"})
			require.Eventually(t, func() bool { // the call has the fault and waits
				status, err := s.dev.Cloud.Status(t.Context())
				return err == nil && len(status.Faults) == 0
			}, time.Minute, 20*time.Millisecond)
			s.cancel(h)
			s.requireCancelled(h, "rolled-back")
			requireNoneFailed(t, l)
			s.settled(s.fleet("v1"))
		})
	}
}

func (s *story) trouble(faults ...cloud.Fault) {
	s.t.Helper()
	s.t.Cleanup(func() { _ = s.dev.Cloud.ClearFaults(s.t.Context(), "") })
	for _, f := range faults {
		_, err := s.dev.Cloud.InjectFault(s.t.Context(), f)
		require.NoError(s.t, err)
	}
}

func requireNoneFailed(t *testing.T, l *load.Load) {
	t.Helper()
	counts := l.Stop()
	require.Zero(t, counts.Failed, "%v", l.Failures())
	require.NotZero(t, counts.Requests)
}

// attemptsOf are the attempts that each execution of an activity took.
func attemptsOf(events []*historypb.HistoryEvent, name string) []int {
	var out []int
	ours := map[int64]bool{}
	for _, e := range events {
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			ours[e.GetEventId()] = e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == name
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			if a := e.GetActivityTaskStartedEventAttributes(); ours[a.GetScheduledEventId()] {
				out = append(out, int(a.GetAttempt()))
			}
		}
	}
	return out
}

// orphan starts a process that carries the cloud's marker and belongs to no fleet.
func orphan(t *testing.T, s *stack) string {
	t.Helper()
	status, err := s.dev.Cloud.Status(t.Context())
	require.NoError(t, err)
	cmd := exec.Command("sleep", "300")
	cmd.Env = append(os.Environ(), "SWITCHYARD_CLOUD="+status.Cloud, "INSTANCE_ID=forgotten-1")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return strconv.Itoa(cmd.Process.Pid)
}
