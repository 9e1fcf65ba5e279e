package route

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
)

const opCount = "count requests"

// Metrics of a target group, all sums
// (docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
// RequestCount counts requests for which the load balancer had chosen a target. What it
// answered itself because a target could not be reached shows as connections that
// failed. Other answers of its own, such as 504 after a time-out, AWS counts for the
// whole load balancer only, so they are in no fleet's count.
const requestMetric = "RequestCount"

var errorMetrics = []string{"HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount", "TargetTLSNegotiationErrorCount"}

// tally is what was counted.
type tally struct{ total, errors uint64 }

func (t tally) plus(o tally) tally { return tally{t.total + o.total, t.errors + o.errors} }

// meter counts one fleet.
type meter struct {
	fleet       string
	targetGroup string
	since       time.Time // when the fleet was made
}

// Requests sums what CloudWatch counted for the fleets' target groups from the making of
// each fleet to At, the end of the last period that is complete: CountDelay ago at
// least. Requests of test routes are in it: AWS counts by target group, not by rule.
// A part that CloudWatch could not give is an error, never a smaller number. Where it
// has no data points there were no requests.
//
// InFlight is the number of targets that are being drained: AWS counts no requests in
// flight by target group.
func (r *Router) Requests(ctx context.Context, region string, _ release.Target) ([]release.Requests, error) {
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return nil, err
	}
	attached, err := acc.Attached(ctx, cfg.TargetGroups...)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	at := now.Add(-r.Options.CountDelay).Truncate(r.Options.CountPeriod)
	var meters []meter
	draining := map[string]int{}
	for _, arn := range cfg.TargetGroups {
		for _, g := range attached[arn] {
			m := meter{deref(g.AutoScalingGroupName), arn, deref(g.CreatedTime).UTC()}
			meters = append(meters, m)
			if draining[m.fleet], err = drainingTargets(ctx, acc, arn, g); err != nil {
				return nil, err
			}
		}
	}
	tallies, err := r.count(ctx, acc, balancerDimension(cfg.Listener), meters, at, now)
	if err != nil {
		return nil, err
	}
	out := []release.Requests{}
	for _, m := range meters {
		t := tallies[m]
		out = append(out, release.Requests{Fleet: m.fleet, Total: t.total, Errors: t.errors, InFlight: draining[m.fleet], At: at})
	}
	return out, nil
}

// drainingTargets counts targets that finish their requests. Only instances on their
// way out of service can be among them, so without one nothing is asked.
func drainingTargets(ctx context.Context, acc *account.Account, targetGroup string, g astypes.AutoScalingGroup) (int, error) {
	if !slices.ContainsFunc(g.Instances, leaving) {
		return 0, nil
	}
	targets, err := acc.TargetHealth(ctx, targetGroup)
	n := 0
	for _, t := range targets {
		if t.TargetHealth != nil && t.TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
			n++
		}
	}
	return n, err
}

// leaving: docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
func leaving(i astypes.Instance) bool {
	state := string(i.LifecycleState)
	return state != string(astypes.LifecycleStateInService) && !strings.HasPrefix(state, "Pending") && !strings.HasPrefix(state, "Warmed")
}

// settled remembers what was counted in blocks that are over, for the process: it no
// longer changes, and reading it again for every look would cost a call for each fleet.
var settled = settledTallies{by: map[settledKey]settledTally{}}

type settledTallies struct {
	mu sync.Mutex
	by map[settledKey]settledTally
}

type settledKey struct {
	acc    *account.Account
	period time.Duration
	meter
}

type settledTally struct {
	tally
	through time.Time
}

// maxSettled bounds the memory of a worker that runs for long; without it what is
// forgotten is read again.
const maxSettled = 10_000

func (s *settledTallies) get(k settledKey) settledTally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[k]
}

func (s *settledTallies) put(k settledKey, t settledTally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by) >= maxSettled {
		clear(s.by)
	}
	if s.by[k].through.Before(t.through) {
		s.by[k] = t
	}
}

