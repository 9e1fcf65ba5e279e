package moto_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
)

func TestTargetHealthIsWhatTheLabSays(t *testing.T) {
	a := newAccount(t)
	tg := a.targetGroup("blue")
	require.NoError(t, server.SetDefaultTargetHealth(a.ctx, "initial"))
	a.group("fleet", a.template("fleet"), 2, func(in *autoscaling.CreateAutoScalingGroupInput) { in.TargetGroupARNs = []string{tg} })
	i := ids(a.describe("fleet"))
	require.Equal(t, map[string]string{i[0]: "initial", i[1]: "initial"}, a.health(tg))

	require.NoError(t, server.SetTargetHealth(a.ctx, moto.TargetHealth{TargetGroup: tg, ID: i[0], State: "healthy"}))
	require.NoError(t, server.SetTargetHealth(a.ctx, moto.TargetHealth{TargetGroup: tg, ID: i[1], State: "unhealthy", Reason: "Target.Timeout"}))
	require.Equal(t, map[string]string{i[0]: "healthy", i[1]: "unhealthy"}, a.health(tg))
	require.Error(t, server.SetTargetHealth(a.ctx, moto.TargetHealth{TargetGroup: tg, ID: "i-unknown", State: "healthy"}))

	require.NoError(t, server.KeepDraining(a.ctx, true))
	for range 2 { // deregistering what is gone is no error
		_, err := a.elb.DeregisterTargets(a.ctx, &elb.DeregisterTargetsInput{
			TargetGroupArn: aws.String(tg), Targets: []elbtypes.TargetDescription{{Id: aws.String(i[0])}},
		})
		require.NoError(t, err)
	}
	require.Equal(t, "draining", a.health(tg)[i[0]])
	require.NoError(t, server.KeepDraining(a.ctx, false))
	require.NotContains(t, a.health(tg), i[0])
}

func forward(blue, green string, b, g int32) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{
		TargetGroups: []elbtypes.TargetGroupTuple{
			{TargetGroupArn: aws.String(blue), Weight: aws.Int32(b)}, {TargetGroupArn: aws.String(green), Weight: aws.Int32(g)},
		},
		TargetGroupStickinessConfig: &elbtypes.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(60)},
	}}}
}

func TestWeightsReadBackAsSet(t *testing.T) {
	a := newAccount(t)
	blue, green := a.targetGroup("blue"), a.targetGroup("green")
	lb, err := a.elb.CreateLoadBalancer(a.ctx, &elb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: a.subnets})
	require.NoError(t, err)
	listener, err := a.elb.CreateListener(a.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80),
		DefaultActions: forward(blue, green, 100, 0),
	})
	require.NoError(t, err)
	arn := listener.Listeners[0].ListenerArn
	_, err = a.elb.ModifyListener(a.ctx, &elb.ModifyListenerInput{ListenerArn: arn, DefaultActions: forward(blue, green, 0, 100)})
	require.NoError(t, err)
	read, err := a.elb.DescribeListeners(a.ctx, &elb.DescribeListenersInput{ListenerArns: []string{*arn}})
	require.NoError(t, err)
	require.Equal(t, forward(blue, green, 0, 100)[0].ForwardConfig, read.Listeners[0].DefaultActions[0].ForwardConfig)
	rules, err := a.elb.DescribeRules(a.ctx, &elb.DescribeRulesInput{ListenerArn: arn})
	require.NoError(t, err)
	require.Equal(t, forward(blue, green, 0, 100)[0].ForwardConfig, rules.Rules[0].Actions[0].ForwardConfig, "the default rule is the listener's")

	rule, err := a.elb.CreateRule(a.ctx, &elb.CreateRuleInput{
		ListenerArn: arn, Priority: aws.Int32(10), Actions: forward(blue, green, 90, 10),
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/x"}}}},
	})
	require.NoError(t, err)
	_, err = a.elb.ModifyRule(a.ctx, &elb.ModifyRuleInput{RuleArn: rule.Rules[0].RuleArn, Actions: forward(blue, green, 1, 99)})
	require.NoError(t, err)
	rules, err = a.elb.DescribeRules(a.ctx, &elb.DescribeRulesInput{RuleArns: []string{*rule.Rules[0].RuleArn}})
	require.NoError(t, err)
	require.Equal(t, forward(blue, green, 1, 99)[0].ForwardConfig, rules.Rules[0].Actions[0].ForwardConfig)
}

