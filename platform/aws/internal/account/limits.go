package account

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"
)

// limits keeps the calls of one account and region well below what AWS allows, attempt
// by attempt, so that a worker does not starve what else runs in the account. AWS
// documents a bucket of 100 and 20 more a second for describes of EC2, each by itself
// (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html), and of 40 and 10 a
// second for those of Elastic Load Balancing together
// (docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html):
// half of it is ours. Auto Scaling has one limit for all its calls and does not say
// which. The other numbers are own choices, far above what releases need.
type limits struct {
	families map[string]*rate.Limiter
	log      *slog.Logger
}

func newLimits(log *slog.Logger) *limits {
	return &limits{log: log, families: map[string]*rate.Limiter{
		"read " + ec2.ServiceID:                     rate.NewLimiter(10, 50),
		"write " + ec2.ServiceID:                    rate.NewLimiter(2, 20),
		"read " + autoscaling.ServiceID:             rate.NewLimiter(5, 20),
		"write " + autoscaling.ServiceID:            rate.NewLimiter(2, 10),
		"read " + elasticloadbalancingv2.ServiceID:  rate.NewLimiter(5, 20),
		"write " + elasticloadbalancingv2.ServiceID: rate.NewLimiter(2, 10),
		"read " + cloudwatch.ServiceID:              rate.NewLimiter(5, 10),
		"read " + servicequotas.ServiceID:           rate.NewLimiter(2, 10),
	}}
}

func (l *limits) add(stack *middleware.Stack) error {
	return stack.Finalize.Insert(l, "Retry", middleware.After)
}

// ID names the step in the SDK's stack.
func (l *limits) ID() string { return "switchyard limits" }

// HandleFinalize is one attempt: it waits for its family's turn, or until ctx ends.
func (l *limits) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	operation := awsmiddleware.GetOperationName(ctx)
	if limiter := l.families[family(awsmiddleware.GetServiceID(ctx), operation)]; limiter != nil {
		if err := wait(ctx, limiter); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
	}
	out, meta, err := next.HandleFinalize(ctx, in)
	if err != nil {
		l.log.DebugContext(ctx, "AWS attempt failed", "service", awsmiddleware.GetServiceID(ctx), "operation", operation,
			"region", awsmiddleware.GetRegion(ctx), "error", err)
	}
	return out, meta, err
}

// family sorts an operation by what its name begins with, as AWS names them.
func family(service, operation string) string {
	for _, prefix := range []string{"Describe", "Get", "List", "Search"} {
		if strings.HasPrefix(operation, prefix) {
			return "read " + service
		}
	}
	return "write " + service
}

// wait takes a token. Unlike the limiter's own Wait it waits out a context that ends
// too early, and then returns that context's error, which is not retried.
func wait(ctx context.Context, limiter *rate.Limiter) error {
	if err := ctx.Err(); err != nil {
		return &aws.RequestCanceledError{Err: err}
	}
	r := limiter.Reserve()
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return &aws.RequestCanceledError{Err: ctx.Err()}
	}
}
