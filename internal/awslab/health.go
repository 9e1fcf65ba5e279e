package awslab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"github.com/switchyard/switchyard/internal/awslab/moto"
)

const (
	healthy   = "healthy"
	unhealthy = "unhealthy"
)

// backOff is how long a group waits before it replaces an instance: longer after each
// one that never served, so that an application that can't start does not spin.
type backOff struct{ failures int }

func (b *backOff) delay() time.Duration {
	return min(replaceAfter<<min(b.failures, 8), replaceMost)
}

var checkClient = &http.Client{
	Timeout:       checkWithin,
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// checkHealth asks an instance how it is until the context ends. otherwise is the path
// for an instance that no target group checks; without any, a connection will do.
func (r *region) checkHealth(ctx context.Context, i *instance, otherwise string) {
	pace := time.NewTicker(checkEvery)
	defer pace.Stop()
	for {
		r.mu.Lock()
		c, failing := i.check, r.unhealthy[i.group]
		r.mu.Unlock()
		if c.path == "" {
			c.path = otherwise
		}
		listens, err := checkOnce(ctx, i.hostPort(), c)
		if failing {
			err = errors.New("it does not answer, on request of a test")
		}
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		i.listens = i.listens || listens
		if err != nil {
			i.passes, i.fails, i.detail = 0, i.fails+1, err.Error()
		} else {
			i.passes, i.fails = i.passes+1, 0
		}
		news := err != nil || i.passes <= 5
		r.mu.Unlock()
		if news {
			r.wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

// checkOnce says whether somebody listens and what is wrong with the answer.
func checkOnce(ctx context.Context, hostPort string, c check) (listens bool, err error) {
	if c.path == "" {
		conn, err := (&net.Dialer{Timeout: checkWithin}).DialContext(ctx, "tcp", hostPort)
		if err != nil {
			return false, err
		}
		return true, conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+hostPort+c.path, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	res, err := checkClient.Do(req)
	if err != nil {
		return false, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if !succeeded(c.successCodes, res.StatusCode) {
		return true, fmt.Errorf("with these codes: [%d]", res.StatusCode)
	}
	return true, nil
}

// succeeded reads a matcher such as "200,202" or "200-299".
func succeeded(codes string, status int) bool {
	if codes == "" {
		codes = "200"
	}
	for part := range strings.SplitSeq(codes, ",") {
		low, high, ranged := strings.Cut(part, "-")
		from, _ := strconv.Atoi(low)
		to := from
		if ranged {
			to, _ = strconv.Atoi(high)
		}
		if from <= status && status <= to {
			return true
		}
	}
	return false
}

// tell lets the API know how the instances do.
func (r *region) tell(ctx context.Context) error {
	var errs []error
	sick := map[string]bool{}
	for arn, targets := range r.seen.targets {
		for id, t := range targets {
			now, detail, known := r.judge(id, t, r.seen.checks[arn])
			if !known {
				continue
			}
			sick[id] = sick[id] || now == unhealthy
			if now == t.state && (now != unhealthy || detail == t.reason) {
				continue
			}
			h := moto.TargetHealth{TargetGroup: arn, ID: id, State: now, Description: detail}
			if now == unhealthy {
				h.Reason = "Target.FailedHealthChecks"
			}
			if err := r.lab.Moto.SetTargetHealth(ctx, h); err != nil {
				r.readAt = time.Time{} // it has left the group meanwhile, or moto is gone
				errs = append(errs, err)
				continue
			}
			t.state, t.reason = now, detail
			targets[id] = t
		}
	}
	for id, m := range r.seen.machines {
		if m.group != "" {
			errs = append(errs, r.tellGroup(ctx, id, m, sick[id]))
		}
	}
	if time.Since(r.readAt) > resync {
		return nil // the next step knows better
	}
	return errors.Join(errs...)
}

// judge says what a target's health is now. known is false for what is not the lab's.
func (r *region) judge(id string, t elbTarget, c check) (now, detail string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.instances[id]
	if i == nil || i.ending {
		return "", "", false
	}
	if i.check != c {
		i.check, i.passes, i.fails = c, 0, 0
	}
	coming := !i.listens && time.Since(i.launched) < comesUp
	now = t.state
	switch {
	case i.dead != "":
		return unhealthy, "Health checks failed: " + i.dead, true
	case t.state != unhealthy && i.fails >= max(c.fail, 1) && !coming:
		return unhealthy, "Health checks failed: " + i.detail, true
	case t.state == unhealthy && i.passes < max(c.pass, 1):
		return unhealthy, t.reason, true
	case i.passes >= max(c.pass, 1):
		now = healthy
	}
	return now, "", true
}

// tellGroup brings an instance into service in its Auto Scaling group, marks it
// unhealthy and has it replaced.
func (r *region) tellGroup(ctx context.Context, id string, m machine, sick bool) error {
	r.mu.Lock()
	i := r.instances[id]
	if i == nil || i.ending {
		r.mu.Unlock()
		return nil
	}
	dead, up := i.dead != "", i.listens
	r.mu.Unlock()
	g := r.seen.groups[m.group]
	if m.lifecycle == "Pending" && (up || dead || time.Since(i.launched) > comesUp) {
		if err := r.lab.ask(ctx, "/lab/lifecycle", map[string]any{"region": r.name, "instance": id, "state": "InService"}, nil); err != nil {
			return err
		}
		m.lifecycle = "InService"
		r.seen.machines[id] = m
	}
	if m.lifecycle != "InService" {
		return nil
	}
	if i.inService.IsZero() {
		i.inService = time.Now()
	}
	if r.backOff[m.group] == nil {
		r.backOff[m.group] = &backOff{}
	}
	b := r.backOff[m.group]
	if up && !sick && !dead && time.Since(i.inService) > time.Second && !i.served {
		i.served, b.failures = true, 0
	}
	bad := m.unhealthy || dead || g.elb && sick && time.Since(i.inService) > g.grace
	switch {
	case !bad && i.marked.IsZero() || i.replaced || !g.replaces && !i.marked.IsZero():
		return nil
	case i.marked.IsZero():
		i.marked = time.Now()
		if m.unhealthy {
			return nil
		}
		_, err := r.aws.groups.SetInstanceHealth(ctx, &autoscaling.SetInstanceHealthInput{InstanceId: &id, HealthStatus: aws.String("Unhealthy"), ShouldRespectGracePeriod: aws.Bool(false)})
		return err
	case time.Since(i.marked) > b.delay():
		i.replaced = true
		if !i.served {
			b.failures++
		}
		_, err := r.aws.groups.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &id, ShouldDecrementDesiredCapacity: aws.Bool(false)})
		return err
	}
	return nil
}
