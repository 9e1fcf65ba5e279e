package starter_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

func TestTheSameRequestAgainAttachesToTheRunningRelease(t *testing.T) {
	s := newScene(t)
	first := s.start(t, "r1")
	assert.False(t, first.Attached)
	assert.Equal(t, "release/"+s.app+"/production/r1", first.WorkflowID)

	again := s.start(t, "r1")
	assert.True(t, again.Attached)
	assert.False(t, again.Ended)
	assert.Equal(t, first.RunID, again.RunID, "nothing was started beside it")
}

func TestAnIDIsOneSpec(t *testing.T) {
	s := newScene(t)
	s.start(t, "r1")
	other := request(s.app, "r1")
	other.Digest = "sha256:ffff"
	_, err := starter.Start(s.ctx, server.Client, starter.StartOptions{Request: other, TaskQueue: s.queue})
	var differs *starter.DiffersError
	require.ErrorAs(t, err, &differs)
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err))
	assert.Contains(t, err.Error(), "another spec")
	assert.Contains(t, err.Error(), "--id")
}

func TestAReleaseThatIsOverIsNotRunAgain(t *testing.T) {
	s := newScene(t)
	h := s.start(t, "r1")
	s.order(t, h.WorkflowID, release.OrderApprove)
	_, err := starter.Result(s.ctx, server.Client, h.WorkflowID, h.RunID)
	require.NoError(t, err)

	again := s.start(t, "r1")
	assert.True(t, again.Attached)
	assert.True(t, again.Ended)
	assert.Equal(t, h.RunID, again.RunID)
}

func TestWhatTemporalShowsOfARelease(t *testing.T) {
	s := newScene(t)
	h := s.start(t, "r1")
	require.Eventually(t, func() bool {
		list, err := starter.List(s.ctx, server.Client, starter.Filter{Application: s.app, Environment: "production", Version: "1.4.2", Region: "east", Phase: "requested", Running: true})
		if err != nil || len(list) != 1 {
			return false
		}
		l := list[0]
		return assert.Equal(t, "r1", l.ID) && assert.Equal(t, h.WorkflowID, l.WorkflowID) && assert.Equal(t, "ada", l.Requester) &&
			assert.Equal(t, []string{"east", "west"}, l.Regions) && assert.True(t, l.Running)
	}, 20*time.Second, 100*time.Millisecond)
	d, err := server.Client.DescribeWorkflow(s.ctx, h.WorkflowID, "")
	require.NoError(t, err)
	summary, err := d.GetStaticSummary()
	require.NoError(t, err)
	assert.Equal(t, "Release 1.4.2 of "+s.app+" to production", summary)
	details, err := d.GetStaticDetails()
	require.NoError(t, err)
	assert.Contains(t, details, "| Asked for by | ada |")
	assert.Contains(t, details, "| Regions | east, west |")
}

func TestOrders(t *testing.T) {
	s := newScene(t)
	h := s.start(t, "r1")
	answer, err := starter.Order(s.ctx, server.Client, h.WorkflowID, release.Order{Kind: release.OrderPause, By: "bob"})
	require.NoError(t, err)
	assert.Equal(t, release.OrderAnswer{Effect: "pause by bob", Phase: release.PhaseRequested}, answer)

	var refused *starter.RefusedError
	_, err = starter.Order(s.ctx, server.Client, h.WorkflowID, release.Order{Kind: release.OrderPause, By: "ada"})
	require.ErrorAs(t, err, &refused, "the validator says no")
	assert.Equal(t, "four eyes", refused.Reason)
	assert.Equal(t, starter.ExitRefused, starter.CodeOf(err))

	s.order(t, h.WorkflowID, release.OrderApprove)
	_, err = starter.Result(s.ctx, server.Client, h.WorkflowID, "")
	require.NoError(t, err)
	_, err = starter.Order(s.ctx, server.Client, h.WorkflowID, release.Order{Kind: release.OrderPause, By: "bob"})
	require.ErrorAs(t, err, &refused, "the release is over")

	_, err = starter.Order(s.ctx, server.Client, "release/no/such/thing", release.Order{Kind: release.OrderPause, By: "bob"})
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err), "%v", err)
}

func TestEveryEndHasItsOutcome(t *testing.T) {
	ends := map[string]struct {
		end  func(t *testing.T, s scene, id string)
		want starter.ExitCode
	}{
		"approved": {func(t *testing.T, s scene, id string) { s.order(t, id, release.OrderApprove) }, starter.ExitCompleted},
		"rejected": {func(t *testing.T, s scene, id string) { s.order(t, id, release.OrderReject) }, starter.ExitRejected},
		"failed":   {func(t *testing.T, s scene, id string) { s.order(t, id, release.OrderAbort) }, starter.ExitFailed},
		"cancelled": {func(t *testing.T, s scene, id string) {
			require.NoError(t, server.Client.CancelWorkflow(s.ctx, id, ""))
		}, starter.ExitAborted},
		"terminated": {func(t *testing.T, s scene, id string) {
			require.NoError(t, server.Client.TerminateWorkflow(s.ctx, id, "", "by hand"))
		}, starter.ExitFailed},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			h := s.start(t, "r1")
			end.end(t, s, h.WorkflowID)
			got, err := starter.Result(s.ctx, server.Client, h.WorkflowID, h.RunID)
			require.NoError(t, err)
			assert.Equal(t, end.want, starter.OutcomeCode(got.Outcome), "%+v", got)
			assert.Equal(t, "r1", got.ID)
			assert.Equal(t, s.app, got.Target.Application)
			assert.Equal(t, name == "approved" || name == "rejected", got.Reason == "", "a bad end says why: %q", got.Reason)
		})
	}
}

