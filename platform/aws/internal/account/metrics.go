package account

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/switchyard/switchyard/platform"
)

const readMetrics = "read metrics"

// Metrics reads metrics from CloudWatch between from, rounded down to the minute, and to.
// Queries may refer to each other; their ids need to be unique among themselves only. Each
// has to yield one series, so there is no SEARCH. A query whose data are incomplete fails
// the read: what is missing must not pass for zero. At most 500 queries.
func (a *Account) Metrics(ctx context.Context, queries []cwtypes.MetricDataQuery, from, to time.Time) (map[string]cwtypes.MetricDataResult, error) {
	what := fmt.Sprintf("of %d queries in %s", len(queries), a.Region)
	if len(queries) == 0 || len(queries) > queriesPerCall {
		return nil, platform.NewError(platform.KindInvalid, readMetrics, what, "", fmt.Errorf("not between 1 and %d queries", queriesPerCall))
	}
	w := window{From: from.Truncate(time.Minute).UTC(), To: to.UTC(), Queries: queries}
	key, err := json.Marshal(w)
	if err != nil {
		return nil, platform.NewError(platform.KindInvalid, readMetrics, what, "", err)
	}
	found, err := a.metrics.get(ctx, string(key))
	if err != nil {
		return nil, ended(readMetrics, what, err)
	}
	results := found[string(key)]
	for id, r := range results {
		if r.StatusCode == cwtypes.StatusCodeComplete || r.StatusCode == "" {
			continue
		}
		kind := kindUnknown
		if r.StatusCode == cwtypes.StatusCodeForbidden {
			kind = platform.KindDenied
		}
		return nil, platform.NewError(kind, readMetrics, what, "", fmt.Errorf("query %s: CloudWatch answers %s %v", id, r.StatusCode, r.Messages))
	}
	return results, nil
}

// window is what one caller asks: queries, and from when to when.
type window struct {
	From, To time.Time
	Queries  []cwtypes.MetricDataQuery
}

// widest is the longest time for which windows are read as one.
const widest = 3 * time.Hour

// weighMetrics says which windows share a call. Plain values per minute do when they end
// within the same hour: they are the same whatever the window, so the call asks for the
// whole of it. Anything else shares only with what has the same window.
func weighMetrics(key string) (class string, size int) {
	w, err := decode(key)
	if err != nil {
		return key, 1
	}
	if w.plain() {
		return "plain until " + w.To.Truncate(time.Hour).String(), len(w.Queries)
	}
	return fmt.Sprint(w.From.UnixNano(), w.To.UnixNano()), len(w.Queries)
}

func (w window) plain() bool {
	for _, q := range w.Queries {
		if q.Expression != nil || q.MetricStat == nil || aws.ToInt32(q.MetricStat.Period) != 60 {
			return false
		}
	}
	return w.To.Sub(w.From) <= widest
}

func decode(key string) (window, error) {
	var w window
	err := json.Unmarshal([]byte(key), &w)
	return w, err
}

func (a *Account) fetchMetrics(ctx context.Context, keys []string) (map[string]map[string]cwtypes.MetricDataResult, error) {
	windows := make([]window, len(keys))
	var all window
	for i, key := range keys {
		w, err := decode(key)
		if err != nil {
			return nil, platform.NewError(platform.KindInvalid, readMetrics, a.Region, "", err)
		}
		windows[i] = w
		all = all.with(w, prefix(i))
	}
	merged, err := a.getMetricData(ctx, all)
	if err != nil {
		return nil, err
	}
	found := make(map[string]map[string]cwtypes.MetricDataResult, len(keys))
	for i, key := range keys {
		found[key] = windows[i].part(merged, prefix(i))
	}
	return found, nil
}

// getMetricData reads all pages and puts the parts of each series together.
func (a *Account) getMetricData(ctx context.Context, w window) (map[string]cwtypes.MetricDataResult, error) {
	merged := map[string]cwtypes.MetricDataResult{}
	pages := cloudwatch.NewGetMetricDataPaginator(a.CloudWatch, &cloudwatch.GetMetricDataInput{
		StartTime: &w.From, EndTime: &w.To, MetricDataQueries: w.Queries,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Classify(readMetrics, fmt.Sprintf("of %d queries in %s", len(w.Queries), a.Region), false, err)
		}
		for _, r := range page.MetricDataResults {
			id := aws.ToString(r.Id)
			if before, ok := merged[id]; ok {
				r.Timestamps = append(before.Timestamps, r.Timestamps...)
				r.Values = append(before.Values, r.Values...)
			}
			merged[id] = r
		}
	}
	return merged, nil
}

// prefix keeps the ids of callers apart. An id begins with a small letter.
func prefix(caller int) string { return fmt.Sprintf("c%d_", caller) }

// with adds another caller's queries, renamed.
func (w window) with(other window, prefix string) window {
	if len(w.Queries) == 0 || other.From.Before(w.From) {
		w.From = other.From
	}
	if other.To.After(w.To) {
		w.To = other.To
	}
	ids := map[string]bool{}
	for _, q := range other.Queries {
		ids[aws.ToString(q.Id)] = true
	}
	for _, q := range other.Queries {
		q.Id = aws.String(prefix + aws.ToString(q.Id))
		if q.Expression != nil {
			q.Expression = aws.String(rename(*q.Expression, ids, prefix))
		}
		w.Queries = append(w.Queries, q)
	}
	return w
}

var word = regexp.MustCompile(`'[^']*'|"[^"]*"|[A-Za-z_][A-Za-z0-9_]*`)

// rename puts the prefix before the ids in an expression, not inside of its strings.
func rename(expression string, ids map[string]bool, prefix string) string {
	return word.ReplaceAllStringFunc(expression, func(s string) string {
		if ids[s] {
			return prefix + s
		}
		return s
	})
}

// part is what one caller asked for: its ids under their own names, its time only.
func (w window) part(merged map[string]cwtypes.MetricDataResult, prefix string) map[string]cwtypes.MetricDataResult {
	results := make(map[string]cwtypes.MetricDataResult, len(w.Queries))
	for _, q := range w.Queries {
		id := aws.ToString(q.Id)
		r, ok := merged[prefix+id]
		if !ok {
			continue
		}
		all := r
		r.Id, r.Timestamps, r.Values = aws.String(id), nil, nil
		for i, t := range all.Timestamps {
			if !t.Before(w.From) && t.Before(w.To) && i < len(all.Values) {
				r.Timestamps, r.Values = append(r.Timestamps, t), append(r.Values, all.Values[i])
			}
		}
		results[id] = r
	}
	return results
}
