package account

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// factsAge is how long a fact may be old that changes only when someone rebuilds the
// load balancer.
const factsAge = 5 * time.Minute

// LoadBalancer reads what a load balancer is: name, scheme, DNS name, zones. The answer
// may be 5 minutes old. KindNotFound when it is not there.
func (a *Account) LoadBalancer(ctx context.Context, arn string) (elbtypes.LoadBalancer, error) {
	found, err := a.knownBalancer.get(ctx, a.balancers, arn)
	return oneOf(found, "read load balancer", arn, err)
}

// TargetGroups reads what target groups are: name, protocol, port, health check. The
// answer may be 5 minutes old. Those that are not there are absent.
func (a *Account) TargetGroups(ctx context.Context, arns ...string) (map[string]elbtypes.TargetGroup, error) {
	found, err := a.knownTarget.get(ctx, a.targets, arns...)
	return found, ended("read target groups", list(arns), err)
}

// Listener reads what a listener is: protocol, port, certificates. The answer may be 5
// minutes old, so it is without the actions, which Forward reads. KindNotFound when
// it is not there.
func (a *Account) Listener(ctx context.Context, arn string) (elbtypes.Listener, error) {
	found, err := a.knownListener.get(ctx, a.listeners, arn)
	l, err := oneOf(found, "read listener", arn, err)
	l.DefaultActions = nil
	return l, err
}

func (a *Account) fetchBalancers(ctx context.Context, arns []string) (map[string]elbtypes.LoadBalancer, error) {
	out, err := a.ELB.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{LoadBalancerArns: arns})
	if err != nil {
		return nil, Classify("read load balancers", list(arns), false, err)
	}
	return byARN(out.LoadBalancers, func(l elbtypes.LoadBalancer) *string { return l.LoadBalancerArn }), nil
}

func (a *Account) fetchTargets(ctx context.Context, arns []string) (map[string]elbtypes.TargetGroup, error) {
	out, err := a.ELB.DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: arns})
	if err != nil {
		return nil, Classify("read target groups", list(arns), false, err)
	}
	return byARN(out.TargetGroups, func(t elbtypes.TargetGroup) *string { return t.TargetGroupArn }), nil
}

// facts keeps answers that hardly ever change, for factsAge. What is not there is
// asked again each time.
type facts[V any] struct {
	mu sync.Mutex
	by map[string]fact[V]
}

type fact[V any] struct {
	value V
	read  time.Time
}

func (f *facts[V]) get(ctx context.Context, s *shared[V], keys ...string) (map[string]V, error) {
	began := time.Now()
	known, missing := f.known(keys)
	if len(missing) == 0 {
		return known, nil
	}
	found, err := s.get(ctx, missing...)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, v := range found {
		known[key] = v
		f.by[key] = fact[V]{value: v, read: began}
	}
	return known, nil
}

func (f *facts[V]) known(keys []string) (known map[string]V, missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]fact[V]{}
	}
	known = make(map[string]V, len(keys))
	for _, key := range keys {
		if v, ok := f.by[key]; ok && time.Since(v.read) < factsAge {
			known[key] = v.value
		} else {
			delete(f.by, key)
			missing = append(missing, key)
		}
	}
	return known, missing
}
