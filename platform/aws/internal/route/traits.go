package route

import (
	"context"
	"strconv"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Traits reads the stickiness of the forward action and of the two target groups, and
// their slow start; of several times the longest counts. Attributes of target groups may
// be 5 minutes old.
//
// With stickiness on the action a client with the load balancer's cookie goes to the
// target group that the cookie names, and weights say only where clients without one go
// (docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#forward-actions).
// A target group's own cookie names a target; whether a client that has one stays in the
// target group without stickiness on the action, AWS does not promise, so it counts too.
func (r *Router) Traits(ctx context.Context, region string, _ release.Target) (platform.Traits, error) {
	acc, cfg, err := r.place(ctx, region)
	if err != nil {
		return platform.Traits{}, err
	}
	forward, err := acc.Forward(ctx, cfg.Listener)
	if err != nil {
		return platform.Traits{}, err
	}
	t := platform.Traits{Sticky: Sticky(forward.Actions)}
	for _, arn := range cfg.TargetGroups {
		attributes, err := acc.Attributes(ctx, arn)
		if err != nil {
			return platform.Traits{}, err
		}
		t.Sticky = max(t.Sticky, cookie(attributes))
		t.SlowStart = max(t.SlowStart, seconds(attributes["slow_start.duration_seconds"]))
	}
	return t, nil
}

// Sticky is how long the forward action keeps a client with a target group; 0 for not:
// docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupStickinessConfig.html.
func Sticky(actions []elbtypes.Action) time.Duration {
	for _, a := range actions {
		if a.ForwardConfig == nil || a.ForwardConfig.TargetGroupStickinessConfig == nil {
			continue
		}
		if s := a.ForwardConfig.TargetGroupStickinessConfig; deref(s.Enabled) {
			return time.Duration(deref(s.DurationSeconds)) * time.Second
		}
	}
	return 0
}

// cookie is how long a target group keeps a client with a target:
// docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html.
func cookie(attributes map[string]string) time.Duration {
	if attributes["stickiness.enabled"] != "true" {
		return 0
	}
	kind := attributes["stickiness.type"]
	if kind == "" {
		kind = "lb_cookie"
	}
	return seconds(attributes["stickiness."+kind+".duration_seconds"])
}

func seconds(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
