package fleets_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/userdata"
)

const script = "#!/bin/sh\necho prepare\n"

// operated is an adopted group with all that an operator may have set up.
func (w *world) operated(name string) {
	w.Helper()
	w.adopted(name, func(data *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
		data.KeyName = aws.String("ops")
		data.EbsOptimized = aws.Bool(true)
		data.Monitoring = &ec2types.LaunchTemplatesMonitoringRequest{Enabled: aws.Bool(true)}
		data.CreditSpecification = &ec2types.CreditSpecificationRequest{CpuCredits: aws.String("unlimited")}
		data.MetadataOptions = &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpPutResponseHopLimit: aws.Int32(3), HttpTokens: ec2types.LaunchTemplateHttpTokensStateOptional}
		data.BlockDeviceMappings = []ec2types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: aws.String(root), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: aws.Int32(40), VolumeType: ec2types.VolumeTypeGp3, Iops: aws.Int32(4000)},
		}}
		data.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte(script)))
		data.TagSpecifications = []ec2types.LaunchTemplateTagSpecificationRequest{{
			ResourceType: ec2types.ResourceTypeVolume, Tags: []ec2types.Tag{{Key: aws.String("cost-center"), Value: aws.String("42")}},
		}}
		g.DefaultCooldown = aws.Int32(77)
		g.DefaultInstanceWarmup = aws.Int32(66)
		g.MaxInstanceLifetime = aws.Int32(604800)
		g.CapacityRebalance = aws.Bool(true)
		g.TerminationPolicies = []string{"OldestInstance"}
		g.InstanceMaintenancePolicy = &astypes.InstanceMaintenancePolicy{MinHealthyPercentage: aws.Int32(90), MaxHealthyPercentage: aws.Int32(120)}
		g.Tags = []astypes.Tag{
			{Key: aws.String("team"), Value: aws.String("payments"), PropagateAtLaunch: aws.Bool(true)},
			{Key: aws.String("note"), Value: aws.String("by hand"), PropagateAtLaunch: aws.Bool(false)},
		}
		g.LifecycleHookSpecificationList = []astypes.LifecycleHookSpecification{{
			LifecycleHookName: aws.String("ship-logs"), LifecycleTransition: aws.String("autoscaling:EC2_INSTANCE_TERMINATING"),
			HeartbeatTimeout: aws.Int32(120), DefaultResult: aws.String("CONTINUE"), NotificationMetadata: aws.String("s3"),
		}}
	})
	ok := func(err error) { w.Helper(); require.NoError(w, err) }
	label := "app/checkout/1/" + w.place().TargetGroups[0][strings.Index(w.place().TargetGroups[0], "targetgroup/"):]
	_, err := w.asg.PutScalingPolicy(w.ctx, &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: &name, PolicyName: aws.String("requests"), PolicyType: aws.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: &astypes.TargetTrackingConfiguration{TargetValue: aws.Float64(1000),
			PredefinedMetricSpecification: &astypes.PredefinedMetricSpecification{PredefinedMetricType: astypes.MetricTypeALBRequestCountPerTarget, ResourceLabel: &label}},
	})
	ok(err)
	_, err = w.asg.PutScalingPolicy(w.ctx, &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: &name, PolicyName: aws.String("burst"), PolicyType: aws.String("StepScaling"), AdjustmentType: aws.String("ChangeInCapacity"),
		MetricAggregationType: aws.String("Average"),
		StepAdjustments:       []astypes.StepAdjustment{{MetricIntervalLowerBound: aws.Float64(0), ScalingAdjustment: aws.Int32(2)}},
	})
	ok(err)
	policies, err := w.asg.DescribePolicies(w.ctx, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &name, PolicyNames: []string{"burst"}})
	ok(err)
	_, err = w.watch.PutMetricAlarm(w.ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("cpu-high"), AlarmActions: []string{*policies.ScalingPolicies[0].PolicyARN, "arn:aws:sns:eu-central-1:123456789012:page"},
		MetricName: aws.String("CPUUtilization"), Namespace: aws.String("AWS/EC2"), Statistic: cwtypes.StatisticAverage, Period: aws.Int32(60),
		EvaluationPeriods: aws.Int32(2), Threshold: aws.Float64(80), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
		Dimensions: []cwtypes.Dimension{{Name: aws.String("AutoScalingGroupName"), Value: &name}},
	})
	ok(err)
	_, err = w.asg.PutScheduledUpdateGroupAction(w.ctx, &autoscaling.PutScheduledUpdateGroupActionInput{
		AutoScalingGroupName: &name, ScheduledActionName: aws.String("morning"), Recurrence: aws.String("0 6 * * *"), TimeZone: aws.String("Europe/Berlin"), MinSize: aws.Int32(4),
	})
	ok(err)
	_, err = w.asg.PutScheduledUpdateGroupAction(w.ctx, &autoscaling.PutScheduledUpdateGroupActionInput{
		AutoScalingGroupName: &name, ScheduledActionName: aws.String("last-year"), StartTime: aws.Time(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)), MinSize: aws.Int32(4),
	})
	ok(err)
	_, err = w.asg.PutWarmPool(w.ctx, &autoscaling.PutWarmPoolInput{AutoScalingGroupName: &name, MinSize: aws.Int32(1), PoolState: astypes.WarmPoolStateStopped})
	ok(err)
	_, err = w.asg.PutNotificationConfiguration(w.ctx, &autoscaling.PutNotificationConfigurationInput{
		AutoScalingGroupName: &name, TopicARN: aws.String("arn:aws:sns:eu-central-1:123456789012:ops"), NotificationTypes: []string{"autoscaling:EC2_INSTANCE_LAUNCH_ERROR"},
	})
	ok(err)
	_, err = w.asg.EnableMetricsCollection(w.ctx, &autoscaling.EnableMetricsCollectionInput{AutoScalingGroupName: &name, Granularity: aws.String("1Minute"), Metrics: []string{"GroupTotalInstances"}})
	ok(err)
	_, err = w.asg.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: &name, ScalingProcesses: []string{"AZRebalance"}})
	ok(err)
}

