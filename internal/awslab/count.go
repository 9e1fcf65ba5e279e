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

const countEvery = time.Second

// counter counts the requests that went to each target group and were not yet told to
// CloudWatch, from the balancer's access log.
type counter struct {
	tail   caddy.Tail
	counts map[counted]tally
	at     time.Time
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
	_, lb, _ := strings.Cut(balancer, ":loadbalancer/")
	dimensions := []cwtypes.Dimension{ // sorted by name: moto tells orders apart
		{Name: aws.String("LoadBalancer"), Value: &lb},
		{Name: aws.String("TargetGroup"), Value: aws.String(c.group[strings.LastIndex(c.group, ":")+1:])},
	}
	datum := func(name string, value float64) cwtypes.MetricDatum {
		return cwtypes.MetricDatum{MetricName: &name, Dimensions: dimensions, Value: &value, Unit: cwtypes.StandardUnitCount, Timestamp: aws.Time(time.Unix(c.second, 0))}
	}
	data := []cwtypes.MetricDatum{datum("RequestCount", t.total)}
	if t.errors > 0 {
		data = append(data, datum("HTTPCode_Target_5XX_Count", t.errors))
	}
	_, err := r.aws.cloudwatch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/ApplicationELB"), MetricData: data})
	if err != nil {
		return fmt.Errorf("tell CloudWatch of the requests to %s: %w", c.group, err)
	}
	return nil
}
