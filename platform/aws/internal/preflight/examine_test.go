package preflight_test

import (
	"net/http"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
)

func TestTheDoctorSaysWhatIsWell(t *testing.T) {
	w := newWorld(t)
	found := w.examine()
	require.Empty(t, wrong(found))
	var subjects []string
	for _, f := range found {
		subjects = append(subjects, f.Subject)
	}
	text := strings.Join(subjects, "\n")
	for _, want := range []string{
		"credentials for eu-central-1: arn:aws:", "zones of the subnets", "security groups", "vCPU quota", "Auto Scaling groups quota",
		"launch templates quota", "route arn:", "target group a", "load balancer web", "test route of target group b", "permission ec2:RunInstances",
		"permission ec2:CreateLaunchTemplate", "permission ec2:CreateTags", "permission cloudwatch:GetMetricData",
	} {
		require.Contains(t, text, want)
	}
	require.Zero(t, w.instances(), "nothing was launched")
}

func (w world) instances() int {
	w.Helper()
	all, err := w.Account.AllGroups(w.Ctx)
	require.NoError(w, err)
	n := len(all)
	templates, err := w.Account.EC2.DescribeLaunchTemplates(w.Ctx, nil)
	require.NoError(w, err)
	reservations, err := w.Account.EC2.DescribeInstances(w.Ctx, nil)
	require.NoError(w, err)
	return n + len(templates.LaunchTemplates) + len(reservations.Reservations)
}

func TestTheDoctorNamesAMissingPermission(t *testing.T) {
	w := newWorld(t)
	w.After("RunInstances", func(res *http.Response) (*http.Response, error) {
		return routetest.Refused(res, "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ec2:RunInstances")
	})
	w.only(w.examine(), true, "permission ec2:RunInstances", "ec2:RunInstances")

	w.After("TerminateInstances", func(res *http.Response) (*http.Response, error) { return routetest.Refused(res, "no") })
	found := w.examine()
	require.Empty(t, wrong(found), "a policy that asks for tags refuses what has none")
	require.Equal(t, "permissions that show only in use, as AWS refuses them on what is not there: ec2:TerminateInstances", found[len(found)-1].Subject)
}

func TestTheDoctorStopsWhereNobodyIsKnown(t *testing.T) {
	w := newWorld(t)
	w.After("GetCallerIdentity", func(res *http.Response) (*http.Response, error) { return routetest.Refused(res, "who are you") })
	found := w.examine()
	require.Len(t, found, 1)
	w.only(found, true, "credentials for eu-central-1")
}

func TestTheDoctorFindsWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.Settings.AWS.InstanceProfile = "nobody"
	w.Settings.Regions[0].AWS.SecurityGroups = []string{"sg-0123456789abcdef0"}
	w.Settings.Regions[0].AWS.Subnets = w.Subnets[:1]
	text := strings.Join(wrong(w.examine()), "\n")
	require.Contains(t, text, "sg-0123456789abcdef0")
	require.Contains(t, text, "nobody")
	require.Contains(t, text, "all are in eu-central-1a")
}

func TestTheDoctorAsksForTestRoutes(t *testing.T) {
	w := newWorld(t)
	rules, err := w.Account.ELB.DescribeRules(w.Ctx, &elb.DescribeRulesInput{ListenerArn: &w.Listener})
	require.NoError(t, err)
	for _, r := range rules.Rules {
		if r.Priority != nil && *r.Priority == "2" {
			_, err := w.Account.ELB.DeleteRule(w.Ctx, &elb.DeleteRuleInput{RuleArn: r.RuleArn})
			require.NoError(t, err)
		}
	}
	w.only(w.examine(), false, "test route of target group b", `header X-Switchyard-Target-Group is "b"`)
}
