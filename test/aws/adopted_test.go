package aws_test

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

const (
	adoptedName = "checkout-by-hand"
	size        = 2
)

// adopted makes the live fleet: an Auto Scaling group that somebody made by hand, with
// tags, a lifecycle hook, a scaling policy and metrics as many have them.
func (w *world) adopted() {
	w.t.Helper()
	name := aws.String(adoptedName)
	_, err := w.ec2.CreateLaunchTemplate(w.ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: name, LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
		ImageId: &w.info.SourceAMI, InstanceType: "t3.micro", SecurityGroupIds: []string{w.info.InstanceGroup},
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: &w.info.InstanceProfile},
		Monitoring:         &ec2types.LaunchTemplatesMonitoringRequest{Enabled: aws.Bool(true)},
		BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: aws.String("/dev/xvda"),
			Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: aws.Int32(12), VolumeType: ec2types.VolumeTypeGp3}}},
	}})
	require.NoError(w.t, err)
	_, err = w.groups.CreateAutoScalingGroup(w.ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: name, MinSize: aws.Int32(1), MaxSize: aws.Int32(6), DesiredCapacity: aws.Int32(size),
		LaunchTemplate:    &astypes.LaunchTemplateSpecification{LaunchTemplateName: name, Version: aws.String("1")},
		VPCZoneIdentifier: aws.String(w.info.Subnets[0] + "," + w.info.Subnets[1]), TargetGroupARNs: []string{w.info.TargetGroups[0]},
		HealthCheckType: aws.String("ELB"), HealthCheckGracePeriod: aws.Int32(30), DefaultCooldown: aws.Int32(90),
		DefaultInstanceWarmup: aws.Int32(45), MaxInstanceLifetime: aws.Int32(604800),
		TerminationPolicies:       []string{"OldestInstance"},
		InstanceMaintenancePolicy: &astypes.InstanceMaintenancePolicy{MinHealthyPercentage: aws.Int32(100), MaxHealthyPercentage: aws.Int32(150)},
		Tags: []astypes.Tag{
			{Key: aws.String("team"), Value: aws.String("shop"), PropagateAtLaunch: aws.Bool(true)},
			{Key: aws.String("pager"), Value: aws.String("none"), PropagateAtLaunch: aws.Bool(false)},
		},
		LifecycleHookSpecificationList: []astypes.LifecycleHookSpecification{{
			LifecycleHookName: aws.String("ship-logs"), LifecycleTransition: aws.String("autoscaling:EC2_INSTANCE_TERMINATING"),
			HeartbeatTimeout: aws.Int32(60), DefaultResult: aws.String("CONTINUE"),
		}},
	})
	require.NoError(w.t, err)
	_, err = w.groups.PutScalingPolicy(w.ctx, &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: name, PolicyName: aws.String("cpu"), PolicyType: aws.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: &astypes.TargetTrackingConfiguration{TargetValue: aws.Float64(50),
			PredefinedMetricSpecification: &astypes.PredefinedMetricSpecification{PredefinedMetricType: astypes.MetricTypeASGAverageCPUUtilization}},
	})
	require.NoError(w.t, err)
	_, err = w.groups.EnableMetricsCollection(w.ctx, &autoscaling.EnableMetricsCollectionInput{
		AutoScalingGroupName: name, Granularity: aws.String("1Minute"), Metrics: []string{"GroupInServiceInstances", "GroupDesiredCapacity"}})
	require.NoError(w.t, err)
	_, err = w.groups.SuspendProcesses(w.ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{"AZRebalance"}})
	require.NoError(w.t, err)
}

// everything gives the live fleet all else that an operator would miss.
func (w *world) everything() {
	w.t.Helper()
	name := aws.String(adoptedName)
	w.scaling(name)
	_, err := w.groups.PutNotificationConfiguration(w.ctx, &autoscaling.PutNotificationConfigurationInput{AutoScalingGroupName: name,
		TopicARN: aws.String("arn:aws:sns:" + region + ":" + w.account + ":fleet"), NotificationTypes: []string{"autoscaling:EC2_INSTANCE_LAUNCH_ERROR"}})
	require.NoError(w.t, err)
	_, err = w.groups.PutWarmPool(w.ctx, &autoscaling.PutWarmPoolInput{AutoScalingGroupName: name, MinSize: aws.Int32(1), PoolState: astypes.WarmPoolStateStopped})
	require.NoError(w.t, err)
}

// scaling gives the group a policy with an alarm of its own, and a schedule.
func (w *world) scaling(name *string) {
	w.t.Helper()
	step, err := w.groups.PutScalingPolicy(w.ctx, &autoscaling.PutScalingPolicyInput{
		AutoScalingGroupName: name, PolicyName: aws.String("queue"), PolicyType: aws.String("StepScaling"), AdjustmentType: aws.String("ChangeInCapacity"),
		StepAdjustments: []astypes.StepAdjustment{{MetricIntervalLowerBound: aws.Float64(0), ScalingAdjustment: aws.Int32(1)}},
	})
	require.NoError(w.t, err)
	_, err = w.cloudwatch.PutMetricAlarm(w.ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("checkout queue is long"), AlarmActions: []string{*step.PolicyARN}, Namespace: aws.String("Checkout"), MetricName: aws.String("Queue"),
		Dimensions: []cwtypes.Dimension{{Name: aws.String("AutoScalingGroupName"), Value: name}}, Statistic: cwtypes.StatisticAverage,
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(100), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	})
	require.NoError(w.t, err)
	_, err = w.groups.PutScheduledUpdateGroupAction(w.ctx, &autoscaling.PutScheduledUpdateGroupActionInput{
		AutoScalingGroupName: name, ScheduledActionName: aws.String("nightly"), Recurrence: aws.String("0 22 * * *"), MinSize: aws.Int32(1)})
	require.NoError(w.t, err)
}

// image makes an AMI that a release of Switchyard left.
func (w *world) image(version string) string {
	w.t.Helper()
	out, err := w.ec2.CopyImage(w.ctx, &ec2.CopyImageInput{Name: aws.String("checkout-" + version), Encrypted: aws.Bool(true),
		SourceImageId: &w.info.SourceAMI, SourceRegion: aws.String(region)})
	require.NoError(w.t, err)
	tags, at := []ec2types.Tag{}, "2026-01-0"+version[:1]+"T03:04:05.000Z" // both images are of the same second otherwise
	for k, v := range map[string]string{"application": "checkout", "version": version, "accepted": at, "built": at, "input-digest": "sha256:" + version} {
		tags = append(tags, ec2types.Tag{Key: aws.String("switchyard:" + k), Value: aws.String(v)})
	}
	_, err = w.ec2.CreateTags(w.ctx, &ec2.CreateTagsInput{Resources: []string{*out.ImageId}, Tags: tags})
	require.NoError(w.t, err)
	return *out.ImageId
}
