package moto_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"
)

func TestAGroupKeepsWhatAnOperatorGaveIt(t *testing.T) {
	a := newAccount(t)
	name := aws.String("fleet")
	a.group("fleet", a.template("fleet"), 1, func(in *autoscaling.CreateAutoScalingGroupInput) {
		in.DefaultInstanceWarmup, in.MaxInstanceLifetime = aws.Int32(30), aws.Int32(86400)
		in.InstanceMaintenancePolicy = &asgtypes.InstanceMaintenancePolicy{MinHealthyPercentage: aws.Int32(90), MaxHealthyPercentage: aws.Int32(120)}
		in.LifecycleHookSpecificationList = []asgtypes.LifecycleHookSpecification{{
			LifecycleHookName: aws.String("drain"), LifecycleTransition: aws.String("autoscaling:EC2_INSTANCE_TERMINATING"),
			HeartbeatTimeout: aws.Int32(60), RoleARN: aws.String("arn:aws:iam::123456789012:role/hook"), NotificationMetadata: aws.String("m"),
		}}
	})
	_, err := a.asg.PutWarmPool(a.ctx, &autoscaling.PutWarmPoolInput{AutoScalingGroupName: name, MinSize: aws.Int32(1), PoolState: asgtypes.WarmPoolStateStopped})
	require.NoError(t, err)
	_, err = a.asg.EnableMetricsCollection(a.ctx, &autoscaling.EnableMetricsCollectionInput{AutoScalingGroupName: name, Granularity: aws.String("1Minute")})
	require.NoError(t, err)
	_, err = a.asg.SuspendProcesses(a.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{"AZRebalance"}})
	require.NoError(t, err)
	_, err = a.asg.PutNotificationConfiguration(a.ctx, &autoscaling.PutNotificationConfigurationInput{
		AutoScalingGroupName: name, TopicARN: aws.String("arn:aws:sns:eu-central-1:123456789012:ops"), NotificationTypes: []string{"autoscaling:EC2_INSTANCE_LAUNCH"},
	})
	require.NoError(t, err)
	_, err = a.asg.UpdateAutoScalingGroup(a.ctx, &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: name, DefaultCooldown: aws.Int32(7)})
	require.NoError(t, err)

	g := a.describe("fleet")
	require.EqualValues(t, 30, *g.DefaultInstanceWarmup)
	require.EqualValues(t, 86400, *g.MaxInstanceLifetime)
	require.EqualValues(t, 90, *g.InstanceMaintenancePolicy.MinHealthyPercentage)
	require.EqualValues(t, 7, *g.DefaultCooldown)
	require.EqualValues(t, 1, *g.WarmPoolConfiguration.MinSize)
	require.Len(t, g.EnabledMetrics, 8)
	require.Equal(t, "AZRebalance", *g.SuspendedProcesses[0].ProcessName)
	hooks, err := a.asg.DescribeLifecycleHooks(a.ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: name})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::123456789012:role/hook", *hooks.LifecycleHooks[0].RoleARN)
	require.Nil(t, hooks.LifecycleHooks[0].NotificationTargetARN)
	notes, err := a.asg.DescribeNotificationConfigurations(a.ctx, &autoscaling.DescribeNotificationConfigurationsInput{AutoScalingGroupNames: []string{"fleet"}})
	require.NoError(t, err)
	require.Len(t, notes.NotificationConfigurations, 1)
}

func TestTwoGroupsMayHavePoliciesAndSchedulesOfOneName(t *testing.T) {
	a := newAccount(t)
	template := a.template("fleet")
	for _, g := range []string{"live", "candidate"} {
		a.group(g, template, 0, nil)
		_, err := a.asg.PutScalingPolicy(a.ctx, scaleOut(g))
		require.NoError(t, err)
		_, err = a.asg.PutScheduledUpdateGroupAction(a.ctx, &autoscaling.PutScheduledUpdateGroupActionInput{
			AutoScalingGroupName: aws.String(g), ScheduledActionName: aws.String("night"), Recurrence: aws.String("0 1 * * *"), MinSize: aws.Int32(1),
		})
		require.NoError(t, err)
	}
	_, err := a.asg.DeletePolicy(a.ctx, &autoscaling.DeletePolicyInput{AutoScalingGroupName: aws.String("candidate"), PolicyName: aws.String("cpu")})
	require.NoError(t, err)
	for g, n := range map[string]int{"live": 1, "candidate": 0} {
		policies, err := a.asg.DescribePolicies(a.ctx, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: aws.String(g)})
		require.NoError(t, err)
		require.Len(t, policies.ScalingPolicies, n, g)
		actions, err := a.asg.DescribeScheduledActions(a.ctx, &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: aws.String(g)})
		require.NoError(t, err)
		require.Len(t, actions.ScheduledUpdateGroupActions, 1, g)
	}
}

func TestANameInUseIsRefused(t *testing.T) {
	a := newAccount(t)
	template := a.template("fleet")
	a.group("fleet", template, 1, nil)
	before := ids(a.describe("fleet"))
	_, err := a.asg.CreateAutoScalingGroup(a.ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("fleet"), MinSize: aws.Int32(0), MaxSize: aws.Int32(1), VPCZoneIdentifier: aws.String(a.subnets[0]),
		LaunchTemplate: &asgtypes.LaunchTemplateSpecification{LaunchTemplateId: aws.String(template)},
	})
	refused(t, err, "AlreadyExists")
	require.Equal(t, before, ids(a.describe("fleet")))
}