// requireLike asserts that a fleet has what operated has set up.
func (w *world) requireLike(name string) {
	w.Helper()
	g, data := w.group(name), w.template(name)
	require.Equal(w, []int32{77, 66, 604800}, []int32{*g.DefaultCooldown, *g.DefaultInstanceWarmup, *g.MaxInstanceLifetime})
	require.True(w, *g.CapacityRebalance)
	require.Equal(w, []string{"OldestInstance"}, g.TerminationPolicies)
	require.Equal(w, int32(90), *g.InstanceMaintenancePolicy.MinHealthyPercentage)
	require.Equal(w, []string{"payments", "by hand"}, []string{tags(g)["team"], tags(g)["note"]})
	require.Equal(w, "GroupTotalInstances", *g.EnabledMetrics[0].Metric)
	require.Equal(w, int32(1), *g.WarmPoolConfiguration.MinSize)
	require.Contains(w, w.suspended(name), "AZRebalance")

	require.Equal(w, []string{"ops", "unlimited"}, []string{*data.KeyName, *data.CreditSpecification.CpuCredits})
	require.True(w, *data.EbsOptimized && *data.Monitoring.Enabled)
	require.Equal(w, int32(3), *data.MetadataOptions.HttpPutResponseHopLimit)
	require.Equal(w, ec2types.LaunchTemplateHttpTokensStateRequired, data.MetadataOptions.HttpTokens)
	require.Equal(w, int32(40), *data.BlockDeviceMappings[0].Ebs.VolumeSize)
	require.Equal(w, int32(4000), *data.BlockDeviceMappings[0].Ebs.Iops)
	require.True(w, *data.BlockDeviceMappings[0].Ebs.Encrypted)
	_, extra := w.told(name)
	require.Equal(w, script, string(extra))

	hooks, err := w.asg.DescribeLifecycleHooks(w.ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &name})
	require.NoError(w, err)
	require.Len(w, hooks.LifecycleHooks, 1)
	require.Equal(w, []string{"ship-logs", "CONTINUE", "s3"}, []string{*hooks.LifecycleHooks[0].LifecycleHookName, *hooks.LifecycleHooks[0].DefaultResult, *hooks.LifecycleHooks[0].NotificationMetadata})
	actions, err := w.asg.DescribeScheduledActions(w.ctx, &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: &name})
	require.NoError(w, err)
	require.Len(w, actions.ScheduledUpdateGroupActions, 1)
	require.Equal(w, []string{"morning", "0 6 * * *", "Europe/Berlin"}, []string{*actions.ScheduledUpdateGroupActions[0].ScheduledActionName, *actions.ScheduledUpdateGroupActions[0].Recurrence, *actions.ScheduledUpdateGroupActions[0].TimeZone})
	notes, err := w.asg.DescribeNotificationConfigurations(w.ctx, &autoscaling.DescribeNotificationConfigurationsInput{AutoScalingGroupNames: []string{name}})
	require.NoError(w, err)
	require.Len(w, notes.NotificationConfigurations, 1)
	w.requirePolicies(name)
}

