package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

// Quotas of running on-demand instances, counted in vCPUs, by the letters that instance
// types begin with: docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html.
// Dedicated hosts, such as those of Mac instances, have quotas of another kind.
const standardQuota = "L-1216C47A"

var vcpuQuotas = map[string]string{
	"dl":  "L-6E869C2A",
	"f":   "L-74FC7D96",
	"g":   "L-DB2E81BA",
	"gr":  "L-DB2E81BA",
	"hpc": "L-F7808C92",
	"inf": "L-1945791B",
	"mac": "",
	"p":   "L-417A185B",
	"trn": "L-2C3B7624",
	"u":   "L-43DA4232",
	"vt":  "L-DB2E81BA",
	"x":   "L-7295265B",
}

// launchTemplateQuota is of launch templates in a region.
const launchTemplateQuota = "L-FB451C26"

// vcpuQuota is the code of the quota that an instance type counts against, "" when none
// is known.
func vcpuQuota(instanceType string) string {
	letters := instanceType
	if i := strings.IndexFunc(instanceType, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
		letters = instanceType[:i]
	}
	if code, ok := vcpuQuotas[letters]; ok {
		return code
	}
	if letters != "" && strings.Contains("acdhimrtz", letters[:1]) {
		return standardQuota
	}
	return ""
}

func (x *examination) quotas(ctx context.Context) error {
	return x.all(ctx, x.vcpus, x.groups, x.templates)
}

// vcpus compares the quota with what runs and what is to come. The fleet that serves
// stays up beside the new one, so what runs is not freed before.
func (x *examination) vcpus(ctx context.Context) error {
	subject := "vCPU quota in " + x.acc.Region
	code := vcpuQuota(x.instance)
	switch {
	case x.kind == nil || x.kind.VCpuInfo == nil:
		return nil // said of the instance type already
	case code == "":
		x.doubts(subject, "look in Service Quotas whether there is room for two fleets", "which quota %s counts against is not known", x.instance)
		return nil
	}
	quota, err := x.acc.Quota(ctx, code)
	if err != nil {
		return x.unread(subject, err)
	}
	each := int(deref(x.kind.VCpuInfo.DefaultVCpus))
	running, err := x.runningVCPUs(ctx, code, each)
	if err != nil {
		return x.unread(subject, err)
	}
	adds := x.adds() * each
	switch {
	case adds > 0 && running+adds > int(quota) && x.back:
		x.blocks(subject, fmt.Sprintf("ask Service Quotas for %d at least (code %s)", running+adds, code),
			"%d vCPUs run and %d instances more add %d, but the quota is %d", running, x.adds(), adds, int(quota))
		return nil
	case adds > 0 && running+adds > int(quota):
		x.blocks(subject, fmt.Sprintf("ask Service Quotas for %d at least (code %s), or release fewer instances", running+adds, code),
			"%d vCPUs run and the new fleet adds %d, but the quota is %d", running, adds, int(quota))
		return nil
	}
	x.well(fmt.Sprintf("%s: %d run, %d to come, quota %d", subject, running, adds, int(quota)))
	return nil
}

// runningVCPUs counts what counts against the quota: on-demand instances that start or
// run. each is taken for an instance that does not say how many it has.
func (x *examination) runningVCPUs(ctx context.Context, code string, each int) (int, error) {
	running, err := x.acc.Running(ctx)
	sum := 0
	for _, i := range running {
		if i.InstanceLifecycle == "" && vcpuQuota(string(i.InstanceType)) == code {
			sum += vcpusOf(i, each)
		}
	}
	return sum, err
}

func vcpusOf(i ec2types.Instance, otherwise int) int {
	if i.CpuOptions == nil || deref(i.CpuOptions.CoreCount) == 0 {
		return otherwise
	}
	return int(deref(i.CpuOptions.CoreCount) * max(1, deref(i.CpuOptions.ThreadsPerCore)))
}

// groups: docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAccountLimits.html
func (x *examination) groups(ctx context.Context) error {
	subject := "Auto Scaling groups quota in " + x.acc.Region
	out, err := x.acc.AutoScaling.DescribeAccountLimits(ctx, &autoscaling.DescribeAccountLimitsInput{})
	if err != nil {
		return x.unread(subject, account.Classify("read limits of Auto Scaling in", x.acc.Region, false, err))
	}
	have, most := int(deref(out.NumberOfAutoScalingGroups)), int(deref(out.MaxNumberOfAutoScalingGroups))
	x.room(subject, have, most)
	return nil
}

func (x *examination) templates(ctx context.Context) error {
	subject := "launch templates quota in " + x.acc.Region
	most, err := x.acc.Quota(ctx, launchTemplateQuota)
	if err != nil {
		return x.unread(subject, err)
	}
	have := 0
	pages := ec2.NewDescribeLaunchTemplatesPaginator(x.acc.EC2, &ec2.DescribeLaunchTemplatesInput{MaxResults: aws.Int32(200)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return x.unread(subject, account.Classify("count launch templates in", x.acc.Region, false, err))
		}
		have += len(page.LaunchTemplates)
	}
	x.room(subject, have, int(most))
	return nil
}

// room says whether one more fits.
func (x *examination) room(subject string, have, most int) {
	if have >= most && !x.exists {
		x.blocks(subject, "remove what nobody needs, or ask Service Quotas for more", "there are %d of %d", have, most)
		return
	}
	x.well(fmt.Sprintf("%s: %d of %d", subject, have, most))
}