func TestUnknownGroupsAndWrongSizesAreValidationErrors(t *testing.T) {
	a := newAccount(t)
	a.group("fleet", a.template("fleet"), 1, nil)
	_, err := a.asg.SetDesiredCapacity(a.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("fleet"), DesiredCapacity: aws.Int32(11)})
	refused(t, err, "ValidationError")
	_, err = a.asg.SetDesiredCapacity(a.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("gone"), DesiredCapacity: aws.Int32(1)})
	refused(t, err, "ValidationError")
	_, err = a.asg.SuspendProcesses(a.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("gone")})
	refused(t, err, "ValidationError")
	_, err = a.asg.TerminateInstanceInAutoScalingGroup(a.ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
		InstanceId: aws.String("i-00000000000000000"), ShouldDecrementDesiredCapacity: aws.Bool(false),
	})
	refused(t, err, "ValidationError")
}

func TestAGroupReplacesWhatItLosesAndItsTargetGroupFollows(t *testing.T) {
	a := newAccount(t)
	tg := a.targetGroup("blue")
	a.group("fleet", a.template("fleet"), 2, func(in *autoscaling.CreateAutoScalingGroupInput) { in.TargetGroupARNs = []string{tg} })
	lose := map[string]func(string) error{
		"EC2": func(id string) error {
			_, err := a.ec2.TerminateInstances(a.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
			return err
		},
		"Auto Scaling": func(id string) error {
			_, err := a.asg.TerminateInstanceInAutoScalingGroup(a.ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
				InstanceId: aws.String(id), ShouldDecrementDesiredCapacity: aws.Bool(false),
			})
			return err
		},
		"health": func(id string) error {
			_, err := a.asg.SetInstanceHealth(a.ctx, &autoscaling.SetInstanceHealthInput{InstanceId: aws.String(id), HealthStatus: aws.String("Unhealthy")})
			return err
		},
	}
	for by, end := range lose {
		gone := ids(a.describe("fleet"))[0]
		require.NoError(t, end(gone), by)
		now := ids(a.describe("fleet"))
		require.Len(t, now, 2, by)
		require.NotContains(t, now, gone, by)
		require.Len(t, a.health(tg), 2, by)
		require.NotContains(t, a.health(tg), gone, by)
	}
	_, err := a.asg.SetDesiredCapacity(a.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("fleet"), DesiredCapacity: aws.Int32(1)})
	require.NoError(t, err)
	require.Len(t, a.health(tg), 1)
	log, err := a.asg.DescribeScalingActivities(a.ctx, &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: aws.String("fleet")})
	require.NoError(t, err)
	require.Len(t, log.Activities, 2+3*2+1)
}

func TestSuspendedProcessesDoNothing(t *testing.T) {
	a := newAccount(t)
	name := aws.String("fleet")
	a.group("fleet", a.template("fleet"), 2, nil)
	_, err := a.asg.SuspendProcesses(a.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{"Terminate", "Launch"}})
	require.NoError(t, err)
	for _, n := range []int32{1, 3} {
		_, err = a.asg.SetDesiredCapacity(a.ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: name, DesiredCapacity: aws.Int32(n)})
		require.NoError(t, err)
		require.Len(t, a.describe("fleet").Instances, 2)
	}
}

func TestFailedLaunchesAreActivitiesAndCatchUp(t *testing.T) {
	a := newAccount(t)
	require.NoError(t, server.FailLaunches(a.ctx, "InsufficientInstanceCapacity", "We currently do not have sufficient t3.micro capacity."))
	a.group("fleet", a.template("fleet"), 2, nil)
	require.Empty(t, a.describe("fleet").Instances)
	log, err := a.asg.DescribeScalingActivities(a.ctx, &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: aws.String("fleet")})
	require.NoError(t, err)
	require.Equal(t, asgtypes.ScalingActivityStatusCodeFailed, log.Activities[0].StatusCode)
	require.Contains(t, *log.Activities[0].StatusMessage, "InsufficientInstanceCapacity")
	require.NoError(t, server.FailLaunches(a.ctx, "", ""))
	require.Len(t, a.describe("fleet").Instances, 2)
}

func TestTrafficSourcesAndRefreshes(t *testing.T) {
	a := newAccount(t)
	name, tg := aws.String("fleet"), a.targetGroup("blue")
	a.group("fleet", a.template("fleet"), 1, nil)
	source := asgtypes.TrafficSourceIdentifier{Identifier: aws.String(tg), Type: aws.String("elbv2")}
	_, err := a.asg.AttachTrafficSources(a.ctx, &autoscaling.AttachTrafficSourcesInput{AutoScalingGroupName: name, TrafficSources: []asgtypes.TrafficSourceIdentifier{source}})
	require.NoError(t, err)
	require.Len(t, a.health(tg), 1)
	require.Equal(t, tg, *a.describe("fleet").TrafficSources[0].Identifier)
	out, err := a.asg.DescribeTrafficSources(a.ctx, &autoscaling.DescribeTrafficSourcesInput{AutoScalingGroupName: name})
	require.NoError(t, err)
	require.Equal(t, "InService", *out.TrafficSources[0].State)

	before := ids(a.describe("fleet"))
	_, err = a.asg.StartInstanceRefresh(a.ctx, &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: name})
	require.NoError(t, err)
	require.NotEqual(t, before, ids(a.describe("fleet")))
	refreshes, err := a.asg.DescribeInstanceRefreshes(a.ctx, &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: name})
	require.NoError(t, err)
	require.Equal(t, asgtypes.InstanceRefreshStatusSuccessful, refreshes.InstanceRefreshes[0].Status)

	_, err = a.asg.DetachTrafficSources(a.ctx, &autoscaling.DetachTrafficSourcesInput{AutoScalingGroupName: name, TrafficSources: []asgtypes.TrafficSourceIdentifier{source}})
	require.NoError(t, err)
	require.Empty(t, a.health(tg))
}
