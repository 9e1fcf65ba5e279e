package awslab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/switchyard/switchyard/internal/caddy"
)

const (
	countEvery = time.Second
	hostsEvery = 10 * time.Second // six in a minute, so that each minute has some
)

// counter counts the requests that went to each target group and were not yet told to
// CloudWatch, from the balancer's access log.
type counter struct {
	tail   caddy.Tail
	counts map[counted]tally
	at     time.Time
	hosts  time.Time // when CloudWatch was last told of healthy hosts
}

// counted is a second in which requests to a target group were answered.
type counted struct {
	group  string
	second int64 // Unix
}

type tally struct{ total, errors float64 }

// count tells CloudWatch what came in since last time. What it could not be told is told
// later, so the sums are exact.
// docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
func (r *region) count(ctx context.Context) error {
	if time.Since(r.counter.at) < countEvery {
		return nil
	}
	r.counter.at = time.Now()
	if _, err := r.counter.tail.Read(r.dir, r.counter.line); err != nil {
		return fmt.Errorf("count the requests of %s: %w", r.name, err)
	}
	balancers := map[string]string{}
	for _, rt := range r.allRoutes() {
		balancers[rt.groups[0]], balancers[rt.groups[1]] = rt.balancer, rt.balancer
	}
	for c, t := range r.counter.counts {
		if err := r.publish(ctx, balancers[c.group], c, t); err != nil {
			return err
		}
		delete(r.counter.counts, c)
	}
	return r.countHosts(ctx, balancers)
}

// countHosts tells CloudWatch how many targets are healthy, as AWS does whether there
// are requests or not.
func (r *region) countHosts(ctx context.Context, balancers map[string]string) error {
	if time.Since(r.counter.hosts) < hostsEvery {
		return nil
	}
	for arn, targets := range r.seen.targets {
		well := 0.0
		for _, t := range targets {
			if t.state == healthy {
				well++
			}
		}
		if len(targets) == 0 || balancers[arn] == "" {
			continue
		}
		if err := r.put(ctx, balancers[arn], counted{arn, time.Now().Unix()}, map[string]float64{"HealthyHostCount": well}); err != nil {
			return err
		}
	}
	r.counter.hosts = time.Now()
	return nil
}

func (n *counter) line(line []byte) {
	var l struct {
		Time   float64 `json:"ts"`
		Status int     `json:"status"`
		Group  string  `json:"target_group"`
	}
	if json.Unmarshal(line, &l) != nil || l.Group == "" {
		return
	}
	c := counted{l.Group, int64(l.Time)}
	t := n.counts[c]
	t.total++
	if l.Status >= http.StatusInternalServerError {
		t.errors++
	}
	n.counts[c] = t
}

func (r *region) publish(ctx context.Context, balancer string, c counted, t tally) error {
	values := map[string]float64{"RequestCount": t.total}
	if t.errors > 0 {
		values["HTTPCode_Target_5XX_Count"] = t.errors
	}
	return r.put(ctx, balancer, c, values)
}

// put tells CloudWatch of a target group.
func (r *region) put(ctx context.Context, balancer string, c counted, values map[string]float64) error {
	_, lb, _ := strings.Cut(balancer, ":loadbalancer/")
	dimensions := []cwtypes.Dimension{ // sorted by name: moto tells orders apart
		{Name: aws.String("LoadBalancer"), Value: &lb},
		{Name: aws.String("TargetGroup"), Value: aws.String(c.group[strings.LastIndex(c.group, ":")+1:])},
	}
	var data []cwtypes.MetricDatum
	for name, value := range values {
		data = append(data, cwtypes.MetricDatum{MetricName: &name, Dimensions: dimensions, Value: &value, Unit: cwtypes.StandardUnitCount, Timestamp: aws.Time(time.Unix(c.second, 0))})
	}
	_, err := r.aws.cloudwatch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/ApplicationELB"), MetricData: data})
	if err != nil {
		return fmt.Errorf("tell CloudWatch of target group %s: %w", c.group, err)
	}
	return nil
}
