package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/time/rate"

	"github.com/switchyard/switchyard/platform"
)

// The most that one call may ask for.
const (
	// docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
	groupsPerCall = 100
	// Values of one filter: docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
	idsPerCall = 200
	// DescribeLoadBalancers takes 20 names; the other describes of Elastic Load Balancing
	// document no number, so it holds for them too.
	arnsPerCall = 20
	// docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
	queriesPerCall = 500
)

// reads is the shared read path of one account and region. Each API action has a bucket
// of its own, as AWS throttles them one by one.
type reads struct {
	groups          *shared[astypes.AutoScalingGroup]
	listing         *shared[[]astypes.AutoScalingGroup]
	health          *shared[[]elbtypes.TargetHealthDescription]
	instances       *shared[ec2types.Instance]
	images          *shared[ec2types.Image]
	listeners       *shared[elbtypes.Listener]
	rules           *shared[elbtypes.Rule]
	balancers       *shared[elbtypes.LoadBalancer]
	targets         *shared[elbtypes.TargetGroup]
	metrics         *shared[map[string]cwtypes.MetricDataResult]
	alarms          *shared[Alarm]
	attributes      *shared[map[string]string]
	templates       *shared[ec2types.ResponseLaunchTemplateData]
	subnets         *shared[ec2types.Subnet]
	types           *shared[ec2types.InstanceTypeInfo]
	running         *shared[[]ec2types.Instance]
	quotas          *shared[float64]
	attached        *attachments
	addresses       *addresses
	knownListener   *facts[elbtypes.Listener]
	knownBalancer   *facts[elbtypes.LoadBalancer]
	knownTarget     *facts[elbtypes.TargetGroup]
	knownAttributes *facts[map[string]string]
	knownType       *facts[ec2types.InstanceTypeInfo]
}

func newReads(a *Account, o Options) reads {
	bucket := func() *rate.Limiter { return rate.NewLimiter(rate.Every(o.Spacing), o.Burst) }
	describeGroups, describeInstances := bucket(), bucket()
	r := reads{
		groups:          newShared(o, describeGroups, groupsPerCall, a.fetchGroups),
		listing:         newShared(o, describeGroups, 1, a.fetchAllGroups),
		health:          newShared(o, bucket(), 1, a.fetchHealth),
		instances:       newShared(o, describeInstances, idsPerCall, a.fetchInstances),
		images:          newShared(o, bucket(), idsPerCall, a.fetchImages),
		listeners:       newShared(o, bucket(), arnsPerCall, a.fetchListeners),
		rules:           newShared(o, bucket(), arnsPerCall, a.fetchRules),
		balancers:       newShared(o, bucket(), arnsPerCall, a.fetchBalancers),
		targets:         newShared(o, bucket(), arnsPerCall, a.fetchTargets),
		metrics:         newShared(o, bucket(), queriesPerCall, a.fetchMetrics),
		alarms:          newShared(o, bucket(), alarmsPerCall, a.fetchAlarms),
		attributes:      newShared(o, bucket(), 1, a.fetchAttributes),
		templates:       newShared(o, bucket(), 1, a.fetchTemplate),
		subnets:         newShared(o, bucket(), idsPerCall, a.fetchSubnets),
		types:           newShared(o, bucket(), 1, a.fetchTypes),
		running:         newShared(o, describeInstances, 1, a.fetchRunning),
		quotas:          newShared(o, bucket(), 1, a.fetchQuota),
		attached:        newAttachments(),
		addresses:       &addresses{},
		knownListener:   &facts[elbtypes.Listener]{},
		knownBalancer:   &facts[elbtypes.LoadBalancer]{},
		knownTarget:     &facts[elbtypes.TargetGroup]{},
		knownAttributes: &facts[map[string]string]{},
		knownType:       &facts[ec2types.InstanceTypeInfo]{},
	}
	r.metrics.weigh = weighMetrics
	return r
}

// one is the answer about a single key. KindNotFound when it is not there.
func one[V any](ctx context.Context, s *shared[V], op, key string) (V, error) {
	var none V
	found, err := s.get(ctx, key)
	if err != nil {
		return none, ended(op, key, err)
	}
	return oneOf(found, op, key, nil)
}