func (w *world) requirePolicies(name string) {
	w.Helper()
	policies, err := w.asg.DescribePolicies(w.ctx, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &name})
	require.NoError(w, err)
	by := map[string]astypes.ScalingPolicy{}
	for _, p := range policies.ScalingPolicies {
		by[*p.PolicyName] = p
	}
	require.Len(w, by, 2)
	label := *by["requests"].TargetTrackingConfiguration.PredefinedMetricSpecification.ResourceLabel
	require.True(w, strings.HasSuffix(w.group(name).TargetGroupARNs[0], strings.TrimPrefix(label, "app/checkout/1/")), "the requests of its own target group, not %s", label)
	require.Equal(w, int32(2), *by["burst"].StepAdjustments[0].ScalingAdjustment)

	alarms := w.alarms("switchyard/" + name + "/")
	require.Len(w, alarms, 1)
	require.Equal(w, "switchyard/"+name+"/cpu-high", *alarms[0].AlarmName)
	require.Equal(w, name, *alarms[0].Dimensions[0].Value)
	require.Equal(w, []string{*by["burst"].PolicyARN, "arn:aws:sns:eu-central-1:123456789012:page"}, alarms[0].AlarmActions)
	require.Equal(w, float64(80), *alarms[0].Threshold)
}

func (w *world) alarms(prefix string) []cwtypes.MetricAlarm {
	w.Helper()
	out, err := w.watch.DescribeAlarms(w.ctx, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: &prefix})
	require.NoError(w, err)
	return out.MetricAlarms
}

func (w *world) like(name, like string) platform.FleetSpec {
	s := w.spec(name, 3)
	s.Like, s.HeldBy = like, "r-"+name
	return s
}

func TestACandidateIsLikeTheLiveFleet(t *testing.T) {
	w := newWorld(t)
	w.operated("live")
	before := w.group("live")
	w.wire.Reset()
	w.provision(w.like("one", "live"))
	calls := len(w.wire.Calls())
	require.LessOrEqual(t, calls, 25, "the budget of a release is 60")
	w.requireLike("one")
	require.Equal(t, "true", tags(w.group("one"))["switchyard:complete"])
	require.ElementsMatch(t, []string{"AZRebalance", "ScheduledActions"}, w.suspended("one"))
	require.Equal(t, before, w.group("live"), "the live group is untouched")

	w.wire.Reset()
	w.provision(w.like("one", "live"))
	require.Empty(t, w.mutations(), "nothing is left to do")
	require.NoError(t, w.fleets.ReleaseScaleIn(w.ctx, region, "one", "r-one"))
	require.Equal(t, []string{"AZRebalance"}, w.suspended("one"))

	// The next release takes over from a fleet of Switchyard's own.
	w.weights(0, 100)
	w.retire("live")
	w.provision(w.like("two", "one"))
	w.requireLike("two")
	require.NotEqual(t, w.group("one").TargetGroupARNs, w.group("two").TargetGroupARNs)
}

