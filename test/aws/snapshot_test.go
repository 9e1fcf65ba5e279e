package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/stretchr/testify/require"
)

// snapshot is everything that is in the account: one line for each resource, sorted, in
// JSON as the API says it. Ids and times, which differ from run to run, are replaced by
// what they stand for; so the snapshots of two runs are equal when both ended in the
// same state, and a double or an orphan is a line more.
func (w *world) snapshot() string {
	w.t.Helper()
	s := &shot{w: w, alias: map[string]string{w.info.VPC: "the-vpc", w.info.SourceAMI: "ami of the base"}}
	for i, id := range w.info.Subnets {
		s.alias[id] = fmt.Sprintf("subnet-%d", i+1)
	}
	for i, arn := range w.info.TargetGroups {
		s.alias[arn] = "target group " + string(rune('a'+i))
		s.alias[arn[strings.LastIndex(arn, ":")+1:]] = "targetgroup/" + string(rune('a'+i))
	}
	s.images()
	s.securityGroups()
	s.templates()
	s.machines()
	s.fleets()
	s.scaling()
	s.routes()
	slices.Sort(s.lines)
	return strings.Join(s.lines, "\n")
}

// differences are the lines that only one of two snapshots has.
func differences(want, got string) string {
	var out []string
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range a {
		if i := slices.Index(b, line); i >= 0 {
			b = slices.Delete(b, i, i+1)
			continue
		}
		out = append(out, "- "+line)
	}
	for _, line := range b {
		out = append(out, "+ "+line)
	}
	return strings.Join(out, "\n")
}

type shot struct {
	w     *world
	alias map[string]string
	lines []string
}

// of different runs: account, target, names with a time, digests over ids, times.
var scrub = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`-\d{8}T\d{6}Z-[0-9a-f]{8}`), "-AT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?`), "TIME"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "DIGEST"},
	{regexp.MustCompile(`\b(ami|vpc|snap)-[0-9a-f]{17}\b`), "another $1"},
	{regexp.MustCompile(`key/[0-9a-f-]{36}`), "key/DEFAULT"},
	{regexp.MustCompile(`packer_[0-9a-f-]{36}`), "packer_UUID"},
}

// noise are fields that say nothing of the state, or that no two runs share.
var noise = []string{
	"CreatedTime", "CreateTime", "CreationDate", "LaunchTime", "StartTime", "AttachTime", "AutoScalingGroupARN", "ScheduledActionARN", "AlarmArn", "PolicyARN",
	"AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp", "StateReason", "StateReasonData",
	"Instances", "Attachments", "KeyPairId", "KeyFingerprint", "GroupId", "SecurityGroupArn", "VolumeId", "Progress", "Description", "LastUpdatedTime",
	"OwnerId", "ImageLocation", "Time", "UserData",
}

func (s *shot) add(kind string, v any) {
	raw, err := json.Marshal(v)
	require.NoError(s.w.t, err)
	var tree any
	require.NoError(s.w.t, json.Unmarshal(raw, &tree))
	line, err := json.Marshal(s.clean(tree))
	require.NoError(s.w.t, err)
	s.lines = append(s.lines, kind+" "+string(line))
}

// clean leaves out noise and nothing, names ids, and sorts lists: AWS gives them in any order.
func (s *shot) clean(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			if c := s.clean(x); c == nil || slices.Contains(noise, key) {
				delete(v, key)
			} else {
				v[key] = c
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		list := make([]json.RawMessage, 0, len(v))
		for _, x := range v {
			raw, err := json.Marshal(s.clean(x))
			require.NoError(s.w.t, err)
			list = append(list, raw)
		}
		if len(list) == 0 {
			return nil
		}
		slices.SortFunc(list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
		return list
	case string:
		return s.text(v)
	}
	return v
}

func (s *shot) text(text string) any {
	if text == "" {
		return nil
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.alias), func(a, b string) int { return len(b) - len(a) }) {
		text = strings.ReplaceAll(text, id, s.alias[id])
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, s.w.account, "ACCOUNT"), s.w.queue, "ENV")
	for _, r := range scrub {
		text = r.what.ReplaceAllString(text, r.with)
	}
	return text
}

func tagOf(tags []ec2types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

func (s *shot) images() {
	w := s.w
	images, err := w.ec2.DescribeImages(w.ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}})
	require.NoError(w.t, err)
	for _, i := range images.Images {
		s.alias[*i.ImageId] = "ami of " + tagOf(i.Tags, "switchyard:version")
		for _, d := range i.BlockDeviceMappings {
			s.alias[aws.ToString(d.Ebs.SnapshotId)] = "snapshot of " + tagOf(i.Tags, "switchyard:version")
		}
	}
	for _, i := range images.Images {
		s.add("image", i)
		for _, what := range []ec2types.ImageAttributeName{ec2types.ImageAttributeNameLaunchPermission} {
			a, err := w.ec2.DescribeImageAttribute(w.ctx, &ec2.DescribeImageAttributeInput{ImageId: i.ImageId, Attribute: what})
			require.NoError(w.t, err)
			s.add("image permission", map[string]any{"Image": *i.ImageId, "To": a.LaunchPermissions})
		}
	}
	snapshots, err := w.ec2.DescribeSnapshots(w.ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}})
	require.NoError(w.t, err)
	for _, x := range snapshots.Snapshots {
		if !w.ofMoto[*x.SnapshotId] {
			s.add("snapshot", x)
		}
	}
}