func oneOf[V any](found map[string]V, op, key string, err error) (V, error) {
	v, ok := found[key]
	if err != nil {
		return v, ended(op, key, err)
	}
	if !ok {
		return v, platform.NotFound(op, key)
	}
	return v, nil
}

// ended says of a caller's context that has ended what the caller was about.
func ended(op, resource string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: %w", op, resource, err)
	}
	return err
}

// TargetHealth reads the health of all targets of a target group. KindNotFound when
// there is no such target group.
func (a *Account) TargetHealth(ctx context.Context, targetGroupARN string) ([]elbtypes.TargetHealthDescription, error) {
	return one(ctx, a.health, "read target health of", targetGroupARN)
}

func (a *Account) fetchHealth(ctx context.Context, keys []string) (map[string][]elbtypes.TargetHealthDescription, error) {
	out, err := a.ELB.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &keys[0]})
	if err != nil {
		return nil, Classify("read target health of", keys[0], false, err)
	}
	return map[string][]elbtypes.TargetHealthDescription{keys[0]: out.TargetHealthDescriptions}, nil
}

// Instances reads instances; those that are not there, or not yet, are absent.
func (a *Account) Instances(ctx context.Context, ids ...string) (map[string]ec2types.Instance, error) {
	found, err := a.instances.get(ctx, ids...)
	return found, ended("read instances", list(ids), err)
}

// fetchInstances asks with a filter: ids of instances that are gone don't match, where
// as plain ids they would fail the call for all.
func (a *Account) fetchInstances(ctx context.Context, ids []string) (map[string]ec2types.Instance, error) {
	found := make(map[string]ec2types.Instance, len(ids))
	pages := ec2.NewDescribeInstancesPaginator(a.EC2, &ec2.DescribeInstancesInput{
		Filters:    []ec2types.Filter{{Name: aws.String("instance-id"), Values: ids}},
		MaxResults: aws.Int32(1000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Classify("read instances", list(ids), false, err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				found[aws.ToString(i.InstanceId)] = i
			}
		}
	}
	return found, nil
}

// Images reads images, deprecated and disabled ones too; those that are not there are absent.
func (a *Account) Images(ctx context.Context, ids ...string) (map[string]ec2types.Image, error) {
	found, err := a.images.get(ctx, ids...)
	return found, ended("read images", list(ids), err)
}

// fetchImages asks by id: with a filter AWS would search all public images.
func (a *Account) fetchImages(ctx context.Context, ids []string) (map[string]ec2types.Image, error) {
	out, err := a.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{
		ImageIds: ids, IncludeDeprecated: aws.Bool(true), IncludeDisabled: aws.Bool(true),
	})
	if err != nil {
		return nil, Classify("read images", list(ids), false, err)
	}
	found := make(map[string]ec2types.Image, len(ids))
	for _, i := range out.Images {
		found[aws.ToString(i.ImageId)] = i
	}
	return found, nil
}

// Addresses reads the private IP addresses of instances. An address never changes
// while its instance is there, so it is asked once. Instances without one are absent.
func (a *Account) Addresses(ctx context.Context, ids ...string) (map[string]string, error) {
	known, missing := a.addresses.of(ids)
	if len(missing) == 0 {
		return known, nil
	}
	found, err := a.Instances(ctx, missing...)
	if err != nil {
		return nil, err
	}
	for id, i := range found {
		if ip := aws.ToString(i.PrivateIpAddress); ip != "" {
			known[id] = ip
		}
	}
	a.addresses.keep(known)
	return known, nil
}

// maxAddresses bounds the memory of a worker that runs for years.
const maxAddresses = 100_000

type addresses struct {
	mu sync.Mutex
	by map[string]string // instance id to address
}

func (m *addresses) of(ids []string) (known map[string]string, missing []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known = make(map[string]string, len(ids))
	for _, id := range ids {
		if ip, ok := m.by[id]; ok {
			known[id] = ip
		} else {
			missing = append(missing, id)
		}
	}
	return known, missing
}

func (m *addresses) keep(known map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil || len(m.by) > maxAddresses {
		m.by = map[string]string{}
	}
	for id, ip := range known {
		m.by[id] = ip
	}
}

// list names resources in an error.
func list(keys []string) string {
	const shown = 5
	if len(keys) <= shown {
		return strings.Join(keys, ", ")
	}
	return strings.Join(keys[:shown], ", ") + ", …"
}
