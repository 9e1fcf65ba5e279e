package ask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// stalePeriods is the age, in periods of the metric, from which its newest value tells
// nothing of now.
const stalePeriods = 10

// askCloudWatch looks at an alarm or a metric that the platform keeps.
func (q *questions) askCloudWatch(ctx context.Context, check spec.CloudWatchCheck) release.Result {
	if q.Platform.Meters == nil {
		return unknown("an alarm or a metric", "platform %s keeps no alarms and metrics; checks of kind cloudwatch need platform aws", q.Platform.Name)
	}
	timeout := orTen(check.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if check.Metric == nil {
		if q.lacks(check.Alarm) {
			return unknown(alarmBound(check.Alarm), noLive)
		}
		name := q.fill(check.Alarm)
		alarm, err := q.Platform.Meters.Alarm(ctx, q.Region, name)
		return judgeAlarm(name, alarm, late(err, timeout))
	}
	metric := *check.Metric
	for _, value := range metric.Dimensions {
		if q.lacks(value) {
			return unknown(numberBound(metric.Min, metric.Max), noLive)
		}
	}
	metric.Namespace, metric.Name, metric.Dimensions = q.fill(metric.Namespace), q.fill(metric.Name), q.fillAll(metric.Dimensions)
	reading, err := q.Platform.Meters.Metric(ctx, q.Region, metric)
	return judgeMetric(metric, reading, late(err, timeout), q.now())
}

func alarmBound(name string) string { return "alarm " + name + " is OK" }

// judgeAlarm is the verdict on the state of an alarm.
func judgeAlarm(name string, alarm platform.Alarm, err error) release.Result {
	bound := alarmBound(name)
	if err != nil {
		return unread(bound, err)
	}
	var r release.Result
	switch {
	case alarm.Raised:
		r = failed(bound, "in alarm")
	case alarm.Quiet:
		r = passed(bound, "OK")
	default:
		r = unknown(bound, "has not enough data")
	}
	if alarm.Reason != "" {
		r.Value += ": " + alarm.Reason
	}
	r.Link = alarm.Link
	return r
}

// judgeMetric is the verdict on the newest value of a metric.
func judgeMetric(metric spec.CloudWatchMetric, reading platform.Reading, err error, now time.Time) release.Result {
	bound := numberBound(metric.Min, metric.Max)
	if err != nil {
		return unread(bound, err)
	}
	period := max(metric.Period.Std(), time.Minute)
	r := judgeNumber(reading.Value, metric.Min, metric.Max)
	if age := now.Sub(reading.At); age > stalePeriods*period {
		r = unknown(bound, "the newest value, %s, is %s old", number(reading.Value), age.Round(time.Second))
	}
	r.Link = reading.Link
	return r
}

// late says in words that the time was over.
func late(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", timeout)
	}
	return err
}
