package account

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// window is one caller's queries, which may refer to each other, and their time.
type window struct {
	From, To time.Time
	Queries  []cwtypes.MetricDataQuery
}

// Metrics reads metrics from CloudWatch.
func (a *Account) Metrics(ctx context.Context, queries []cwtypes.MetricDataQuery, from, to time.Time) (map[string]cwtypes.MetricDataResult, error) {
	key, err := json.Marshal(window{from, to, queries})
	if err != nil {
		return nil, err
	}
	return one(ctx, a.metrics, "read metrics", string(key))
}

func weighMetrics(key string) (string, int) { return key, 1 }

func (a *Account) fetchMetrics(ctx context.Context, keys []string) (map[string]map[string]cwtypes.MetricDataResult, error) {
	var w window
	if err := json.Unmarshal([]byte(keys[0]), &w); err != nil {
		return nil, err
	}
	out, err := a.CloudWatch.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{StartTime: &w.From, EndTime: &w.To, MetricDataQueries: w.Queries})
	if err != nil {
		return nil, Classify("read metrics", "", false, err)
	}
	r := map[string]cwtypes.MetricDataResult{}
	for _, m := range out.MetricDataResults {
		r[aws.ToString(m.Id)] = m
	}
	return map[string]map[string]cwtypes.MetricDataResult{keys[0]: r}, nil
}
