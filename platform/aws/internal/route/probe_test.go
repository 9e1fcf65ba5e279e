package route_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
	"github.com/switchyard/switchyard/release"
)

func TestEntryIsTheSettingsOrTheLoadBalancersName(t *testing.T) {
	w := newWorld(t)
	entry := func() string {
		e, err := w.router.Entry(w.Ctx, routetest.Region, routetest.Target)
		require.NoError(t, err)
		return e
	}
	lb, err := w.Account.LoadBalancer(w.Ctx, w.Balancer)
	require.NoError(t, err)
	require.Equal(t, "http://"+*lb.DNSName, entry())
	listener, err := w.Account.ELB.CreateListener(w.Ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &w.Balancer, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), DefaultActions: w.Split(0, 0),
	})
	require.NoError(t, err)
	w.Settings.Regions[0].AWS.Listener = *listener.Listeners[0].ListenerArn
	require.Equal(t, "http://"+*lb.DNSName+":8080", entry())
	w.Settings.Regions[0].AWS.Entry = "https://shop.example.com/"
	require.Equal(t, "https://shop.example.com", entry())
	_, err = w.router.Entry(w.Ctx, "us-west-1", routetest.Target)
	w.requireKind(platform.KindInvalid, err)
}

func TestATestRouteReachesAFleetWhateverItsShare(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("two", w.Groups[1], 1, nil)
	for range 2 {
		for fleet, value := range map[string]string{"one": "a", "two": "b"} {
			probe, err := w.router.Probe(w.Ctx, routetest.Region, routetest.Target, fleet)
			require.NoError(t, err)
			require.Equal(t, map[string]string{route.TestHeader: value}, probe.Headers)
			require.Contains(t, probe.URL, "http://web")
		}
	}
	require.Equal(t, 1, w.Calls("DescribeRules"), "rules are remembered")
	_, err := w.router.Probe(w.Ctx, routetest.Region, routetest.Target, "nobody")
	w.requireKind(platform.KindNotFound, err)
	_, err = w.router.Probe(w.Ctx, routetest.Region, release.Target{Application: "search", Environment: "production"}, "one")
	w.requireKind(platform.KindConflict, err)
}

func TestATestRouteThatIsMissingIsAskedFor(t *testing.T) {
	w := newWorld(t)
	rules, err := w.Account.ELB.DescribeRules(w.Ctx, &elb.DescribeRulesInput{ListenerArn: &w.Listener})
	require.NoError(t, err)
	for _, r := range rules.Rules {
		if !*r.IsDefault {
			_, err := w.Account.ELB.DeleteRule(w.Ctx, &elb.DeleteRuleInput{RuleArn: r.RuleArn})
			require.NoError(t, err)
		}
	}
	w.Fleet("one", w.Groups[0], 1, nil)
	_, err = w.router.Probe(w.Ctx, routetest.Region, routetest.Target, "one")
	w.requireKind(platform.KindInvalid, err)
	require.ErrorContains(t, err, `header X-Switchyard-Target-Group is "a", forward to a`)
	w.TestRule(9, "green", w.Groups[0])
	probe, err := w.router.Probe(w.Ctx, routetest.Region, routetest.Target, "one")
	require.NoError(t, err, "it is seen at once when it was made")
	require.Equal(t, map[string]string{route.TestHeader: "green"}, probe.Headers)
}
