// Package meters reads CloudWatch alarms and metrics for the checks of a release.
package meters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release/spec"
)

// periods is how many of the newest periods are looked at for a value.
const periods = 10

// Deps is what Meters work with.
type Deps struct {
	Pool     *account.Pool
	Settings spec.Settings
	// Delay is how old a period has to be before its value is taken as complete. Default
	// 2m: most services send a minute's data when it is over.
	Delay time.Duration
}

// Meters implements platform.Meters.
type Meters struct{ Deps }

var _ platform.Meters = (*Meters)(nil)

// New makes meters. It makes no call.
func New(d Deps) *Meters {
	if d.Delay <= 0 {
		d.Delay = 2 * time.Minute
	}
	return &Meters{d}
}

// Alarm reads a metric alarm or a composite one: ALARM is raised, OK is quiet, and
// INSUFFICIENT_DATA neither. An alarm that CloudWatch can't evaluate shows its last state,
// so it is neither too
// (docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html).
func (m *Meters) Alarm(ctx context.Context, region, name string) (platform.Alarm, error) {
	acc, err := m.Pool.Of(ctx, m.Settings, region)
	if err != nil {
		return platform.Alarm{}, err
	}
	found, err := acc.Alarm(ctx, name)
	if err != nil {
		return platform.Alarm{}, err
	}
	a := platform.Alarm{Reason: found.Reason, Link: console(region) + "#alarmsV2:alarm/" + url.PathEscape(name)}
	if found.Evaluation != "" {
		a.Reason = fmt.Sprintf("CloudWatch can't evaluate it (%s); its last state was %s: %s", found.Evaluation, found.State, found.Reason)
		return a, nil
	}
	a.Raised, a.Quiet = found.State == cwtypes.StateValueAlarm, found.State == cwtypes.StateValueOk
	return a, nil
}

// Metric reads the newest value whose period is over for Delay at least. KindNotFound
// when none of the last ten periods has one.
func (m *Meters) Metric(ctx context.Context, region string, of spec.CloudWatchMetric) (platform.Reading, error) {
	const op, id = "read metric", "value"
	name := of.Namespace + " " + of.Name
	acc, err := m.Pool.Of(ctx, m.Settings, region)
	if err != nil {
		return platform.Reading{}, err
	}
	period := of.Period.Std().Truncate(time.Minute)
	if period < time.Minute {
		period = time.Minute
	}
	to := time.Unix(0, time.Now().Add(-m.Delay).UnixNano()/int64(period)*int64(period)).UTC()
	results, err := acc.Metrics(ctx, []cwtypes.MetricDataQuery{query(id, of, period)}, to.Add(-periods*period), to)
	if err != nil {
		return platform.Reading{}, err
	}
	series, ok := results[id]
	if !ok || len(series.Timestamps) != len(series.Values) {
		return platform.Reading{}, platform.NewError("", op, name+" in "+region, "ask again", errors.New("the answer of CloudWatch is not complete"))
	}
	newest := -1
	for i, at := range series.Timestamps {
		if newest < 0 || at.After(series.Timestamps[newest]) {
			newest = i
		}
	}
	if newest < 0 {
		return platform.Reading{}, platform.NewError(platform.KindNotFound, op, name+" in "+region, "look at namespace, name and dimensions: all of a metric's dimensions have to be named",
			fmt.Errorf("it has no value in the last %d periods of %s", periods, period))
	}
	value := series.Values[newest]
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return platform.Reading{}, platform.NewError("", op, name+" in "+region, "", fmt.Errorf("its value is %v", value))
	}
	return platform.Reading{Value: value, At: series.Timestamps[newest].Add(period).UTC(), Link: link(region, of)}, nil
}

func query(id string, of spec.CloudWatchMetric, period time.Duration) cwtypes.MetricDataQuery {
	statistic := of.Statistic
	if statistic == "" {
		statistic = "Average"
	}
	var dimensions []cwtypes.Dimension
	for _, k := range slices.Sorted(maps.Keys(of.Dimensions)) {
		dimensions = append(dimensions, cwtypes.Dimension{Name: aws.String(k), Value: aws.String(of.Dimensions[k])})
	}
	return cwtypes.MetricDataQuery{Id: aws.String(id), MetricStat: &cwtypes.MetricStat{
		Metric: &cwtypes.Metric{Namespace: aws.String(of.Namespace), MetricName: aws.String(of.Name), Dimensions: dimensions},
		Period: aws.Int32(int32(period / time.Second)), //nolint:gosec // an hour at most
		Stat:   aws.String(statistic),
	}}
}

// console is CloudWatch's in the partition of the region.
func console(region string) string {
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(region, "cn-"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		domain = "console.amazonaws-us-gov.com"
	}
	return "https://" + region + "." + domain + "/cloudwatch/home?region=" + url.QueryEscape(region)
}

// link searches for the metric in the console.
func link(region string, of spec.CloudWatchMetric) string {
	words := []string{of.Namespace, of.Name}
	for _, k := range slices.Sorted(maps.Keys(of.Dimensions)) {
		words = append(words, of.Dimensions[k])
	}
	return console(region) + "#metricsV2?query=" + url.QueryEscape(strings.Join(words, " "))
}