func TestFollowWaitsOutAWorkerThatIsGone(t *testing.T) {
	s := newScene(t)
	queue := s.queue + "-gone"
	stop := standIn(t, queue)
	h, err := starter.Start(s.ctx, server.Client, starter.StartOptions{Request: request(s.app, "r1"), TaskQueue: queue})
	require.NoError(t, err)
	seen, troubled := make(chan struct{}, 100), make(chan error, 100)
	var looks atomic.Int32
	type end struct {
		s   release.Summary
		err error
	}
	done := make(chan end, 1)
	go func() {
		sum, err := starter.Follow(s.ctx, server.Client, starter.FollowOptions{
			WorkflowID: h.WorkflowID, RunID: h.RunID, Every: 50 * time.Millisecond,
			OnState:   func(release.State) { looks.Add(1); trySend(seen, struct{}{}) },
			OnTrouble: func(err error) { trySend(troubled, err) },
		})
		done <- end{sum, err}
	}()
	<-seen
	stop()
	var noWorker *starter.NoWorkerError
	for !errors.As(<-troubled, &noWorker) {
		continue // a look that was under way when the worker stopped fails in another way
	}
	assert.Contains(t, noWorker.Error(), "switchyard worker")
	before := looks.Load()
	t.Cleanup(standIn(t, queue))
	require.Eventually(t, func() bool { return looks.Load() > before }, 30*time.Second, 50*time.Millisecond, "it goes on by itself")
	s.order(t, h.WorkflowID, release.OrderApprove)
	e := <-done
	require.NoError(t, e.err)
	assert.Equal(t, "completed", e.s.Outcome)
}

func trySend[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

func TestFollowEndsWithTheCallersPatience(t *testing.T) {
	s := newScene(t)
	h := s.start(t, "r1")
	ctx, cancel := context.WithCancel(s.ctx)
	_, err := starter.Follow(ctx, server.Client, starter.FollowOptions{WorkflowID: h.WorkflowID, Every: 10 * time.Millisecond, OnState: func(release.State) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	state, err := starter.QueryState(s.ctx, server.Client, h.WorkflowID)
	require.NoError(t, err, "the release goes on")
	assert.Equal(t, release.PhaseRequested, state.Phase)
}

func TestFindingARelease(t *testing.T) {
	s := newScene(t)
	one, two := s.start(t, "one"), s.start(t, "two")
	find := func(r starter.Reference) (string, error) { return starter.Find(s.ctx, server.Client, r) }

	for _, name := range []string{one.WorkflowID, s.app + "/production/one", "one"} {
		got, err := find(starter.Reference{Name: name, Application: s.app})
		require.NoError(t, err, name)
		assert.Equal(t, one.WorkflowID, got, name)
	}
	require.Eventually(t, func() bool {
		list, err := starter.List(s.ctx, server.Client, starter.Filter{Application: s.app})
		return err == nil && len(list) == 2
	}, 20*time.Second, 100*time.Millisecond)
	_, err := find(starter.Reference{Application: s.app})
	require.Error(t, err)
	assert.Contains(t, err.Error(), s.app+"/production/one", "the candidates are named")
	assert.Contains(t, err.Error(), s.app+"/production/two")

	s.order(t, one.WorkflowID, release.OrderApprove)
	require.Eventually(t, func() bool {
		got, err := find(starter.Reference{Application: s.app})
		return err == nil && got == two.WorkflowID
	}, 20*time.Second, 100*time.Millisecond, "the only one that runs needs no name")

	for _, bad := range []string{"none", "a/b"} {
		_, err := find(starter.Reference{Name: bad, Application: s.app})
		assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err), "%s: %v", bad, err)
	}
}

func TestSearchAttributesAreRegisteredOnce(t *testing.T) {
	s := newScene(t)
	added, err := starter.RegisterSearchAttributes(s.ctx, server.Client, "default")
	require.NoError(t, err)
	assert.Empty(t, added, "the server has them since it started")
}

func TestTemporalThatIsNotThere(t *testing.T) {
	t.Setenv("TEMPORAL_CONFIG_FILE", t.TempDir()+"/none.toml")
	_, err := starter.Connect(context.Background(), starter.ConnectOptions{Address: "127.0.0.1:1"})
	var unreachable *starter.UnreachableError
	require.True(t, errors.As(err, &unreachable), "%v", err)
	assert.Equal(t, starter.ExitUnreachable, starter.CodeOf(err))
	assert.Contains(t, err.Error(), "127.0.0.1:1")
	assert.Contains(t, err.Error(), "switchyard dev")
	assert.Contains(t, err.Error(), "TEMPORAL_ADDRESS")
}

func TestClientSettingsComeFromTheProfile(t *testing.T) {
	file := t.TempDir() + "/temporal.toml"
	writeFile(t, file, "[profile.prod]\naddress = \"temporal.example:7233\"\nnamespace = \"releases\"\n")
	t.Setenv("TEMPORAL_CONFIG_FILE", file)
	for _, unset := range []string{"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE"} {
		t.Setenv(unset, "") // restores it after the test
		require.NoError(t, os.Unsetenv(unset))
	}
	o, err := starter.ClientOptions(starter.ConnectOptions{Profile: "prod"})
	require.NoError(t, err)
	assert.Equal(t, "temporal.example:7233", o.HostPort)
	assert.Equal(t, "releases", o.Namespace)

	o, err = starter.ClientOptions(starter.ConnectOptions{Profile: "prod", Namespace: "other"})
	require.NoError(t, err)
	assert.Equal(t, "other", o.Namespace, "what is said on the command line counts")

	_, err = starter.ClientOptions(starter.ConnectOptions{Profile: "none"})
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err), "%v", err)
}
