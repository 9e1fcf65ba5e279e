// Package account is the way to AWS: clients per role and region with credentials that
// refresh, retries and rate limits; one table that says what an AWS error means; and
// reads that are shared by all releases of a worker.
package account

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

// Place is where calls go and as whom.
type Place struct {
	Region     string
	Role       string // ARN of the role to assume; "" the worker's own credentials
	ExternalID string // what the role's trust policy asks for; "" nothing
}

// Options are the bounds of a Pool. Zero values mean the defaults.
type Options struct {
	Spacing  time.Duration  // refill time of one shared read per API action; default 2s
	Burst    int            // shared reads of an API action that go at once; default 10
	Gather   time.Duration  // how long a read waits for others to share its call; default 20ms
	Attempts int            // of one call, the SDK's retries included; default 6
	Backoff  time.Duration  // longest pause between two attempts; default 20s
	Timeout  time.Duration  // of one HTTP attempt; default 15s
	HTTP     aws.HTTPClient // sends the requests; default the SDK's own client with Timeout and AWS_CA_BUNDLE
	Log      *slog.Logger   // failed attempts, at debug level; default none
}

func (o Options) withDefaults() Options {
	if o.Spacing == 0 {
		o.Spacing = 2 * time.Second
	}
	if o.Burst == 0 {
		o.Burst = 10
	}
	if o.Gather == 0 {
		o.Gather = 20 * time.Millisecond
	}
	if o.Attempts == 0 {
		o.Attempts = 6
	}
	if o.Backoff == 0 {
		o.Backoff = 20 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Pool holds the accounts of a worker. One pool per worker, or releases share nothing.
type Pool struct {
	options  Options
	mu       sync.Mutex
	accounts map[Place]*Account
}

// NewPool makes an empty pool.
func NewPool(o Options) *Pool {
	return &Pool{options: o.withDefaults(), accounts: map[Place]*Account{}}
}

// At gives the account of a place, the same one for the same place. It makes no AWS
// call; it reads the environment and the shared configuration files the first time.
func (p *Pool) At(ctx context.Context, at Place) (*Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.accounts[at]; ok {
		return a, nil
	}
	a, err := open(ctx, at, p.options)
	if err != nil {
		return nil, err
	}
	p.accounts[at] = a
	return a, nil
}

// Of gives the account that the settings name for a region: the region's own role, else
// the spec's. KindInvalid when the settings have nothing for the region.
func (p *Pool) Of(ctx context.Context, s spec.Settings, region string) (*Account, error) {
	at := s.Region(region)
	if s.AWS == nil || at == nil {
		return nil, platform.NewError(platform.KindInvalid, "open AWS account", region,
			"give the spec an aws section, and one for this region", fmt.Errorf("the spec has no AWS settings for region %q", region))
	}
	role := s.AWS.Role
	if at.Role != "" {
		role = at.Role
	}
	place := Place{Region: region, Role: role}
	if role != "" {
		place.ExternalID = s.AWS.ExternalID
	}
	return p.At(ctx, place)
}

// Account is one account in one region: clients for what changes things, and methods
// for reads, which are shared. Answers of reads are shared too: don't change them.
type Account struct {
	Place
	EC2         *ec2.Client
	AutoScaling *autoscaling.Client
	ELB         *elasticloadbalancingv2.Client
	CloudWatch  *cloudwatch.Client
	Quotas      *servicequotas.Client
	STS         *sts.Client

	credentials aws.CredentialsProvider
	number      once
	reads
}

// Credentials are the ones in force now, for a program that makes its own calls. They
// are refreshed before they expire, so ask again for every start.
func (a *Account) Credentials(ctx context.Context) (aws.Credentials, error) {
	c, err := a.credentials.Retrieve(ctx)
	return c, Classify("get AWS credentials", a.describe(), false, err)
}

// Number is the 12-digit id of the account. It is asked once.
func (a *Account) Number(ctx context.Context) (string, error) {
	return a.number.get(func() (string, error) {
		out, err := a.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", Classify("ask who we are", a.describe(), false, err)
		}
		return aws.ToString(out.Account), nil
	})
}

func (a *Account) describe() string {
	if a.Role == "" {
		return "with the worker's credentials in " + a.Region
	}
	return "as " + a.Role + " in " + a.Region
}

// once keeps the first answer that is no error.
type once struct {
	mu    sync.Mutex
	value string
}

func (o *once) get(ask func() (string, error)) (string, error) {
	o.mu.Lock()
	v := o.value
	o.mu.Unlock()
	if v != "" {
		return v, nil
	}
	v, err := ask()
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	o.value = v
	o.mu.Unlock()
	return v, nil
}
