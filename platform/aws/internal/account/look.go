package account

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/switchyard/switchyard/platform"
)

// What readiness, alarms and traits look at. A soak asks for it again and again, so it is
// shared by the releases of a worker as everything else is.

// Alarm is a metric alarm or a composite one, as far as both are alike.
type Alarm struct {
	State      cwtypes.StateValue
	Evaluation cwtypes.EvaluationState // what keeps it from telling; "" nothing
	Reason     string
}

// Alarm reads an alarm by its name. KindNotFound when there is none.
func (a *Account) Alarm(ctx context.Context, name string) (Alarm, error) {
	return one(ctx, a.alarms, "read alarm", name)
}

// alarmsPerCall: docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
const alarmsPerCall = 100

func (a *Account) fetchAlarms(ctx context.Context, names []string) (map[string]Alarm, error) {
	found := map[string]Alarm{}
	pages := cloudwatch.NewDescribeAlarmsPaginator(a.CloudWatch, &cloudwatch.DescribeAlarmsInput{
		// Without the types AWS answers with metric alarms alone.
		AlarmNames: names, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Classify("read alarms", list(names), false, err)
		}
		for _, m := range page.MetricAlarms {
			found[aws.ToString(m.AlarmName)] = Alarm{State: m.StateValue, Evaluation: m.EvaluationState, Reason: aws.ToString(m.StateReason)}
		}
		for _, c := range page.CompositeAlarms {
			found[aws.ToString(c.AlarmName)] = Alarm{State: c.StateValue, Reason: aws.ToString(c.StateReason)}
		}
	}
	return found, nil
}

// Attributes reads the attributes of a target group by their keys. The answer may be 5
// minutes old. KindNotFound when there is no such target group.
func (a *Account) Attributes(ctx context.Context, targetGroupARN string) (map[string]string, error) {
	found, err := a.knownAttributes.get(ctx, a.attributes, targetGroupARN)
	return oneOf(found, "read attributes of target group", targetGroupARN, err)
}

func (a *Account) fetchAttributes(ctx context.Context, arns []string) (map[string]map[string]string, error) {
	out, err := a.ELB.DescribeTargetGroupAttributes(ctx, &elasticloadbalancingv2.DescribeTargetGroupAttributesInput{TargetGroupArn: &arns[0]})
	if err != nil {
		return nil, Classify("read attributes of target group", arns[0], false, err)
	}
	by := make(map[string]string, len(out.Attributes))
	for _, at := range out.Attributes {
		by[aws.ToString(at.Key)] = aws.ToString(at.Value)
	}
	return map[string]map[string]string{arns[0]: by}, nil
}

// TemplateVersion reads the version of a launch template that a group names; without one
// that is the default: docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html.
// KindNotFound when the template or the version is not there.
func (a *Account) TemplateVersion(ctx context.Context, s astypes.LaunchTemplateSpecification) (ec2types.ResponseLaunchTemplateData, error) {
	key := strings.Join([]string{aws.ToString(s.LaunchTemplateId), aws.ToString(s.LaunchTemplateName), cmp.Or(aws.ToString(s.Version), "$Default")}, " ")
	found, err := a.templates.get(ctx, key)
	const op = "read launch template"
	what := fmt.Sprintf("%s version %s in %s", cmp.Or(aws.ToString(s.LaunchTemplateName), aws.ToString(s.LaunchTemplateId)), cmp.Or(aws.ToString(s.Version), "$Default"), a.Region)
	if err != nil {
		return ec2types.ResponseLaunchTemplateData{}, ended(op, what, err)
	}
	data, ok := found[key]
	if !ok {
		return data, platform.NotFound(op, what)
	}
	return data, nil
}

