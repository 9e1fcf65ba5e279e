package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

// Samples takes the samples of one comparison of s.Fleet with s.Live, oldest first. A
// latency source sends its requests now and answers seconds; since and until do not
// matter to it. A prometheus source takes the values after since and up to until. An
// error means that nothing was measured; fewer samples than there could be, or none,
// are no error. The errors source is the router's and is not taken here.
func (a *Asker) Samples(ctx context.Context, s Subject, c spec.Comparison, since, until time.Time) (candidate, live []float64, err error) {
	if s.Live == "" {
		return nil, nil, fmt.Errorf("take samples of %s: there is no live fleet to compare %s with", c.Name, s.Fleet)
	}
	q := &questions{Asker: a, Subject: s}
	switch {
	case c.Latency != nil:
		candidate, live, err = q.latencies(ctx, *c.Latency)
	case c.Prometheus != nil:
		candidate, live, err = q.series(ctx, *c.Prometheus, since, until)
	default:
		err = errors.New("it has neither latency nor prometheus as its source")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("take samples of %s: %w", c.Name, err)
	}
	return candidate, live, nil
}

// pairsAtOnce is how many requests of a latency source are under way at a time, to each fleet.
const pairsAtOnce = 5

// LongestSamples is the longest that taking the samples of all the comparisons, one
// after the other, can take.
func LongestSamples(compare []spec.Comparison) time.Duration {
	var all time.Duration
	for _, c := range compare {
		switch {
		case c.Latency != nil:
			batches := (c.Latency.Requests + pairsAtOnce - 1) / pairsAtOnce
			all += orTen(c.Latency.Timeout) * time.Duration(max(1, batches))
		case c.Prometheus != nil:
			all += 2 * orTen(c.Prometheus.Timeout)
		}
	}
	return all
}

// latencies measures requests through the router, always to both fleets at the same
// moment, so that what slows the worker or the router slows both.
func (q *questions) latencies(ctx context.Context, source spec.LatencySource) (candidate, live []float64, err error) {
	mine, err := q.Platform.Router.Probe(ctx, q.Region, q.Target, q.Fleet)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := q.Platform.Router.Probe(ctx, q.Region, q.Target, q.Live)
	if err != nil {
		return nil, nil, err
	}
	requests := max(1, source.Requests)
	candidate, live = make([]float64, requests), make([]float64, requests)
	answered := make([]bool, requests)
	slots := make(chan struct{}, pairsAtOnce)
	var all sync.WaitGroup
	for i := range requests {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			var pair sync.WaitGroup
			pair.Go(func() { candidate[i], _ = q.latency(ctx, mine, source) })
			pair.Go(func() { live[i], answered[i] = q.latency(ctx, theirs, source) })
			pair.Wait()
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for _, ok := range answered {
		if ok {
			return candidate, live, nil
		}
	}
	return nil, nil, fmt.Errorf("the live fleet %s answered none of %d requests to %s: it can't be compared with", q.Live, requests, source.Path)
}

// latency is how long an answer took in seconds. No answer, and a server error, which
// often comes fast, count as the timeout.
func (q *questions) latency(ctx context.Context, probe platform.Probe, source spec.LatencySource) (seconds float64, answered bool) {
	timeout := orTen(source.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := getRequest(ctx, probe, q.fillURL(source.Path), nil)
	if err != nil {
		return timeout.Seconds(), false
	}
	began := time.Now()
	answer, err := q.client(inside).Do(request)
	if err != nil {
		return timeout.Seconds(), false
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody)); err != nil || answer.StatusCode >= http.StatusInternalServerError {
		return timeout.Seconds(), false
	}
	return min(time.Since(began), timeout).Seconds(), true
}

// maxPoints bounds the values of one range query; Prometheus itself refuses more than 11,000.
const maxPoints = 1000

// series takes the values of a range query for both fleets. Values lie on whole
// multiples of the step, so that of two times that follow each other each value
// belongs to exactly one, and both fleets have theirs at the same moments.
func (q *questions) series(ctx context.Context, source spec.PrometheusSource, since, until time.Time) (candidate, live []float64, err error) {
	step := max(source.Step.Std(), time.Second)
	start, end := since.Truncate(step).Add(step), until.Truncate(step)
	if earliest := end.Add(-(maxPoints - 1) * step); start.Before(earliest) {
		start = earliest
	}
	if end.Before(start) {
		return nil, nil, nil // no value lies in this time
	}
	prom, err := q.prometheus(source.URL, source.Token, orTen(source.Timeout))
	if err != nil {
		return nil, nil, err
	}
	for _, fleet := range []struct {
		name string
		into *[]float64
	}{{q.Fleet, &candidate}, {q.Live, &live}} {
		about := q.Subject
		about.Fleet = fleet.name
		value, warnings, err := prom.over(ctx, about.fill(source.Query), start, end, step)
		if err != nil {
			return nil, nil, err
		}
		if *fleet.into, err = oneSeries(value, warnings); err != nil {
			return nil, nil, errors.New(hide(err.Error(), prom.token))
		}
	}
	return candidate, live, nil
}

// oneSeries is the finite values of a series; no series has none. Several series, or a
// warning, are no samples.
func oneSeries(value model.Value, warnings []string) ([]float64, error) {
	if doubt := doubtful(warnings); doubt != "" {
		return nil, fmt.Errorf("Prometheus warns: %s", doubt) //nolint:staticcheck // a name
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, errors.New("the query gives no series of numbers")
	}
	if len(matrix) > 1 {
		return nil, fmt.Errorf("the query gives %d series, not one; wrap it in sum() or the like", len(matrix))
	}
	var out []float64
	for _, series := range matrix {
		for _, p := range series.Values {
			if v := float64(p.Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}
