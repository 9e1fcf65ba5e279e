package fleets_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
)

func (w *world) retire(name string) {
	w.Helper()
	require.NoError(w, w.fleets.Retire(w.ctx, region, name))
}

// running counts the instances that run.
func (w *world) running() int {
	w.Helper()
	out, err := w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{
		Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}},
	})
	require.NoError(w, err)
	n := 0
	for _, r := range out.Reservations {
		n += len(r.Instances)
	}
	return n
}

func TestRetireLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.operated("live")
	w.provision(w.like("one", "live"))
	for range 2 {
		w.retire("one")
	}
	require.Equal(t, []string{"live"}, w.groups())
	require.Equal(t, []string{"live-template"}, w.templates())
	require.Empty(t, w.alarms("switchyard/"))
	require.Len(t, w.alarms(""), 1, "the live fleet's alarm stays")
	require.Equal(t, 3, w.running(), "those of the live fleet")
	_, err := w.fleets.Describe(w.ctx, region, "one")
	w.requireKind(platform.KindNotFound, err)
	w.provision(w.like("two", "live"))
}

func TestAFleetWithTrafficIsNotRetired(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 2))
	w.weights(99, 1)
	w.wire.Reset()
	w.requireKind(platform.KindConflict, w.fleets.Retire(w.ctx, region, "one"), "weight of 1")
	require.Empty(t, w.mutations())
	require.Len(t, w.describe("one").Instances, 2)
}

func TestAnAdoptedFleetKeepsItsTemplate(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", func(_ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
		g.NewInstancesProtectedFromScaleIn = aws.Bool(true)
	})
	w.weights(0, 100)
	w.retire("live")
	require.Empty(t, w.groups())
	require.Equal(t, []string{"live-template"}, w.templates())
	require.Zero(t, w.running(), "protected instances too")

	w.adopted("same", func(_ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {})
	_, err := w.ec2.CreateLaunchTemplate(w.ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("gone"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: &w.image}})
	require.NoError(t, err)
	w.retire("gone")
	require.Contains(t, w.templates(), "gone", "a template of that name that is somebody else's")
}

func TestRetireWaitsUntilConnectionsHaveEnded(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 2))
	require.NoError(t, server.KeepDraining(w.ctx, true))
	done := make(chan error, 1)
	go func() { done <- w.fleets.Retire(w.ctx, region, "one") }()
	require.Eventually(t, func() bool { return len(w.group("one").TargetGroupARNs) == 0 }, 30*time.Second, 5*time.Millisecond)
	require.Len(t, w.group("one").Instances, 2, "they serve to the end")
	select {
	case err := <-done:
		t.Fatalf("retired while draining: %v", err)
	default:
	}
	require.NoError(t, server.KeepDraining(w.ctx, false))
	require.NoError(t, <-done)
	require.Empty(t, w.groups())
	require.Zero(t, w.running())
}

func TestRetireEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 1))
	require.NoError(t, server.KeepDraining(w.ctx, true))
	ctx, cancel := context.WithCancel(w.ctx)
	go func() {
		assertEventually(w, func() bool { return len(w.group("one").TargetGroupARNs) == 0 })
		cancel()
	}()
	require.ErrorIs(t, w.fleets.Retire(ctx, region, "one"), context.Canceled)
	require.NoError(t, server.KeepDraining(w.ctx, false))
	w.retire("one")
	require.Empty(t, w.templates())
}

func assertEventually(w *world, ok func() bool) {
	for !ok() && w.ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

func TestRetireInterruptedAnywhere(t *testing.T) {
	w := newWorld(t)
	w.operated("live")
	w.provision(w.like("one", "live"))
	w.wire.Reset()
	w.retire("one")
	actions := w.mutations()
	require.NotEmpty(t, actions)
	for _, action := range actions {
		for _, kind := range []wire.Kind{wire.FailBefore, wire.TimeoutAfter} {
			t.Run(action+" "+kind.String(), func(t *testing.T) {
				w := newWorld(t)
				w.operated("live")
				w.provision(w.like("one", "live"))
				fault := w.wire.Inject(wire.Fault{Action: action, Kind: kind, Times: attempts})
				require.Error(t, w.fleets.Retire(w.ctx, region, "one"))
				require.True(t, fault.Hit())
				w.reopen()
				w.retire("one")
				require.Equal(t, []string{"live"}, w.groups())
				require.Equal(t, []string{"live-template"}, w.templates())
				require.Empty(t, w.alarms("switchyard/"))
			})
		}
	}
}

func TestALeftOverTemplateIsRetired(t *testing.T) {
	w := newWorld(t)
	w.wire.Inject(wire.Fault{Action: "CreateAutoScalingGroup", Kind: wire.FailBefore, Times: attempts})
	_, err := w.fleets.Provision(w.ctx, w.spec("one", 1))
	require.Error(t, err)
	require.Equal(t, []string{"one"}, w.templates())
	other := w.spec("one", 2)
	_, err = w.fleets.Provision(w.ctx, other)
	w.requireKind(platform.KindConflict, err, "launch template of that name")
	w.retire("one")
	require.Empty(t, w.templates())
	w.provision(other)
}