func (a *Account) fetchTemplate(ctx context.Context, keys []string) (map[string]ec2types.ResponseLaunchTemplateData, error) {
	parts := strings.Split(keys[0], " ")
	input := &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: aws.String(parts[0]), Versions: []string{parts[2]}}
	if parts[0] == "" { // AWS takes one of the two
		input.LaunchTemplateId, input.LaunchTemplateName = nil, aws.String(parts[1])
	}
	out, err := a.EC2.DescribeLaunchTemplateVersions(ctx, input)
	if err != nil {
		return nil, Classify("read launch template", strings.TrimSpace(keys[0]), false, err)
	}
	for _, v := range out.LaunchTemplateVersions {
		if v.LaunchTemplateData != nil {
			return map[string]ec2types.ResponseLaunchTemplateData{keys[0]: *v.LaunchTemplateData}, nil
		}
	}
	return nil, nil
}

// Subnets reads subnets with their free addresses. KindNotFound when one of them is not there.
func (a *Account) Subnets(ctx context.Context, ids ...string) ([]ec2types.Subnet, error) {
	const op = "read subnets"
	found, err := a.subnets.get(ctx, ids...)
	if err != nil {
		return nil, ended(op, list(ids), err)
	}
	out := make([]ec2types.Subnet, 0, len(ids))
	for _, id := range ids {
		subnet, ok := found[id]
		if !ok {
			return nil, platform.NotFound(op, id)
		}
		out = append(out, subnet)
	}
	return out, nil
}

func (a *Account) fetchSubnets(ctx context.Context, ids []string) (map[string]ec2types.Subnet, error) {
	out, err := a.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil {
		return nil, Classify("read subnets", list(ids), false, err)
	}
	found := make(map[string]ec2types.Subnet, len(ids))
	for _, s := range out.Subnets {
		found[aws.ToString(s.SubnetId)] = s
	}
	return found, nil
}

// InstanceType reads what an instance type is. The answer may be 5 minutes old.
// KindNotFound, or KindInvalid, when the region has no such type.
func (a *Account) InstanceType(ctx context.Context, name string) (ec2types.InstanceTypeInfo, error) {
	found, err := a.knownType.get(ctx, a.types, name)
	return oneOf(found, "read instance type", name, err)
}

func (a *Account) fetchTypes(ctx context.Context, names []string) (map[string]ec2types.InstanceTypeInfo, error) {
	out, err := a.EC2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{ec2types.InstanceType(names[0])}})
	if err != nil {
		return nil, Classify("read instance type", names[0], false, err)
	}
	found := map[string]ec2types.InstanceTypeInfo{}
	for _, t := range out.InstanceTypes {
		found[string(t.InstanceType)] = t
	}
	return found, nil
}

// Running lists the instances of the region that start or run. Callers at the same time
// share one listing.
func (a *Account) Running(ctx context.Context) ([]ec2types.Instance, error) {
	return one(ctx, a.running, "list running instances in", a.Region)
}

func (a *Account) fetchRunning(ctx context.Context, keys []string) (map[string][]ec2types.Instance, error) {
	all := []ec2types.Instance{}
	pages := ec2.NewDescribeInstancesPaginator(a.EC2, &ec2.DescribeInstancesInput{
		Filters:    []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}}},
		MaxResults: aws.Int32(1000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, Classify("list running instances in", a.Region, false, err)
		}
		for _, r := range page.Reservations {
			all = append(all, r.Instances...)
		}
	}
	return map[string][]ec2types.Instance{keys[0]: all}, nil
}

// Quota reads a service quota of EC2 by its code.
func (a *Account) Quota(ctx context.Context, code string) (float64, error) {
	return one(ctx, a.quotas, "read service quota", code)
}

func (a *Account) fetchQuota(ctx context.Context, codes []string) (map[string]float64, error) {
	out, err := a.Quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: &codes[0]})
	if err != nil {
		return nil, Classify("read service quota", codes[0], false, err)
	}
	if out.Quota == nil || out.Quota.Value == nil {
		return nil, platform.NewError("", "read service quota", codes[0], "ask again", fmt.Errorf("the answer has no value"))
	}
	return map[string]float64{codes[0]: *out.Quota.Value}, nil
}
