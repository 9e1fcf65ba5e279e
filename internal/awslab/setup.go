package awslab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/switchyard/switchyard/release"
)

// SetUp makes what Start and AddTarget make of an account, in the account and region of
// the configuration, for tests that need no data plane: nothing runs behind it.
func SetUp(ctx context.Context, c aws.Config, o TargetOptions, targets ...release.Target) ([]*Target, error) {
	r := &region{name: c.Region, net: network{block: firstBlock}, aws: clients{
		ec2: ec2.NewFromConfig(c), groups: autoscaling.NewFromConfig(c), elb: elb.NewFromConfig(c),
		cloudwatch: cloudwatch.NewFromConfig(c), iam: iam.NewFromConfig(c),
	}}
	var err error
	if r.base, err = makeBase(ctx, r.aws, r.name, r.net); err != nil {
		return nil, fmt.Errorf("set up an account in %s: %w", c.Region, err)
	}
	if o.Port == 0 {
		o.Port = 8080
	}
	if o.HealthPath == "" {
		o.HealthPath = "/healthz"
	}
	var made []*Target
	for i, t := range targets {
		info, err := r.addTarget(ctx, t, o, firstPort+i)
		if err != nil {
			return nil, fmt.Errorf("set up an account for %s in %s: %w", t, c.Region, err)
		}
		made = append(made, &Target{Target: t, Port: o.Port, order: []string{r.name}, regions: map[string]RegionInfo{r.name: info}})
	}
	return made, nil
}