func TestRequestCountsAreReadAsPut(t *testing.T) {
	a := newAccount(t)
	dimensions := []cwtypes.Dimension{
		{Name: aws.String("TargetGroup"), Value: aws.String("targetgroup/blue/1")}, {Name: aws.String("LoadBalancer"), Value: aws.String("app/web/1")},
	}
	at := time.Now().UTC().Truncate(time.Minute).Add(-2 * time.Minute)
	for second, n := range map[int]float64{0: 3, 10: 4, 60: 5} {
		_, err := a.watch.PutMetricData(a.ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/ApplicationELB"), MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String("RequestCount"), Dimensions: dimensions, Value: aws.Float64(n), Timestamp: aws.Time(at.Add(time.Duration(second) * time.Second)),
		}}})
		require.NoError(t, err)
	}
	read := func(period int32) []float64 {
		out, err := a.watch.GetMetricData(a.ctx, &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(at), EndTime: aws.Time(at.Add(2 * time.Minute)), ScanBy: cwtypes.ScanByTimestampAscending,
			MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("blue"), MetricStat: &cwtypes.MetricStat{
				Metric: &cwtypes.Metric{Namespace: aws.String("AWS/ApplicationELB"), MetricName: aws.String("RequestCount"), Dimensions: dimensions},
				Period: aws.Int32(period), Stat: aws.String("Sum"),
			}}},
		})
		require.NoError(t, err)
		require.True(t, out.MetricDataResults[0].Timestamps[0].Equal(at))
		return out.MetricDataResults[0].Values
	}
	require.Equal(t, []float64{7, 5}, read(60))
	require.Equal(t, []float64{3, 4, 5}, read(10))
	_, err := a.watch.GetMetricData(a.ctx, &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(at), EndTime: aws.Time(at), MetricDataQueries: []cwtypes.MetricDataQuery{},
	})
	refused(t, err, "ValidationError")
}

func TestQuotasOfferingsAndLimits(t *testing.T) {
	a := newAccount(t)
	require.NoError(t, server.SetQuota(a.ctx, region, "ec2", "L-1216C47A", 8))
	for service, codes := range map[string]map[string]float64{
		"ec2": {"L-1216C47A": 8, "L-FB451C26": 5000}, "autoscaling": {"L-CDE20ADC": 500},
	} {
		for code, want := range codes {
			out, err := a.quotas.GetServiceQuota(a.ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(code)})
			require.NoError(t, err)
			require.InDelta(t, want, *out.Quota.Value, 0)
		}
	}
	require.Error(t, server.SetQuota(a.ctx, region, "ec2", "L-UNKNOWN", 1))
	limits, err := a.asg.DescribeAccountLimits(a.ctx, &autoscaling.DescribeAccountLimitsInput{})
	require.NoError(t, err)
	require.EqualValues(t, 500, *limits.MaxNumberOfAutoScalingGroups)
	offered, err := a.ec2.DescribeInstanceTypeOfferings(a.ctx, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone,
		Filters:      []ec2types.Filter{{Name: aws.String("instance-type"), Values: []string{"t3.micro"}}},
	})
	require.NoError(t, err)
	require.Len(t, offered.InstanceTypeOfferings, 3)
	kinds, err := a.ec2.DescribeInstanceTypes(a.ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{ec2types.InstanceTypeT3Micro}})
	require.NoError(t, err)
	require.EqualValues(t, 2, *kinds.InstanceTypes[0].VCpuInfo.DefaultVCpus)
}
