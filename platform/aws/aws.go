// Package aws is the platform of EC2: a fleet is a launch template and an Auto Scaling
// group, the router a listener of an Application Load Balancer that splits the traffic
// between two target groups, an image an AMI per region. What it knows of fleets and
// images stands in their tags; workers keep nothing.
package aws

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/fleets"
	"github.com/switchyard/switchyard/platform/aws/internal/images"
	"github.com/switchyard/switchyard/platform/aws/internal/meters"
	"github.com/switchyard/switchyard/platform/aws/internal/preflight"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Name is the platform's name in specs.
const Name = spec.PlatformAWS

// Options tune the platform of one worker; the zero value is right for AWS.
type Options struct {
	Poll             time.Duration // between two looks while something is waited for; default 5s
	CountPeriod      time.Duration // resolution of request counts; default 60s, which is what load balancers report in
	CountDelay       time.Duration // how old counts have to be to be complete; default 2m
	Timeout          time.Duration // of one HTTP attempt; default 15s
	Spacing          time.Duration // refill time of one shared read per API action; default 2s
	Backoff          time.Duration // longest pause between two attempts of a call; default 20s
	AllowUnencrypted bool          // specs may ask for volumes that are not encrypted
	Log              *slog.Logger  // nil: nowhere
}

// AWS is the platform for all releases of a worker: clients, shared reads and what is
// remembered to spare calls. It is safe for concurrent use.
type AWS struct {
	options Options
	pool    *account.Pool
	memory  *fleets.Memory
}

// New makes the platform. It makes no call; credentials are found where the SDK finds
// them, and AWS_ENDPOINT_URL is honoured.
func New(o Options) *AWS {
	return &AWS{
		options: o,
		pool:    account.NewPool(account.Options{Log: o.Log, Timeout: o.Timeout, Spacing: o.Spacing, Backoff: o.Backoff}),
		memory:  fleets.NewMemory(),
	}
}

// ports are the fleets with what is examined before they are made.
type ports struct {
	*fleets.Fleets
	*preflight.Examiner
}

// Open is the platform.Opener of AWS. KindInvalid without settings.
func (a *AWS) Open(s spec.Settings) (platform.Platform, error) {
	if s.AWS == nil {
		return platform.Platform{}, platform.NewError(platform.KindInvalid, "open platform", Name,
			"give the spec an aws section, and one for each region", errors.New("the spec has no settings for AWS"))
	}
	examiner := preflight.New(preflight.Deps{Pool: a.pool, Settings: s})
	return platform.Platform{
		Name:   Name,
		Images: a.images(s),
		Fleets: ports{
			Fleets: fleets.New(fleets.Deps{Pool: a.pool, Settings: s, Memory: a.memory,
				Options: fleets.Options{Poll: a.options.Poll, AllowUnencrypted: a.options.AllowUnencrypted}}),
			Examiner: examiner,
		},
		Router: route.New(route.Deps{Pool: a.pool, Settings: s,
			Options: route.Options{CountPeriod: a.options.CountPeriod, CountDelay: a.options.CountDelay}}),
		Doctor: examiner,
		Meters: meters.New(meters.Deps{Pool: a.pool, Settings: s, Delay: a.options.CountDelay}),
	}, nil
}

func (a *AWS) images(s spec.Settings) *images.Images {
	return images.New(images.Deps{Pool: a.pool, Settings: s, Options: images.Options{Poll: a.options.Poll}})
}

// Tags is the provenance of an image that is about to be baked, as tags for everything
// its bake makes.
func (a *AWS) Tags(image release.Image, releaseID, bake string) map[string]string {
	return images.Tags(image, releaseID, bake)
}

// Credentials are those in force now in the region, for a program that makes calls of
// its own. They are refreshed before they expire: ask again for every use.
func (a *AWS) Credentials(ctx context.Context, s spec.Settings, region string) (aws.Credentials, error) {
	account, err := a.pool.Of(ctx, s, region)
	if err != nil {
		return aws.Credentials{}, err
	}
	return account.Credentials(ctx)
}

// Accept makes images of the AMIs that a bake with these tags made, by region. Again is
// no change.
func (a *AWS) Accept(ctx context.Context, s spec.Settings, refs, tags map[string]string) error {
	return a.images(s).Accept(ctx, refs, tags)
}

// Sweep removes what a bake left behind, and says what.
func (a *AWS) Sweep(ctx context.Context, s spec.Settings, bake string) ([]string, error) {
	return a.images(s).Sweep(ctx, bake)
}