// count counts every meter up to at, with one call for each stretch of time that no
// reading before has settled.
func (r *Router) count(ctx context.Context, acc *account.Account, balancer string, meters []meter, at, now time.Time) (map[meter]tally, error) {
	period := r.Options.CountPeriod
	sums := map[meter]tally{}
	asked := map[span][]meter{}
	through := at.Truncate(period * periodsPerBlock)
	for _, m := range meters {
		if !m.since.Before(at) {
			continue // nothing of its life is complete
		}
		known := settled.get(settledKey{acc, period, m})
		over, tail := spans(m.since, at, now, period)
		if known.through.IsZero() || known.through.After(through) {
			known = settledTally{}
		} else {
			over = nil
			if known.through.Before(through) {
				over = []span{{known.through, through, period * periodsPerBlock}}
			}
		}
		sums[m] = known.tally
		for _, s := range over {
			asked[s] = append(asked[s], m)
		}
		if !tail.to.IsZero() {
			asked[tail] = append(asked[tail], m)
		}
	}
	finished := maps.Clone(sums)
	for s, ms := range asked {
		got, err := r.measure(ctx, acc, balancer, s, ms)
		if err != nil {
			return nil, err
		}
		for m, t := range got {
			sums[m] = sums[m].plus(t)
			if !s.to.After(through) {
				finished[m] = finished[m].plus(t)
			}
		}
	}
	for m, t := range finished {
		if m.since.Before(through) { // else its first block is not over
			settled.put(settledKey{acc, period, m}, settledTally{t, through})
		}
	}
	return sums, nil
}

// measure counts one span for the meters, in one reading.
func (r *Router) measure(ctx context.Context, acc *account.Account, balancer string, s span, meters []meter) (map[meter]tally, error) {
	var queries []cwtypes.MetricDataQuery
	for i, m := range meters {
		for j, metric := range append([]string{requestMetric}, errorMetrics...) {
			queries = append(queries, query(fmt.Sprintf("m%dq%d", i, j), metric, balancer, m.targetGroup, s.period))
		}
	}
	results, err := acc.Metrics(ctx, queries, s.from, s.to)
	if err != nil {
		return nil, err
	}
	out := map[meter]tally{}
	for i, m := range meters {
		var t tally
		for j := range 1 + len(errorMetrics) {
			n, err := sum(results, fmt.Sprintf("m%dq%d", i, j), func(began time.Time) bool { return s.counts(began, m.since, r.Options.CountPeriod) })
			if err != nil {
				return nil, platform.NewError("", opCount, "of "+m.fleet+" from CloudWatch", "ask again", err)
			}
			if j == 0 {
				t.total = n
			} else {
				t.errors += n
			}
		}
		out[m] = t
	}
	return out, nil
}

func query(id, metric, balancer, targetGroup string, period time.Duration) cwtypes.MetricDataQuery {
	return cwtypes.MetricDataQuery{
		Id: aws.String(id),
		MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{
				Namespace: aws.String("AWS/ApplicationELB"), MetricName: aws.String(metric),
				Dimensions: []cwtypes.Dimension{
					{Name: aws.String("LoadBalancer"), Value: aws.String(balancer)},
					{Name: aws.String("TargetGroup"), Value: aws.String(groupDimension(targetGroup))},
				},
			},
			Period: aws.Int32(int32(period / time.Second)), //nolint:gosec // at most some hours
			Stat:   aws.String("Sum"),
		},
	}
}

// sum adds up a complete result's periods.
func sum(results map[string]cwtypes.MetricDataResult, id string, within func(time.Time) bool) (uint64, error) {
	result, ok := results[id]
	switch {
	case !ok:
		return 0, errors.New("a metric is missing in the answer")
	case result.StatusCode != cwtypes.StatusCodeComplete:
		return 0, fmt.Errorf("the answer is %q, not complete", result.StatusCode)
	case len(result.Timestamps) != len(result.Values):
		return 0, fmt.Errorf("the answer has %d values for %d times", len(result.Values), len(result.Timestamps))
	}
	n := 0.0
	for i, began := range result.Timestamps {
		if within(began) {
			n += result.Values[i]
		}
	}
	return uint64(math.Round(n)), nil
}