// Each changing call fails in each way; the next attempt, of another worker, ends in the same state.
func TestProvisionInterruptedAnywhere(t *testing.T) {
	w := newWorld(t)
	w.operated("live")
	w.wire.Reset()
	w.provision(w.like("one", "live"))
	actions := w.mutations()
	require.NotEmpty(t, actions)
	seen := map[string]int{}
	for _, action := range actions {
		seen[action]++
		for _, kind := range []wire.Kind{wire.FailBefore, wire.TimeoutAfter} {
			t.Run(action+" "+kind.String(), func(t *testing.T) {
				w := newWorld(t)
				w.operated("live")
				fault := w.wire.Inject(wire.Fault{Action: action, Nth: seen[action], Kind: kind, Times: attempts})
				_, err := w.fleets.Provision(w.ctx, w.like("one", "live"))
				require.Error(t, err)
				require.True(t, fault.Hit())
				require.NotEqual(t, platform.KindInvalid, platform.KindOf(err), "%v", err)
				w.reopen()
				w.provision(w.like("one", "live"))
				w.requireLike("one")
				require.Equal(t, "true", tags(w.group("one"))["switchyard:complete"])
				require.Equal(t, []string{"live-template", "one"}, sorted(w.templates()))
				require.Equal(t, []string{"live", "one"}, sorted(w.groups()))
			})
		}
	}
}

func TestOldAnswersDoNotMakeAFleetTwice(t *testing.T) {
	w := newWorld(t)
	w.operated("live")
	_, err := w.fleets.Describe(w.ctx, region, "one")
	w.requireKind(platform.KindNotFound, err)
	s := w.like("one", "live")
	s.Like = ""
	w.provision(s)
	w.wire.Stale(func(c wire.Call) bool { return c.Action == "DescribeAutoScalingGroups" }, 1)
	w.reopen()
	w.provision(s)
	w.wire.Stale(func(c wire.Call) bool { return c.Action == "DescribeAutoScalingGroups" }, 1)
	require.Equal(t, "one", w.describe("one").Name)
	require.Equal(t, []string{"live", "one"}, sorted(w.groups()))
}

func TestAGroupThatCanNotBeReadYet(t *testing.T) {
	w := newWorld(t)
	groups := func(c wire.Call) bool { return c.Action == "DescribeAutoScalingGroups" }
	_, err := w.fleets.Describe(w.ctx, region, "one")
	w.requireKind(platform.KindNotFound, err)
	s := w.spec("one", 2)
	s.HeldBy = "r1"
	stale := w.wire.Stale(groups, 1) // right after it is made
	f := w.provision(s)
	require.Equal(t, 1, stale.Hits())
	require.Equal(t, []any{"one", 2, "r1"}, []any{f.Name, f.Desired, f.ScaleInHeld})
	require.Equal(t, "true", tags(w.group("one"))["switchyard:complete"])
	require.Equal(t, []string{"ScheduledActions"}, w.suspended("one"))

	w.wire.Stale(groups, 2)
	_, err = w.fleets.Describe(w.ctx, region, "one")
	require.ErrorContains(t, err, "made just now")
	require.False(t, platform.IsNotFound(err), "nothing is certain yet")
	w.inService("one", 2)
}

