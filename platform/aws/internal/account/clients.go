package account

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/switchyard/switchyard/platform"
)

const (
	name = "switchyard" // in the User-Agent and as the name of assumed sessions

	// An hour is the most that a session assumed from another role's may last:
	// docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html, "role chaining".
	session = time.Hour
	// Credentials are renewed this long before they end, so that a bake that starts
	// with them has time to begin.
	renewal = 5 * time.Minute
)

// open makes the clients of a place. Everything that the SDK reads from the environment
// (endpoint, credentials, CA bundle, proxy) is honoured.
func open(ctx context.Context, at Place, o Options) (*Account, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(at.Region),
		config.WithAppID(name),
		config.WithHTTPClient(httpClient(o.Timeout)),
		config.WithRetryer(func() aws.Retryer { return retryer(o) }),
	)
	if err != nil {
		return nil, platform.NewError(platform.KindInvalid, "load AWS configuration", at.Region,
			"look at the AWS_… variables and ~/.aws/config of the worker", err)
	}
	if o.HTTP != nil {
		cfg.HTTPClient = o.HTTP
	}
	if at.Role != "" {
		cfg.Credentials = assume(cfg, at)
	}
	cfg.APIOptions = append(cfg.APIOptions, newLimits(o.Log).add)
	a := &Account{
		Place:       at,
		EC2:         ec2.NewFromConfig(cfg),
		AutoScaling: autoscaling.NewFromConfig(cfg),
		ELB:         elasticloadbalancingv2.NewFromConfig(cfg),
		CloudWatch:  cloudwatch.NewFromConfig(cfg),
		Quotas:      servicequotas.NewFromConfig(cfg),
		STS:         sts.NewFromConfig(cfg),
		credentials: cfg.Credentials,
	}
	a.reads = newReads(a, o)
	return a, nil
}

// assume gives the credentials of the place's role. The cache renews them by itself:
// releases last longer than any session.
func assume(cfg aws.Config, at Place) aws.CredentialsProvider {
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), at.Role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = name
		o.Duration = session
		if at.ExternalID != "" {
			o.ExternalID = aws.String(at.ExternalID)
		}
	})
	return aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = renewal
	})
}

// retryer retries what AWS says may be retried, and slows down all calls of a client
// while AWS throttles them.
func retryer(options Options) aws.Retryer {
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) {
			s.MaxAttempts = options.Attempts
			s.MaxBackoff = options.Backoff
		})
	})
}

// httpClient bounds each attempt and keeps enough connections for a worker's releases.
func httpClient(timeout time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(timeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 32
	})
}
