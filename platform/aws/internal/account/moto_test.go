package account

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/platform"
)

// world is what stands in the emulator: a load balancer with two target groups, and a
// fleet in the first.
type world struct {
	*testing.T
	*Account
	balancer, blue, green, listener, rule, image string
}

func newWorld(t *testing.T) *world {
	server, err := moto.Start(t.Context(), moto.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	plainEnvironment(t)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	a, err := NewPool(Options{Attempts: 1}).At(t.Context(), Place{Region: "eu-west-1", Role: "arn:aws:iam::123456789012:role/release"})
	require.NoError(t, err)
	w := &world{T: t, Account: a}
	w.route()
	w.fleet("fleet")
	return w
}

func (w *world) route() {
	subnets, err := w.EC2.DescribeSubnets(w.Context(), &ec2.DescribeSubnetsInput{})
	require.NoError(w, err)
	lb, err := w.ELB.CreateLoadBalancer(w.Context(), &elb.CreateLoadBalancerInput{
		Name: aws.String("web"), Subnets: []string{*subnets.Subnets[0].SubnetId, *subnets.Subnets[1].SubnetId},
	})
	require.NoError(w, err)
	w.balancer = *lb.LoadBalancers[0].LoadBalancerArn
	target := func(name string) string {
		out, err := w.ELB.CreateTargetGroup(w.Context(), &elb.CreateTargetGroupInput{
			Name: aws.String(name), Port: aws.Int32(8080), Protocol: elbtypes.ProtocolEnumHttp, VpcId: subnets.Subnets[0].VpcId,
		})
		require.NoError(w, err)
		return *out.TargetGroups[0].TargetGroupArn
	}
	w.blue, w.green = target("blue"), target("green")
	actions := Forward{Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward}}}.With(Share{w.blue, 100}, Share{w.green, 0})
	l, err := w.ELB.CreateListener(w.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: &w.balancer, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: actions,
	})
	require.NoError(w, err)
	w.listener = *l.Listeners[0].ListenerArn
	r, err := w.ELB.CreateRule(w.Context(), &elb.CreateRuleInput{
		ListenerArn: &w.listener, Priority: aws.Int32(1), Actions: actions,
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/checkout"}}},
	})
	require.NoError(w, err)
	w.rule = *r.Rules[0].RuleArn
}

func (w *world) fleet(name string) {
	images, err := w.EC2.DescribeImages(w.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	require.NoError(w, err)
	w.image = *images.Images[0].ImageId
	_, err = w.EC2.CreateLaunchTemplate(w.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(name),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String(w.image), InstanceType: ec2types.InstanceTypeT3Micro},
	})
	require.NoError(w, err)
	_, err = w.AutoScaling.CreateAutoScalingGroup(w.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(name), MinSize: aws.Int32(0), MaxSize: aws.Int32(4), DesiredCapacity: aws.Int32(2),
		LaunchTemplate:    launchTemplate(name),
		AvailabilityZones: []string{"eu-west-1a"}, TargetGroupARNs: []string{w.blue},
	})
	require.NoError(w, err)
}

func launchTemplate(name string) *astypes.LaunchTemplateSpecification {
	return &astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String(name), Version: aws.String("1")}
}

func TestReadsOfTheEmulator(t *testing.T) {
	w := newWorld(t)
	w.groupsAndInstances()
	w.routing()
	w.requestCounts()
	w.refusals()
}

func (w *world) groupsAndInstances() {
	ctx := w.Context()
	groups, err := w.Groups(ctx, "fleet", "gone")
	require.NoError(w, err)
	require.Len(w, groups, 1)
	require.Len(w, groups["fleet"].Instances, 2)
	ids := []string{*groups["fleet"].Instances[0].InstanceId, *groups["fleet"].Instances[1].InstanceId}

	by, err := w.Attached(ctx, w.blue, w.green)
	require.NoError(w, err)
	require.Len(w, by[w.blue], 1)
	require.Empty(w, by[w.green])

	instances, err := w.Instances(ctx, append(ids, "i-00000000000000000")...)
	require.NoError(w, err)
	require.Len(w, instances, 2)
	ips, err := w.Addresses(ctx, ids...)
	require.NoError(w, err)
	require.Len(w, ips, 2)

	health, err := w.TargetHealth(ctx, w.blue)
	require.NoError(w, err)
	require.Len(w, health, 2)

	images, err := w.Images(ctx, w.image, "ami-00000000000000000")
	require.NoError(w, err)
	require.Len(w, images, 1)

	number, err := w.Number(ctx)
	require.NoError(w, err)
	require.Equal(w, "123456789012", number)
}

