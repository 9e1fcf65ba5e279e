package fleets_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func TestADetachedFleetRunsOnAndComesBackToItsPlace(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 2))
	before := w.inService("one", 2)
	place := w.group("one").TargetGroupARNs
	require.Equal(t, w.place().TargetGroups[1:], place)

	for range 2 {
		require.NoError(t, w.fleets.Detach(w.ctx, region, "one"))
	}
	require.Empty(t, w.group("one").TargetGroupARNs)
	out := w.inService("one", 2)
	require.Equal(t, before.Instances[0].ID, out.Instances[0].ID, "its instances stay")

	require.NoError(t, server.SetDefaultTargetHealth(w.ctx, "initial"))
	for range 2 {
		require.NoError(t, w.fleets.Attach(w.ctx, region, "one"))
	}
	require.Equal(t, place, w.group("one").TargetGroupARNs)
	require.Zero(t, w.describe("one").InService(), "what the load balancer said before the detach counts no more")
	w.reopen()
	require.Zero(t, w.describe("one").InService())
	for _, i := range out.Instances {
		require.NoError(t, server.SetTargetHealth(w.ctx, moto.TargetHealth{TargetGroup: place[0], ID: i.ID, State: "healthy"}))
	}
	w.inService("one", 2)
}

func TestAnotherWorkerForgetsTheHealthOfTargetsThatWereRegisteredAnew(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 1))
	w.inService("one", 1)
	here := w.fleets
	w.reopen()
	require.NoError(t, w.fleets.Detach(w.ctx, region, "one"))
	require.NoError(t, server.SetDefaultTargetHealth(w.ctx, "initial"))
	require.NoError(t, w.fleets.Attach(w.ctx, region, "one"))
	f, err := here.Describe(w.ctx, region, "one")
	require.NoError(t, err)
	require.Equal(t, release.InstancePending, f.Instances[0].State)
}

func TestAFleetWithAShareIsNotDetached(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.requireKind(platform.KindConflict, w.fleets.Detach(w.ctx, region, "live"), "weight of 100", "move its traffic")
	require.Len(t, w.group("live").TargetGroupARNs, 1)
	require.NotContains(t, tags(w.group("live")), "switchyard:place")
}

func TestAPlaceIsFreeForALaterFleetAndThenTaken(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 1))
	w.inService("one", 1)
	require.NoError(t, w.fleets.Detach(w.ctx, region, "one"))
	w.provision(w.spec("two", 1))
	w.inService("two", 1)
	w.requireKind(platform.KindConflict, w.fleets.Attach(w.ctx, region, "one"), "checkout-b has fleet two")
	require.NoError(t, w.fleets.Detach(w.ctx, region, "two"))
	w.weights(100, 1)
	w.requireKind(platform.KindConflict, w.fleets.Attach(w.ctx, region, "one"), "has a weight of 1")
	w.weights(100, 0)
	require.NoError(t, w.fleets.Attach(w.ctx, region, "one"))
	require.NoError(t, w.fleets.Resize(w.ctx, region, "two", 1, 0))
	for _, name := range []string{"one", "two"} {
		require.NoError(t, w.fleets.Retire(w.ctx, region, name))
	}
	require.Equal(t, []string{"live"}, w.groups())
}

func TestWhatHasNoPlaceIsNotAttached(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	alone := w.spec("alone", 1)
	alone.Alone = true
	w.provision(alone)
	w.requireKind(platform.KindInvalid, w.fleets.Attach(w.ctx, region, "alone"), "stands alone")
	require.NoError(t, w.fleets.Detach(w.ctx, region, "alone"))
	w.requireKind(platform.KindNotFound, w.fleets.Attach(w.ctx, region, "nobody"))
	require.NoError(t, w.fleets.Detach(w.ctx, region, "nobody"))
	require.NoError(t, w.fleets.Detach(w.ctx, "moon-1", "nobody"))
}

func TestAFleetThatSomebodyDetachedIsNotInServiceAndGoesToAFreePlace(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 1))
	w.inService("one", 1)
	arns := w.group("one").TargetGroupARNs
	_, err := w.asg.DetachLoadBalancerTargetGroups(w.ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: aws.String("one"), TargetGroupARNs: arns})
	require.NoError(t, err)
	f := w.describe("one")
	require.Equal(t, release.InstanceUnhealthy, f.Instances[0].State)
	require.NoError(t, w.fleets.Attach(w.ctx, region, "one"))
	require.Equal(t, arns, w.group("one").TargetGroupARNs)
}

func TestAnAdoptedFleetThatIsDetachedIsStillListed(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.weights(0, 100)
	require.NoError(t, w.fleets.Detach(w.ctx, region, "live"))
	list, err := w.fleets.List(w.ctx, region, checkout)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "live", list[0].Name)
	require.Equal(t, 3, list[0].InService())
}

func TestADetachThatWasInterruptedAnywhereEndsAsAsked(t *testing.T) {
	for _, action := range []string{"CreateOrUpdateTags", "DetachLoadBalancerTargetGroups", "AttachLoadBalancerTargetGroups"} {
		for _, kind := range []wire.Kind{wire.FailBefore, wire.FailAfter} {
			w := newWorld(t)
			w.adopted("live", nil)
			w.provision(w.spec("one", 1))
			place := w.inService("one", 1).Name
			arns := w.group(place).TargetGroupARNs
			w.wire.Inject(wire.Fault{Action: action, Times: attempts, Kind: kind})
			for _, move := range []struct {
				do   func() error
				want []string
			}{
				{func() error { return w.fleets.Detach(w.ctx, region, "one") }, []string{}},
				{func() error { return w.fleets.Attach(w.ctx, region, "one") }, arns},
			} {
				if move.do() != nil {
					require.NoError(t, move.do(), "%s %v", action, kind)
				}
				require.Equal(t, move.want, w.group("one").TargetGroupARNs, "%s %v", action, kind)
			}
			w.inService("one", 1)
		}
	}
}

func TestTargetsThatDrainCountAsLetGo(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	w.provision(w.spec("one", 1))
	w.inService("one", 1)
	require.NoError(t, server.KeepDraining(w.ctx, true))
	require.NoError(t, w.fleets.Detach(w.ctx, region, "one"))
	w.inService("one", 1)
	require.NoError(t, server.KeepDraining(w.ctx, false))
}
