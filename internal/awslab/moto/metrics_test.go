package moto_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"
)

func TestPeriodsFollowTheClockAndTheNamespace(t *testing.T) {
	a := newAccount(t)
	hour := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	dimensions := []cwtypes.Dimension{{Name: aws.String("app"), Value: aws.String("checkout")}}
	put := func(namespace string, minute int, value float64) {
		_, err := a.watch.PutMetricData(a.ctx, &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String("latency"), Dimensions: dimensions, Value: &value, Timestamp: aws.Time(hour.Add(time.Duration(minute) * time.Minute)),
		}}})
		require.NoError(t, err)
	}
	for minute, value := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} {
		put("shop", minute, value)
		put("other", minute, 1000)
	}
	read := func(stat string) cwtypes.MetricDataResult {
		out, err := a.watch.GetMetricData(a.ctx, &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(hour.Add(2 * time.Minute)), EndTime: aws.Time(hour.Add(time.Hour)),
			MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("q"), MetricStat: &cwtypes.MetricStat{
				Metric: &cwtypes.Metric{Namespace: aws.String("shop"), MetricName: aws.String("latency"), Dimensions: dimensions}, Period: aws.Int32(300), Stat: &stat,
			}}},
		})
		require.NoError(t, err)
		return out.MetricDataResults[0]
	}
	sum := read("Sum")
	require.Equal(t, []float64{40, 12}, sum.Values, "newest first, and what began before the start is not counted")
	require.True(t, sum.Timestamps[0].Equal(hour.Add(5*time.Minute)))
	require.Equal(t, []float64{8, 4}, read("Average").Values)
	require.Equal(t, []float64{10, 5}, read("p99").Values)
}

func TestAlarmsAreOfTheTypesAskedFor(t *testing.T) {
	a := newAccount(t)
	_, err := a.watch.PutMetricAlarm(a.ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("errors"), Namespace: aws.String("shop"), MetricName: aws.String("errors"), Statistic: cwtypes.StatisticSum,
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	})
	require.NoError(t, err)
	_, err = a.watch.PutCompositeAlarm(a.ctx, &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("all"), AlarmRule: aws.String("ALARM(errors)")})
	require.NoError(t, err)
	names := []string{"errors", "all"}
	out, err := a.watch.DescribeAlarms(a.ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: names})
	require.NoError(t, err)
	require.Len(t, out.MetricAlarms, 1)
	require.Empty(t, out.CompositeAlarms, "without types AWS answers with metric alarms")
	out, err = a.watch.DescribeAlarms(a.ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: names, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm}})
	require.NoError(t, err)
	require.Len(t, out.MetricAlarms, 1)
	require.Len(t, out.CompositeAlarms, 1)
}
