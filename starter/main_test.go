package starter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
	"github.com/switchyard/switchyard/starter/startertest"
)

var server *startertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		s, err := startertest.Start(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = s.Stop() }()
		server = s
		return m.Run()
	}())
}

// stand is a release that does nothing but take orders: approve ends it well, reject
// ends it rejected, abort fails it. It answers the state query as a real one does.
func stand(ctx workflow.Context, in release.ReleaseInput) (release.Summary, error) {
	state := release.NewState(in.Request, workflow.Now(ctx))
	if err := workflow.SetQueryHandler(ctx, release.QueryState, func() (release.State, error) { return state, nil }); err != nil {
		return release.Summary{}, err
	}
	var end release.OrderKind
	for _, kind := range []release.OrderKind{release.OrderApprove, release.OrderReject, release.OrderAbort, release.OrderPause} {
		err := workflow.SetUpdateHandlerWithOptions(ctx, string(kind), func(ctx workflow.Context, o release.Order) (release.OrderAnswer, error) {
			if kind != release.OrderPause {
				end = kind
			}
			return release.OrderAnswer{Effect: string(kind) + " by " + o.By, Phase: state.Phase}, nil
		}, workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, o release.Order) error {
			if o.By == in.Request.Requester {
				return temporal.NewApplicationError(string(kind)+": four eyes", "Refused")
			}
			return nil
		}})
		if err != nil {
			return release.Summary{}, err
		}
	}
	if err := workflow.Await(ctx, func() bool { return end != "" && workflow.AllHandlersFinished(ctx) }); err != nil {
		return release.Summary{}, err
	}
	out := release.Summary{ID: in.Request.ID, Target: in.Request.Target(), Outcome: string(release.PhaseCompleted)}
	switch end {
	case release.OrderReject:
		out.Outcome = string(release.PhaseRejected)
	case release.OrderAbort:
		return out, errors.New("it broke")
	}
	return out, nil
}

// standIn runs the stand-in on a queue of its own until the returned func is called.
func standIn(t *testing.T, queue string) (stop func()) {
	t.Helper()
	w := worker.New(server.Client, queue, worker.Options{DisableRegistrationAliasing: true})
	w.RegisterWorkflowWithOptions(stand, workflow.RegisterOptions{Name: release.WorkflowRelease})
	require.NoError(t, w.Start())
	return w.Stop
}

func request(app, id string) release.Request {
	s := spec.Spec{
		APIVersion: spec.APIVersion, Application: app, Environment: "production", Version: "1.4.2",
		Image:   spec.Image{Existing: "sha256:" + fmt.Sprintf("%064d", 1)},
		Regions: []spec.Region{{Name: "west"}, {Name: "east"}},
		Fleet:   spec.Fleet{Instances: 2, Command: []string{"/bin/app"}},
	}.WithDefaults()
	return release.Request{ID: id, Requester: "ada", Spec: s, Digest: "sha256:" + fmt.Sprintf("%064d", 7)}
}

// scene is a queue with a stand-in worker and an application nobody else uses.
type scene struct {
	ctx        context.Context
	app, queue string
}

func newScene(t *testing.T) scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	s := scene{ctx: ctx, app: "app-" + uuid.NewString()[:8], queue: "q-" + uuid.NewString()}
	t.Cleanup(standIn(t, s.queue))
	return s
}

func (s scene) start(t *testing.T, id string) starter.Handle {
	t.Helper()
	h, err := starter.Start(s.ctx, server.Client, starter.StartOptions{Request: request(s.app, id), TaskQueue: s.queue})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = server.Client.TerminateWorkflow(context.Background(), h.WorkflowID, "", "the test is over")
	})
	return h
}

func (s scene) order(t *testing.T, workflowID string, kind release.OrderKind) {
	t.Helper()
	_, err := starter.Order(s.ctx, server.Client, workflowID, release.Order{Kind: kind, By: "bob"})
	require.NoError(t, err)
}
