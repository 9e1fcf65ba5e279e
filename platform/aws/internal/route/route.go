// Package route splits a target's traffic with an Application Load Balancer: the
// forward action of one listener or rule, with two target groups and their weights.
//
// A target group holds one fleet at a time: the Auto Scaling group that is attached to
// it. Weights of target groups are the shares of those fleets. Nothing is remembered
// here that AWS does not say itself, except rules and counts that no longer change.
package route

import (
	"context"
	"fmt"
	"strings"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Options are for labs and tests; the defaults fit AWS.
type Options struct {
	// CountPeriod is the resolution of counts: 1, 5, 10 or 30 seconds, or full minutes up
	// to an hour. Default 60s, which is what load balancers report in
	// (docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html).
	CountPeriod time.Duration
	// CountDelay is how old a period has to be before its counts are taken as complete.
	// Default 2m: a period's counts are sent when it is over, and show a little later.
	CountDelay time.Duration
	// Poll is the time between two readings while a change comes into force. Default 1s.
	Poll time.Duration
}

// Deps is what a Router works with.
type Deps struct {
	Pool     *account.Pool
	Settings spec.Settings
	Options  Options
}

// Router implements platform.Router.
type Router struct{ Deps }

var _ platform.Router = (*Router)(nil)

// New makes a router. It makes no call and may be made anew for every use: what
// routers of one process share, such as the lock of a listener, is shared anyway.
func New(d Deps) *Router {
	if d.Options.CountPeriod <= 0 {
		d.Options.CountPeriod = time.Minute
	}
	if d.Options.CountDelay <= 0 {
		d.Options.CountDelay = 2 * time.Minute
	}
	if d.Options.Poll <= 0 {
		d.Options.Poll = time.Second
	}
	return &Router{d}
}

// place finds the region's account and settings.
func (r *Router) place(ctx context.Context, region string) (*account.Account, *spec.AWSRegion, error) {
	acc, err := r.Pool.Of(ctx, r.Settings, region)
	if err != nil {
		return nil, nil, err
	}
	return acc, r.Settings.Region(region), nil
}

// Entry is the settings' entry of the region, else the load balancer's own name with
// the protocol and port of the listener.
func (r *Router) Entry(ctx context.Context, region string, _ release.Target) (string, error) {
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return "", err
	}
	return entry(ctx, acc, cfg)
}

func entry(ctx context.Context, acc *account.Account, cfg *spec.AWSRegion) (string, error) {
	if cfg.Entry != "" {
		return strings.TrimRight(cfg.Entry, "/"), nil
	}
	arn := listenerOf(cfg.Listener)
	listener, err := acc.Listener(ctx, arn)
	if err != nil {
		return "", err
	}
	scheme, usual := "http", int32(80)
	switch listener.Protocol {
	case elbtypes.ProtocolEnumHttp:
	case elbtypes.ProtocolEnumHttps:
		scheme, usual = "https", 443
	default:
		return "", platform.NewError(platform.KindInvalid, "read entry", arn, "name a listener of an Application Load Balancer",
			fmt.Errorf("its protocol is %s, not HTTP or HTTPS", listener.Protocol))
	}
	balancer, err := acc.LoadBalancer(ctx, deref(listener.LoadBalancerArn))
	if err != nil {
		return "", err
	}
	url := scheme + "://" + deref(balancer.DNSName)
	if port := deref(listener.Port); port != 0 && port != usual {
		url += fmt.Sprintf(":%d", port)
	}
	return url, nil
}

// Weights reads the shares now in force, in percent. What gets a share and is no fleet
// is named in words, such as "target group web-a (targets of no Auto Scaling group)".
// Without any fleet or target that gets requests there are no shares.
func (r *Router) Weights(ctx context.Context, region string, _ release.Target) (release.Weights, error) {
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return nil, err
	}
	s, err := Read(ctx, acc, cfg)
	if err != nil {
		return nil, err
	}
	return s.Weights(), nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
