package fleets_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
)

func (w *world) suspended(name string) []string {
	w.Helper()
	var names []string
	for _, s := range w.group(name).SuspendedProcesses {
		names = append(names, *s.ProcessName)
	}
	return names
}

func TestScaleInIsHeldByTheMinimum(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	for range 2 {
		require.NoError(t, w.fleets.HoldScaleIn(w.ctx, region, "live", "r1"))
	}
	g := w.group("live")
	require.Equal(t, []int32{3, 3, 6}, []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize})
	require.Equal(t, []string{"ScheduledActions"}, w.suspended("live"))
	require.Equal(t, "r1", w.describe("live").ScaleInHeld)

	w.requireKind(platform.KindConflict, w.fleets.HoldScaleIn(w.ctx, region, "live", "r2"), "held by r1")
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r2"))
	require.Equal(t, "r1", w.describe("live").ScaleInHeld, "another release's hold stays")

	require.NoError(t, w.fleets.Resize(w.ctx, region, "live", 3, 8))
	require.Equal(t, int32(8), *w.group("live").MinSize, "the hold grows with the fleet")
	w.requireKind(platform.KindConflict, w.fleets.Resize(w.ctx, region, "live", 8, 7), "held by r1")

	for range 2 {
		require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r1"))
	}
	g = w.group("live")
	require.Equal(t, []int32{2, 8, 8}, []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize})
	require.Empty(t, w.suspended("live"))
	require.Empty(t, w.describe("live").ScaleInHeld)
}

func TestAHoldFollowsWhatScalingHasAdded(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	require.NoError(t, w.fleets.HoldScaleIn(w.ctx, region, "live", "r1"))
	_, err := w.asg.SetDesiredCapacity(w.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("live"), DesiredCapacity: aws.Int32(5)})
	require.NoError(t, err)
	require.NoError(t, w.fleets.HoldScaleIn(w.ctx, region, "live", "r1"))
	require.Equal(t, int32(5), *w.group("live").MinSize)
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r1"))
	require.Equal(t, int32(2), *w.group("live").MinSize)
}

func TestWhatWasSuspendedBeforeStaysSo(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	_, err := w.asg.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("live"), ScalingProcesses: []string{"ScheduledActions"}})
	require.NoError(t, err)
	require.NoError(t, w.fleets.HoldScaleIn(w.ctx, region, "live", "r1"))
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r1"))
	require.Equal(t, []string{"ScheduledActions"}, w.suspended("live"))
}

// A worker may end between any two calls; whoever carries on reaches the same end.
func TestHoldAndReleaseInterruptedAnywhere(t *testing.T) {
	for _, kind := range []wire.Kind{wire.FailBefore, wire.FailAfter} {
		for _, action := range []string{"CreateOrUpdateTags", "UpdateAutoScalingGroup", "SuspendProcesses", "ResumeProcesses", "DeleteTags"} {
			t.Run(action+" "+kind.String(), func(t *testing.T) {
				w := newWorld(t)
				w.adopted("live", nil)
				fault := w.wire.Inject(wire.Fault{Action: action, Kind: kind, Times: attempts})
				insist := func(do func() error) {
					if do() != nil {
						w.reopen()
						require.NoError(t, do())
					}
				}
				insist(func() error { return w.fleets.HoldScaleIn(w.ctx, region, "live", "r1") })
				require.Equal(t, int32(3), *w.group("live").MinSize)
				insist(func() error { return w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r1") })
				g := w.group("live")
				require.Equal(t, []int32{2, 3, 6}, []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize})
				require.NotContains(t, tags(g), "switchyard:hold")
				require.Empty(t, w.suspended("live"))
				require.True(t, fault.Hit())
			})
		}
	}
}

func TestAnOldAnswerDoesNotEndAHoldSilently(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.describe("live")
	require.NoError(t, w.fleets.HoldScaleIn(w.ctx, region, "live", "r1"))
	stale := w.wire.Stale(func(c wire.Call) bool { return c.Action == "DescribeAutoScalingGroups" }, 1)
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "live", "r1"))
	require.Equal(t, 1, stale.Hits())
	require.Empty(t, w.describe("live").ScaleInHeld)
	require.Equal(t, int32(2), *w.group("live").MinSize)
}

func TestTheSizeChangesFromTheExpectedOneOnly(t *testing.T) {
	w := newWorld(t)
	w.provision(w.spec("one", 2))
	w.requireKind(platform.KindConflict, w.fleets.Resize(w.ctx, region, "one", 5, 3), "is 2, not 5 as expected")
	for range 2 {
		require.NoError(t, w.fleets.Resize(w.ctx, region, "one", 2, 4))
	}
	w.inService("one", 4)
	require.NoError(t, w.fleets.Resize(w.ctx, region, "one", 4, 1))
	f := w.inService("one", 1)
	require.Equal(t, 1, f.Desired)
}

func TestAFleetThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	_, err := w.fleets.Describe(w.ctx, region, "nobody")
	w.requireKind(platform.KindNotFound, err)
	w.requireKind(platform.KindNotFound, w.fleets.Resize(w.ctx, region, "nobody", 1, 2))
	w.requireKind(platform.KindNotFound, w.fleets.HoldScaleIn(w.ctx, region, "nobody", "r1"))
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "nobody", "r1"))
	require.NoError(t, w.fleets.Retire(w.ctx, region, "nobody"))
	require.NoError(t, w.fleets.Retire(w.ctx, "no-such-region", "nobody"))
}
