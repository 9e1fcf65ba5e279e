// Package preflight says what stands against a release on AWS before anything is baked:
// quotas, instance types, addresses, the route and its target groups. For the doctor it
// also looks at credentials and permissions. It changes nothing.
package preflight

import (
	"context"
	"fmt"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Deps is what an Examiner works with.
type Deps struct {
	Pool     *account.Pool
	Settings spec.Settings
}

// Examiner looks before a release does. It implements platform.Doctor, and the Preflight
// of platform.Fleets.
type Examiner struct{ Deps }

var _ platform.Doctor = (*Examiner)(nil)

// New makes an examiner. It makes no call.
func New(d Deps) *Examiner { return &Examiner{d} }

// Preflight says of everything that was examined how it is; what is in order has no
// Problem. About 17 calls. What may not be read for lack of a permission is a finding,
// not an error, and does not block: the release would say so itself when it matters.
func (e *Examiner) Preflight(ctx context.Context, s platform.FleetSpec) ([]platform.Finding, error) {
	x, err := e.begin(ctx, s)
	if err != nil {
		return nil, err
	}
	err = x.all(ctx, x.instanceType, x.image, x.already, x.subnets, x.offered, x.quotas, x.route)
	return x.findings, err
}

// Examine looks at everything that a release of the target needs in the region, as for a
// fleet of the least size that the settings allow.
func (e *Examiner) Examine(ctx context.Context, region string, target release.Target) ([]platform.Finding, error) {
	least := 1
	if e.Settings.AWS != nil {
		least = max(least, e.Settings.AWS.MinInstances)
	}
	x, err := e.begin(ctx, platform.FleetSpec{Name: "switchyard-doctor", Region: region, Target: target, Instances: least})
	if err != nil {
		return nil, err
	}
	if known, err := x.caller(ctx); err != nil || !known {
		return x.findings, err
	}
	err = x.all(ctx, x.instanceType, x.already, x.subnets, x.offered, x.zones, x.securityGroups, x.quotas, x.route, x.testRoutes, x.permissions)
	return x.findings, err
}

func (e *Examiner) begin(ctx context.Context, s platform.FleetSpec) (*examination, error) {
	acc, err := e.Pool.Of(ctx, e.Settings, s.Region)
	if err != nil {
		return nil, err
	}
	cfg := e.Settings.Region(s.Region)
	return &examination{acc: acc, aws: e.Settings.AWS, cfg: cfg, fleet: s, instance: e.Settings.AWS.InstanceType, subnetIDs: cfg.Subnets}, nil
}

// examination is one look; later steps use what earlier ones read.
type examination struct {
	acc      *account.Account
	aws      *spec.AWS
	cfg      *spec.AWSRegion
	fleet    platform.FleetSpec
	findings []platform.Finding

	instance  string   // type of the instances
	subnetIDs []string // where they are to be

	kind    *ec2types.InstanceTypeInfo // nil: not known
	nets    []ec2types.Subnet
	present int  // instances that the fleet has already
	back    bool // a fleet that is there is to grow again
	exists  bool // the fleet's group is there already
}

func (x *examination) all(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (x *examination) well(subject string) {
	x.findings = append(x.findings, platform.Finding{Subject: subject})
}

func (x *examination) blocks(subject, advice, format string, args ...any) {
	x.findings = append(x.findings, platform.Finding{Subject: subject, Problem: fmt.Sprintf(format, args...), Advice: advice, Blocking: true})
}

func (x *examination) doubts(subject, advice, format string, args ...any) {
	x.findings = append(x.findings, platform.Finding{Subject: subject, Problem: fmt.Sprintf(format, args...), Advice: advice})
}

// failed makes a finding of an error that says something about the subject: it may not be
// read, or what the settings name is not there. Other errors are errors of the look.
func (x *examination) failed(subject, advice string, err error) error {
	switch platform.KindOf(err) {
	case platform.KindNotFound, platform.KindInvalid:
		x.blocks(subject, advice, "%v", err)
		return nil
	default:
		return x.unread(subject, err)
	}
}

// unread makes a finding of an error that leaves the subject unknown for good.
func (x *examination) unread(subject string, err error) error {
	switch platform.KindOf(err) {
	case platform.KindDenied, platform.KindNotFound, platform.KindInvalid:
		x.doubts(subject, adviceOf(err), "could not be examined: %v", cause(err))
		return nil
	default:
		return err
	}
}