func TestMixedInstancesAndLaunchConfigurations(t *testing.T) {
	t.Run("mixed instances", func(t *testing.T) {
		w := newWorld(t)
		w.adopted("live", func(_ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
			g.MixedInstancesPolicy = &astypes.MixedInstancesPolicy{
				LaunchTemplate: &astypes.LaunchTemplate{LaunchTemplateSpecification: g.LaunchTemplate, Overrides: []astypes.LaunchTemplateOverrides{
					{InstanceType: aws.String("t3.small")}, {InstanceType: aws.String("t3a.small")},
				}},
				InstancesDistribution: &astypes.InstancesDistribution{OnDemandBaseCapacity: aws.Int32(1), OnDemandPercentageAboveBaseCapacity: aws.Int32(50)},
			}
			g.LaunchTemplate = nil
		})
		w.provision(w.like("one", "live"))
		m := w.group("one").MixedInstancesPolicy
		require.Equal(t, []string{"one", "1"}, []string{*m.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName, *m.LaunchTemplate.LaunchTemplateSpecification.Version})
		require.Len(t, m.LaunchTemplate.Overrides, 2)
		require.Equal(t, int32(50), *m.InstancesDistribution.OnDemandPercentageAboveBaseCapacity)
		require.Equal(t, "live-template", *w.group("live").MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName)
	})
	t.Run("launch configuration", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.asg.CreateLaunchConfiguration(w.ctx, &autoscaling.CreateLaunchConfigurationInput{
			LaunchConfigurationName: aws.String("old"), ImageId: &w.image, InstanceType: aws.String("t2.small"), KeyName: aws.String("ops"),
			UserData:            aws.String(base64.StdEncoding.EncodeToString([]byte(script))),
			BlockDeviceMappings: []astypes.BlockDeviceMapping{{DeviceName: aws.String(root), Ebs: &astypes.Ebs{VolumeSize: aws.Int32(30), VolumeType: aws.String("gp3")}}},
		})
		require.NoError(t, err)
		w.adopted("live", func(_ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
			g.LaunchTemplate, g.LaunchConfigurationName = nil, aws.String("old")
		})
		require.Equal(t, w.image, w.describe("live").Image)
		w.provision(w.like("one", "live"))
		data := w.template("one")
		require.Equal(t, "ops", *data.KeyName)
		require.Equal(t, int32(30), *data.BlockDeviceMappings[0].Ebs.VolumeSize)
		require.True(t, *data.BlockDeviceMappings[0].Ebs.Encrypted)
		_, extra := w.told("one")
		require.Equal(t, script, string(extra))
	})
}

func TestALiveGroupThatCanNotBeFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *ec2types.RequestLaunchTemplateData, *autoscaling.CreateAutoScalingGroupInput)
		after  func(*world)
		texts  []string
	}{
		"a third target group": {change: func(w *world, _ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
			internal, err := w.targetGroup("internal")
			require.NoError(w, err)
			g.TargetGroupARNs = append([]string{internal}, g.TargetGroupARNs...)
		}, texts: []string{"besides the two", "internal"}},
		"launches suspended": {after: func(w *world) {
			_, err := w.asg.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("live"), ScalingProcesses: []string{"Launch"}})
			require.NoError(w, err)
		}, texts: []string{"Launch is suspended"}},
		"weights of instance types": {change: func(_ *world, _ *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
			g.MixedInstancesPolicy = &astypes.MixedInstancesPolicy{LaunchTemplate: &astypes.LaunchTemplate{
				LaunchTemplateSpecification: g.LaunchTemplate, Overrides: []astypes.LaunchTemplateOverrides{{InstanceType: aws.String("t3.large"), WeightedCapacity: aws.String("2")}},
			}}
			g.LaunchTemplate = nil
		}, texts: []string{"weighs t3.large as 2"}},
		"a data volume": {change: func(_ *world, data *ec2types.RequestLaunchTemplateData, _ *autoscaling.CreateAutoScalingGroupInput) {
			data.BlockDeviceMappings = []ec2types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: aws.String("/dev/sdf"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: aws.Int32(100)}}}
		}, texts: []string{"/dev/sdf of the live fleet live"}},
		"user data of Windows": {change: func(_ *world, data *ec2types.RequestLaunchTemplateData, _ *autoscaling.CreateAutoScalingGroupInput) {
			data.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte("<powershell>x</powershell>")))
		}, texts: []string{userdata.ErrUnsupported.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.adopted("live", func(d *ec2types.RequestLaunchTemplateData, g *autoscaling.CreateAutoScalingGroupInput) {
				if c.change != nil {
					c.change(w, d, g)
				}
			})
			if c.after != nil {
				c.after(w)
			}
			w.wire.Reset()
			_, err := w.fleets.Provision(w.ctx, w.like("one", "live"))
			w.requireKind(platform.KindInvalid, err, c.texts...)
			require.Empty(t, w.mutations())
		})
	}
}
