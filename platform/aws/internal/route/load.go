package route

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
)

const opLoad = "read the load of"

// hostMetric is reported for a target group whose health checks are enabled, requests or
// not. Of RequestCount the same page says that it is always reported, and of all metrics
// that they are not reported without requests
// (docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
// So a period that has the first and not the second had no requests, and one that has
// neither is not known.
const hostMetric = "HealthyHostCount"

// longestLoad bounds one reading: its proof is a data point a minute and target group,
// and CloudWatch gives 100,800 of them at once.
const longestLoad = 15 * 24 * time.Hour

// Load sums the requests of both target groups, those of test routes too. A step counts
// when CloudWatch has reported on every period in it, minutes for the last 15 days: with
// requests, or with the number of healthy hosts. Steps that are not over for CountDelay
// are left out. At most 15 days.
func (r *Router) Load(ctx context.Context, region string, target release.Target, since, until time.Time, step time.Duration) ([]release.Load, error) {
	on := target.String() + " in " + region
	if step < time.Minute || step%time.Minute != 0 || step > 24*time.Hour || until.Sub(since) > longestLoad {
		return nil, platform.NewError(platform.KindInvalid, opLoad, on, "ask for full minutes, and for 15 days at most",
			fmt.Errorf("steps of %s from %s to %s", step, since, until))
	}
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	if complete := now.Add(-r.Options.CountDelay); until.After(complete) {
		until = complete
	}
	from, to := floor(since.Add(step-1), step), floor(until, step)
	if !from.Before(to) {
		return nil, nil
	}
	fine := keptPeriod(from, now, time.Minute)
	if step%fine != 0 {
		fine = time.Minute // what is older than that is kept is not there and left out
	}
	l := loadReading{from: from, to: to, step: step, fine: fine}
	return l.read(ctx, acc, balancerDimension(cfg.Listener), cfg.TargetGroups, on)
}

// floor is the last whole multiple of step since 1970 that is not after t.
func floor(t time.Time, step time.Duration) time.Time {
	return time.Unix(0, t.UnixNano()/int64(step)*int64(step)).UTC()
}

type loadReading struct {
	from, to   time.Time
	step, fine time.Duration
}

func (l loadReading) read(ctx context.Context, acc *account.Account, balancer string, groups []string, on string) ([]release.Load, error) {
	var queries []cwtypes.MetricDataQuery
	for i, arn := range groups {
		requests := query(fmt.Sprintf("r%d", i), requestMetric, balancer, arn, l.fine)
		hosts := query(fmt.Sprintf("h%d", i), hostMetric, balancer, arn, l.fine)
		hosts.MetricStat.Stat = aws.String("Maximum")
		queries = append(queries, requests, hosts)
	}
	results, err := acc.Metrics(ctx, queries, l.from, l.to)
	if err != nil {
		return nil, err
	}
	counted, reported := map[time.Time]float64{}, map[time.Time]bool{}
	for i := range groups {
		for _, id := range []string{fmt.Sprintf("r%d", i), fmt.Sprintf("h%d", i)} {
			series, ok := results[id]
			if !ok || len(series.Timestamps) != len(series.Values) || series.StatusCode != cwtypes.StatusCodeComplete {
				return nil, platform.NewError("", opLoad, on, "ask again", errors.New("the answer of CloudWatch is not complete"))
			}
			for n, began := range series.Timestamps {
				began = floor(began, l.fine)
				reported[began] = true
				if id[0] == 'r' {
					counted[floor(began, l.step)] += series.Values[n]
				}
			}
		}
	}
	var out []release.Load
	for at := l.from; at.Before(l.to); at = at.Add(l.step) {
		if l.known(at, reported) {
			out = append(out, release.Load{At: at, Requests: counted[at]})
		}
	}
	return out, nil
}

// known says whether every period of a step was reported.
func (l loadReading) known(step time.Time, reported map[time.Time]bool) bool {
	for at := step; at.Before(step.Add(l.step)); at = at.Add(l.fine) {
		if !reported[at] {
			return false
		}
	}
	return true
}
