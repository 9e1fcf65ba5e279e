package fleets_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
)

// sizes are the minimum, the size and the maximum of a group.
func (w *world) sizes(name string) []int32 {
	w.Helper()
	g := w.group(name)
	return []int32{*g.MinSize, *g.DesiredCapacity, *g.MaxSize}
}

func (w *world) resize(name string, from, to int) {
	w.Helper()
	require.NoError(w, w.fleets.Resize(w.ctx, region, name, from, to))
}

func (w *world) hold(name string) {
	w.Helper()
	require.NoError(w, w.fleets.HoldScaleIn(w.ctx, region, name, "r1"))
}

func (w *world) release(name string) {
	w.Helper()
	require.NoError(w, w.fleets.ReleaseScaleIn(w.ctx, region, name, "r1"))
}

func TestAGroupGetsItsMinimumBackWhenItIsLargeEnough(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil) // 2 to 6, now 3
	w.hold("live")
	w.release("live")
	w.resize("live", 3, 1)
	require.Equal(t, []int32{1, 1, 6}, w.sizes("live"))
	w.hold("live")
	require.Equal(t, []int32{1, 1, 6}, w.sizes("live"))
	w.release("live")
	require.Equal(t, []int32{1, 1, 6}, w.sizes("live"), "the end of a hold makes no fleet grow")
	w.resize("live", 1, 0)
	require.Equal(t, []int32{0, 0, 6}, w.sizes("live"))
	w.resize("live", 0, 0)
	w.hold("live")
	w.resize("live", 0, 8)
	require.Equal(t, []int32{8, 8, 8}, w.sizes("live"))
	w.release("live")
	require.Equal(t, []int32{2, 8, 8}, w.sizes("live"))
	require.NotContains(t, tags(w.group("live")), "switchyard:least")
	require.Empty(t, w.suspended("live"))
}

func TestAMinimumComesBackWithoutAHoldToo(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	for _, size := range []struct{ from, to, least int }{{3, 1, 1}, {1, 0, 0}, {0, 1, 1}, {1, 5, 2}} {
		w.resize("live", size.from, size.to)
		require.Equal(t, []int32{int32(size.least), int32(size.to), 6}, w.sizes("live"))
	}
	require.NotContains(t, tags(w.group("live")), "switchyard:least")
}

func TestACandidateSmallerThanItsMinimumDoesNotGrowByItself(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	for name, heldBy := range map[string]string{"one": "r1", "two": ""} {
		s := w.spec(name, 1)
		s.Like, s.HeldBy = "live", heldBy
		w.provision(s)
		w.inService(name, 1)
		w.release(name)
		require.Equal(t, []int32{1, 1, 6}, w.sizes(name))
		w.hold(name)
		w.resize(name, 1, 3)
		w.release(name)
		require.Equal(t, []int32{2, 3, 6}, w.sizes(name))
		require.NoError(t, w.fleets.Retire(w.ctx, region, name))
	}
}

func TestAMinimumThatSomebodySetMeanwhileStays(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.resize("live", 3, 1)
	_, err := w.asg.UpdateAutoScalingGroup(w.ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("live"), MinSize: aws.Int32(4), DesiredCapacity: aws.Int32(4)})
	require.NoError(t, err)
	w.resize("live", 4, 5)
	require.Equal(t, []int32{4, 5, 6}, w.sizes("live"))
}

func TestAMinimumIsNotLostWhenACallIs(t *testing.T) {
	for _, action := range []string{"CreateOrUpdateTags", "UpdateAutoScalingGroup", "DeleteTags"} {
		for _, kind := range []wire.Kind{wire.FailBefore, wire.FailAfter} {
			w := newWorld(t)
			w.adopted("live", nil)
			at := 3
			for _, to := range []int{1, 0, 3} {
				w.wire.Inject(wire.Fault{Action: action, Times: attempts, Kind: kind})
				for range 3 {
					if w.fleets.Resize(w.ctx, region, "live", at, to) == nil {
						break
					}
				}
				require.Equal(t, min(2, int32(to)), *w.group("live").MinSize, "%s %v to %d", action, kind, to)
				at = to
			}
		}
	}
}

func TestProtectedInstancesAreLetGoAsFarAsTheSizeNeedsIt(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	var ids []string
	for _, i := range w.group("live").Instances {
		ids = append(ids, *i.InstanceId)
	}
	_, err := w.asg.SetInstanceProtection(w.ctx, &autoscaling.SetInstanceProtectionInput{AutoScalingGroupName: aws.String("live"), InstanceIds: ids, ProtectedFromScaleIn: aws.Bool(true)})
	require.NoError(t, err)
	w.resize("live", 3, 2)
	w.inService("live", 2)
	for _, i := range w.group("live").Instances {
		require.True(t, *i.ProtectedFromScaleIn, "the others stay protected")
	}
	w.resize("live", 2, 0)
	w.inService("live", 0)
}

func TestAGroupThatEndsNoInstancesIsNotShrunk(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	_, err := w.asg.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("live"), ScalingProcesses: []string{"Terminate"}})
	require.NoError(t, err)
	w.requireKind(platform.KindConflict, w.fleets.Resize(w.ctx, region, "live", 3, 1), "Terminate is suspended")
	require.Equal(t, []int32{2, 3, 6}, w.sizes("live"))
	w.resize("live", 3, 4)
}
