package meters_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/meters"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
	"github.com/switchyard/switchyard/release/spec"
)

const delay = time.Second

type world struct {
	*routetest.World
	meters *meters.Meters
}

func newWorld(t *testing.T) world {
	w := routetest.New(t, server)
	return world{w, meters.New(meters.Deps{Pool: w.Pool, Settings: w.Settings, Delay: delay})}
}

func (w world) alarm(name string) platform.Alarm {
	w.Helper()
	a, err := w.meters.Alarm(w.Ctx, routetest.Region, name)
	require.NoError(w, err)
	return a
}

func (w world) metricAlarm(name string) {
	w.Helper()
	_, err := w.Account.CloudWatch.PutMetricAlarm(w.Ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("shop"), MetricName: aws.String("errors"), Statistic: cwtypes.StatisticSum,
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	})
	require.NoError(w, err)
}

func (w world) state(name string, state cwtypes.StateValue) {
	w.Helper()
	_, err := w.Account.CloudWatch.SetAlarmState(w.Ctx, &cloudwatch.SetAlarmStateInput{AlarmName: &name, StateValue: state, StateReason: aws.String("because")})
	require.NoError(w, err)
}

func TestAnAlarmIsRaisedQuietOrNeither(t *testing.T) {
	w := newWorld(t)
	w.metricAlarm("checkout errors/s")
	_, err := w.Account.CloudWatch.PutCompositeAlarm(w.Ctx, &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("all of it"), AlarmRule: aws.String(`ALARM("checkout errors/s")`)})
	require.NoError(t, err)
	for _, name := range []string{"checkout errors/s", "all of it"} {
		for state, want := range map[cwtypes.StateValue][2]bool{
			cwtypes.StateValueAlarm: {true, false}, cwtypes.StateValueOk: {false, true}, cwtypes.StateValueInsufficientData: {false, false},
		} {
			w.state(name, state)
			a := w.alarm(name)
			require.Equal(t, want, [2]bool{a.Raised, a.Quiet}, "%s %s", name, state)
			require.Equal(t, "because", a.Reason)
		}
	}
	require.Equal(t, "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#alarmsV2:alarm/checkout%20errors%2Fs", w.alarm("checkout errors/s").Link)
	_, err = w.meters.Alarm(w.Ctx, routetest.Region, "nobody's")
	require.Equal(t, platform.KindNotFound, platform.KindOf(err), "%v", err)
}

func TestAnAlarmThatCantBeReadIsAnError(t *testing.T) {
	w := newWorld(t)
	w.metricAlarm("errors")
	w.After("DescribeAlarms", func(res *http.Response) (*http.Response, error) {
		_ = res.Body.Close()
		return nil, errors.New("connection reset by peer")
	})
	_, err := w.meters.Alarm(w.Ctx, routetest.Region, "errors")
	require.Error(t, err)
	require.NotEqual(t, platform.KindNotFound, platform.KindOf(err))
}

var latency = spec.CloudWatchMetric{Namespace: "shop", Name: "latency", Dimensions: map[string]string{"fleet": "new", "app": "checkout"}, Statistic: "Average", Period: spec.Duration(time.Minute)}

func (w world) put(namespace string, at time.Time, values ...float64) {
	w.Helper()
	for _, v := range values {
		_, err := w.Account.CloudWatch.PutMetricData(w.Ctx, &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String("latency"), Timestamp: &at, Value: &v,
			Dimensions: []cwtypes.Dimension{{Name: aws.String("app"), Value: aws.String("checkout")}, {Name: aws.String("fleet"), Value: aws.String("new")}},
		}}})
		require.NoError(w, err)
	}
}

func TestAMetricIsItsNewestCompleteValue(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC().Add(-delay)
	minute := now.Truncate(time.Minute)
	w.put("shop", minute.Add(-5*time.Minute), 100)
	w.put("shop", minute.Add(-3*time.Minute+10*time.Second), 10, 20, 60)
	w.put("shop", minute.Add(2*time.Minute), 1000) // of a minute that is not over
	w.put("other", minute.Add(-2*time.Minute), 5)
	for statistic, want := range map[string]float64{"Average": 30, "": 30, "Sum": 90, "Maximum": 60, "p99": 60} {
		of := latency
		of.Statistic = statistic
		got, err := w.meters.Metric(w.Ctx, routetest.Region, of)
		require.NoError(t, err)
		require.InDelta(t, want, got.Value, 1e-9, statistic)
		require.True(t, minute.Add(-2*time.Minute).Equal(got.At), "it ended at %s", got.At)
		require.Contains(t, got.Link, "eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#metricsV2?query=shop+latency+checkout+new")
	}
}

func TestAMetricWithoutANewValueIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.put("shop", time.Now().Add(-12*time.Minute), 1)
	_, err := w.meters.Metric(w.Ctx, routetest.Region, latency)
	require.Equal(t, platform.KindNotFound, platform.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "no value in the last 10 periods")
	longer := latency
	longer.Period = spec.Duration(5 * time.Minute)
	got, err := w.meters.Metric(w.Ctx, routetest.Region, longer)
	require.NoError(t, err)
	require.InDelta(t, 1, got.Value, 0)
	elsewhere := latency
	elsewhere.Dimensions = nil
	_, err = w.meters.Metric(w.Ctx, routetest.Region, elsewhere)
	require.Equal(t, platform.KindNotFound, platform.KindOf(err), "a metric is known by all its dimensions")
}