func (w *world) routing() {
	ctx := w.Context()
	for arn, isRule := range map[string]bool{w.listener: false, w.rule: true} {
		f, err := w.Forward(ctx, arn)
		require.NoError(w, err)
		require.Equal(w, []Share{{w.blue, 100}, {w.green, 0}}, f.Groups)
		require.Equal(w, w.listener, f.Listener)
		require.Equal(w, w.balancer, f.LoadBalancer)
		require.Equal(w, isRule, f.IsRule)
	}
	f, err := w.Forward(ctx, w.rule)
	require.NoError(w, err)
	_, err = w.ELB.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: &w.rule, Actions: f.With(Share{w.blue, 30}, Share{w.green, 70})})
	require.NoError(w, err)
	f, err = w.Forward(Urgent(ctx), w.rule)
	require.NoError(w, err)
	require.Equal(w, []Share{{w.blue, 30}, {w.green, 70}}, f.Groups)

	lb, err := w.LoadBalancer(ctx, w.balancer)
	require.NoError(w, err)
	require.Equal(w, "web", *lb.LoadBalancerName)
	targets, err := w.TargetGroups(ctx, w.blue, w.green)
	require.NoError(w, err)
	require.Len(w, targets, 2)
	l, err := w.Listener(ctx, w.listener)
	require.NoError(w, err)
	require.Equal(w, int32(80), *l.Port)
}

func (w *world) requestCounts() {
	ctx, at := w.Context(), time.Now().UTC().Truncate(time.Minute).Add(-3*time.Minute)
	_, err := w.CloudWatch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/ApplicationELB"), MetricData: []cwtypes.MetricDatum{
		{MetricName: aws.String("RequestCount"), Value: aws.Float64(3), Timestamp: aws.Time(at)},
	}})
	require.NoError(w, err)
	results, err := w.Metrics(ctx, []cwtypes.MetricDataQuery{requests("r")}, at, at.Add(2*time.Minute))
	require.NoError(w, err)
	require.Equal(w, []float64{3}, results["r"].Values)
}

func (w *world) refusals() {
	ctx := w.Context()
	gone := "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	_, err := w.TargetHealth(ctx, gone+"targetgroup/gone/1")
	require.True(w, platform.IsNotFound(err), "%v", err)
	_, err = w.Forward(ctx, gone+"listener/app/gone/1/2")
	require.True(w, platform.IsNotFound(err), "%v", err)
	_, err = w.Forward(ctx, gone+"listener-rule/app/gone/1/2/3")
	require.True(w, platform.IsNotFound(err), "%v", err)
	_, err = w.LoadBalancer(ctx, gone+"loadbalancer/app/gone/1")
	require.True(w, platform.IsNotFound(err), "%v", err)

	_, err = w.AutoScaling.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("gone")})
	require.Equal(w, platform.KindNotFound, platform.KindOf(Classify("remove", "gone", true, err)), "%v", err)
	_, err = w.AutoScaling.SetDesiredCapacity(ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("fleet"), DesiredCapacity: aws.Int32(9)})
	require.Equal(w, platform.KindInvalid, platform.KindOf(Classify("resize", "fleet", true, err)), "%v", err)
	_, err = w.EC2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("fleet"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String(w.image)},
	})
	require.Equal(w, platform.KindConflict, platform.KindOf(Classify("make", "fleet", true, err)), "%v", err)
	_, err = w.AutoScaling.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("fleet"), MinSize: aws.Int32(0), MaxSize: aws.Int32(1), AvailabilityZones: []string{"eu-west-1a"}, LaunchTemplate: launchTemplate("fleet"),
	})
	require.Equal(w, platform.KindConflict, platform.KindOf(Classify("make", "fleet", true, err)), "%v", err)
	_, err = w.EC2.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: aws.String(w.image), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), DryRun: aws.Bool(true)})
	require.NoError(w, Classify("try", "launch", true, err))
}