func (s *shot) securityGroups() {
	w := s.w
	groups, err := w.ec2.DescribeSecurityGroups(w.ctx, &ec2.DescribeSecurityGroupsInput{})
	require.NoError(w.t, err)
	for _, g := range groups.SecurityGroups {
		s.alias[*g.GroupId] = "security group " + *g.GroupName
	}
	for _, g := range groups.SecurityGroups {
		s.add("security group", g)
	}
}

// machine is what matters of an instance.
type machine struct {
	Image, Type, Profile, State, Tokens, Subnet, Key string
	Groups                                           []string
	Tags                                             []ec2types.Tag
}

func (s *shot) machines() {
	w := s.w
	keys, err := w.ec2.DescribeKeyPairs(w.ctx, &ec2.DescribeKeyPairsInput{})
	require.NoError(w.t, err)
	for _, k := range keys.KeyPairs {
		s.add("key pair", k)
	}
	all, err := w.ec2.DescribeInstances(w.ctx, &ec2.DescribeInstancesInput{})
	require.NoError(w.t, err)
	for _, r := range all.Reservations {
		for _, i := range r.Instances {
			if i.State.Name == ec2types.InstanceStateNameTerminated {
				continue
			}
			s.alias[*i.InstanceId] = "instance of " + tagOf(i.Tags, "aws:autoscaling:groupName")
			m := machine{Image: aws.ToString(i.ImageId), Type: string(i.InstanceType), State: string(i.State.Name), Subnet: aws.ToString(i.SubnetId), Key: aws.ToString(i.KeyName), Tags: i.Tags}
			if i.IamInstanceProfile != nil {
				m.Profile = aws.ToString(i.IamInstanceProfile.Arn)
			}
			if i.MetadataOptions != nil {
				m.Tokens = string(i.MetadataOptions.HttpTokens)
			}
			for _, g := range i.SecurityGroups {
				m.Groups = append(m.Groups, *g.GroupId)
			}
			s.add("instance", m)
		}
	}
	volumes, err := w.ec2.DescribeVolumes(w.ctx, &ec2.DescribeVolumesInput{})
	require.NoError(w.t, err)
	for _, v := range volumes.Volumes {
		s.add("volume", v)
	}
	cards, err := w.ec2.DescribeNetworkInterfaces(w.ctx, &ec2.DescribeNetworkInterfacesInput{})
	require.NoError(w.t, err)
	s.add("network interfaces", map[string]int{"count": len(cards.NetworkInterfaces)})
}

func (s *shot) templates() {
	w := s.w
	templates, err := w.ec2.DescribeLaunchTemplates(w.ctx, &ec2.DescribeLaunchTemplatesInput{})
	require.NoError(w.t, err)
	for _, t := range templates.LaunchTemplates {
		s.alias[*t.LaunchTemplateId] = "template " + *t.LaunchTemplateName
		s.add("launch template", t)
		versions, err := w.ec2.DescribeLaunchTemplateVersions(w.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: t.LaunchTemplateName})
		require.NoError(w.t, err)
		for _, v := range versions.LaunchTemplateVersions {
			s.add("launch template version", v)
		}
	}
}

func (s *shot) fleets() {
	w := s.w
	groups, err := w.groups.DescribeAutoScalingGroups(w.ctx, &autoscaling.DescribeAutoScalingGroupsInput{})
	require.NoError(w.t, err)
	for _, g := range groups.AutoScalingGroups {
		s.alias[*g.AutoScalingGroupARN] = "group " + *g.AutoScalingGroupName
		s.add("group", g)
		for _, i := range g.Instances {
			s.add("member of "+s.text(*g.AutoScalingGroupName).(string), i)
		}
		hooks, err := w.groups.DescribeLifecycleHooks(w.ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: g.AutoScalingGroupName})
		require.NoError(w.t, err)
		s.add("hooks", map[string]any{"Of": *g.AutoScalingGroupName, "Hooks": hooks.LifecycleHooks})
	}
}

func (s *shot) scaling() {
	w := s.w
	policies, err := w.groups.DescribePolicies(w.ctx, &autoscaling.DescribePoliciesInput{})
	require.NoError(w.t, err)
	for _, p := range policies.ScalingPolicies {
		s.alias[*p.PolicyARN] = "policy " + *p.PolicyName + " of " + *p.AutoScalingGroupName
	}
	for _, p := range policies.ScalingPolicies {
		s.add("policy", p)
	}
	actions, err := w.groups.DescribeScheduledActions(w.ctx, &autoscaling.DescribeScheduledActionsInput{})
	require.NoError(w.t, err)
	for _, a := range actions.ScheduledUpdateGroupActions {
		s.add("scheduled action", a)
	}
	told, err := w.groups.DescribeNotificationConfigurations(w.ctx, &autoscaling.DescribeNotificationConfigurationsInput{})
	require.NoError(w.t, err)
	for _, n := range told.NotificationConfigurations {
		s.add("notification", n)
	}
	alarms, err := w.cloudwatch.DescribeAlarms(w.ctx, &cloudwatch.DescribeAlarmsInput{})
	require.NoError(w.t, err)
	for _, a := range alarms.MetricAlarms {
		s.add("alarm", a)
	}
}

func (s *shot) routes() {
	w := s.w
	listeners, err := w.elb.DescribeListeners(w.ctx, &elb.DescribeListenersInput{ListenerArns: []string{w.info.Listener}})
	require.NoError(w.t, err)
	s.add("traffic", listeners.Listeners[0].DefaultActions)
	for _, arn := range w.info.TargetGroups {
		health, err := w.elb.DescribeTargetHealth(w.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &arn})
		require.NoError(w.t, err)
		s.add("targets", map[string]any{"Of": arn, "Targets": health.TargetHealthDescriptions})
	}
}
