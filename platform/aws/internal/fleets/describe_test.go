package fleets_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func TestAnInstanceIsInServiceWhenItsTargetIsHealthy(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, server.SetDefaultTargetHealth(w.ctx, "initial"))
	w.provision(w.spec("one", 1))
	f := w.describe("one")
	require.Equal(t, release.InstancePending, f.Instances[0].State)
	require.Contains(t, f.Instances[0].Reason, "initial")
	set := func(state string) release.Instance {
		require.NoError(t, server.SetTargetHealth(w.ctx, moto.TargetHealth{TargetGroup: w.place().TargetGroups[1], ID: f.Instances[0].ID, State: state}))
		return w.describe("one").Instances[0]
	}
	i := set("unhealthy")
	require.Equal(t, release.InstanceUnhealthy, i.State)
	require.Contains(t, i.Reason, "Health checks failed")
	require.Equal(t, release.InstanceInService, set("healthy").State)

	w.wire.Reset()
	require.Equal(t, release.InstanceInService, w.describe("one").Instances[0].State)
	require.Len(t, w.wire.Calls(), 1, "from here on the group's own health check speaks for it")

	_, err := w.asg.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("one"), ScalingProcesses: []string{"HealthCheck"}})
	require.NoError(t, err)
	require.Equal(t, release.InstanceUnhealthy, set("unhealthy").State, "unless it is suspended")
}

func TestWhyInstancesDoNotCome(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, server.FailLaunches(w.ctx, "InsufficientInstanceCapacity", "We currently do not have sufficient t3.small capacity in the Availability Zone you requested"))
	w.provision(w.spec("one", 2))
	f := w.describe("one")
	require.Equal(t, 2, f.Desired)
	require.Empty(t, f.Instances)
	require.Len(t, f.Notices, 1)
	require.Contains(t, f.Notices[0], "2 instances of 2 missing")
	require.Contains(t, f.Notices[0], "InsufficientInstanceCapacity")

	w.wire.Reset()
	w.describe("one")
	for _, c := range w.wire.Calls() {
		require.NotEqual(t, "DescribeScalingActivities", c.Action, "not asked at every look")
	}
	require.NoError(t, server.FailLaunches(w.ctx, "", ""))
	require.Empty(t, w.inService("one", 2).Notices)
}

func TestFleetsOfATarget(t *testing.T) {
	w := newWorld(t)
	w.adopted("live", nil)
	alone := w.spec("alone", 1)
	alone.Alone = true
	w.provision(alone)
	w.provision(w.spec("one", 1))
	list, err := w.fleets.List(w.ctx, region, checkout)
	require.NoError(t, err)
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
		require.Equal(t, checkout, f.Target)
	}
	require.Equal(t, []string{"live", "alone", "one"}, names, "oldest first")
	require.False(t, list[0].Managed())
	require.Equal(t, w.image, list[0].Image)
	require.True(t, list[2].Managed())

	_, err = w.asg.DetachLoadBalancerTargetGroups(w.ctx, &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: aws.String("live"), TargetGroupARNs: w.place().TargetGroups[:1]})
	require.NoError(t, err)
	list, err = w.fleets.List(w.ctx, region, release.Target{Application: "other", Environment: "production"})
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = w.fleets.List(w.ctx, "no-such-region", checkout)
	w.requireKind(platform.KindInvalid, err)
}
