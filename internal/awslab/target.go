package awslab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// TestHeader selects a target group at the listener whatever its weight, "a" or "b":
// the test route. Such requests are not counted.
const TestHeader = "X-Switchyard-Target-Group"

// Target is the load balancer of one application and environment in every region.
type Target struct {
	release.Target
	Port int

	order   []string
	regions map[string]RegionInfo
}

// RegionInfo is the load balancer of a target in one region and the network around it.
type RegionInfo struct {
	Base
	LoadBalancer string    // ARN
	Listener     string    // ARN
	TargetGroups [2]string // ARNs; the first one has weight 100, the second 0
	Entry        string    // URL at which users reach the target
}

// Region is the target's part in a region; the zero value when the lab has no such region.
func (t *Target) Region(name string) RegionInfo { return t.regions[name] }

// Settings is the platform's part of a spec for the target, with short times: the
// fields may be changed. Every region of the lab is in it.
func (t *Target) Settings() spec.Settings {
	s := spec.Settings{AWS: &spec.AWS{
		InstanceType: "t3.micro", InstanceProfile: profile, Port: t.Port, HealthGrace: spec.Duration(5 * time.Second),
		EncryptVolumes: aws.Bool(true), DataVolumes: spec.DataVolumesRefuse,
	}}
	for _, name := range t.order {
		r := t.regions[name]
		s.Regions = append(s.Regions, spec.Region{Name: name, Role: "active", Wave: 1, AWS: &spec.AWSRegion{
			Listener: r.Listener, TargetGroups: r.TargetGroups[:], Subnets: slices.Clone(r.Subnets),
			SecurityGroups: []string{r.InstanceGroup}, Entry: r.Entry,
		}})
	}
	return s
}

// TargetOptions say more about a target's instances.
type TargetOptions struct {
	Port       int    // default 8080
	HealthPath string // default /healthz
	Unweighted bool   // the listener begins with both weights 0, as it is when nothing has a share any more
}

// Region is what the account has in a region for every target.
func (l *Lab) Region(name string) Base {
	if r := l.regions[name]; r != nil {
		return r.base
	}
	return Base{}
}

// AddTarget makes the load balancer of a target in every region: a listener with two
// target groups of weight 100 and 0, and a test rule for each.
func (l *Lab) AddTarget(ctx context.Context, t release.Target, o TargetOptions) (*Target, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.Port == 0 {
		o.Port = 8080
	}
	if o.HealthPath == "" {
		o.HealthPath = "/healthz"
	}
	slot := len(l.targets)
	if slot >= slots {
		return nil, fmt.Errorf("add %s to the AWS lab: it has %d targets already", t, slots)
	}
	out := &Target{Target: t, Port: o.Port, order: l.o.Regions, regions: map[string]RegionInfo{}}
	l.targets = append(l.targets, out) // the slot is used up even if the rest fails
	for _, name := range l.o.Regions {
		info, err := l.regions[name].addTarget(ctx, t, o, firstPort+slot)
		if err != nil {
			return nil, fmt.Errorf("add %s to the AWS lab in %s: %w", t, name, err)
		}
		out.regions[name] = info
	}
	return out, nil
}

func (r *region) addTarget(ctx context.Context, t release.Target, o TargetOptions, port int) (RegionInfo, error) {
	info := RegionInfo{Base: r.base, Entry: "http://" + r.net.address(hostEntry, port)}
	name := short(t)
	made, err := r.aws.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: &name, Subnets: r.base.Subnets, SecurityGroups: []string{r.base.BalancerGroup}})
	if err != nil {
		return info, fmt.Errorf("make the load balancer: %w", err)
	}
	info.LoadBalancer = aws.ToString(made.LoadBalancers[0].LoadBalancerArn)
	for k, suffix := range []string{"a", "b"} {
		if info.TargetGroups[k], err = r.targetGroup(ctx, name+"-"+suffix, o); err != nil {
			return info, err
		}
	}
	first := int32(100)
	if o.Unweighted {
		first = 0
	}
	listener, err := r.aws.elb.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &info.LoadBalancer, Port: aws.Int32(int32(port)), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{forward(info.TargetGroups, first, 0)},
	})
	if err != nil {
		return info, fmt.Errorf("make the listener: %w", err)
	}
	info.Listener = aws.ToString(listener.Listeners[0].ListenerArn)
	for k, value := range []string{"a", "b"} {
		_, err := r.aws.elb.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: &info.Listener, Priority: aws.Int32(int32(k + 1)),
			Conditions: []elbtypes.RuleCondition{{Field: aws.String("http-header"),
				HttpHeaderConfig: &elbtypes.HttpHeaderConditionConfig{HttpHeaderName: aws.String(TestHeader), Values: []string{value}}}},
			Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &info.TargetGroups[k]}},
		})
		if err != nil {
			return info, fmt.Errorf("make a test rule: %w", err)
		}
	}
	r.add(route{listener: info.Listener, balancer: info.LoadBalancer, groups: info.TargetGroups, port: port})
	return info, nil
}

func (r *region) targetGroup(ctx context.Context, name string, o TargetOptions) (string, error) {
	made, err := r.aws.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, VpcId: &r.base.VPC, Port: aws.Int32(int32(o.Port)), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumInstance,
		HealthCheckPath: &o.HealthPath, HealthCheckProtocol: elbtypes.ProtocolEnumHttp, HealthCheckIntervalSeconds: aws.Int32(5),
		HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(3),
		Matcher: &elbtypes.Matcher{HttpCode: aws.String("200")},
	})
	if err != nil {
		return "", fmt.Errorf("make target group %s: %w", name, err)
	}
	arn := aws.ToString(made.TargetGroups[0].TargetGroupArn)
	_, err = r.aws.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &arn, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String(strconv.Itoa(int(drainTime.Seconds())))}}})
	if err != nil {
		return "", fmt.Errorf("set the deregistration delay of target group %s: %w", name, err)
	}
	return arn, nil
}

func forward(groups [2]string, weights ...int32) elbtypes.Action {
	f := &elbtypes.ForwardActionConfig{}
	for k := range groups {
		f.TargetGroups = append(f.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: &groups[k], Weight: &weights[k]})
	}
	return elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: f}
}

// short is a name of at most 29 characters, so that "-a" fits into the 32 of a target group.
func short(t release.Target) string {
	name := t.Application + "-" + t.Environment
	if len(name) <= 29 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:20] + "-" + hex.EncodeToString(sum[:4])
}
