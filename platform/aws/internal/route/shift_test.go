package route_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/route"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
)

type world struct {
	*routetest.World
	router *route.Router
}

func newWorld(t *testing.T) world {
	w := routetest.New(t, server)
	return world{w, route.New(route.Deps{Pool: w.Pool, Settings: w.Settings, Options: route.Options{Poll: 10 * time.Millisecond}})}
}

func all(fleet string) release.Weights { return release.Weights{{Fleet: fleet, Percent: 100}} }

func split(a string, percent int, b string) release.Weights {
	return release.Weights{{Fleet: a, Percent: percent}, {Fleet: b, Percent: 100 - percent}}
}

func (w world) weights() release.Weights {
	w.Helper()
	got, err := w.router.Weights(w.Ctx, routetest.Region, routetest.Target)
	require.NoError(w, err)
	return got
}

func (w world) set(expected, want release.Weights) error {
	return w.router.SetWeights(w.Ctx, routetest.Region, routetest.Target, expected, want)
}

func (w world) requireKind(kind platform.Kind, err error) {
	w.Helper()
	require.Error(w, err)
	require.Equal(w, kind, platform.KindOf(err), "%v", err)
}

func TestSharesAreWeightsOfTheTargetGroupsThatHoldFleets(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, w.weights())
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("two", w.Groups[1], 1, nil)
	require.Empty(t, w.weights(), "nobody has a weight")
	require.NoError(t, w.set(nil, all("one")))
	require.Equal(t, all("one"), w.weights())
	require.NoError(t, w.set(all("one"), split("one", 75, "two")))
	require.Equal(t, split("one", 75, "two"), w.weights())
	require.NoError(t, w.set(split("one", 75, "two"), all("two")))
	require.NoError(t, w.set(split("one", 75, "two"), all("two")), "they are so already")
	require.NoError(t, w.set(all("two"), release.Weights{{Fleet: "two", Percent: 100}, {Fleet: "gone"}}), "a fleet that is gone may have no share")
	require.NoError(t, w.set(all("two"), nil))
	require.Empty(t, w.weights())
	require.Equal(t, 4, w.Calls("ModifyListener"))
}

func TestSharesAreChangedFromTheExpectedOnesOnly(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("two", w.Groups[1], 1, nil)
	w.SetActions(w.Split(3, 1))
	err := w.set(all("two"), split("one", 50, "two"))
	w.requireKind(platform.KindConflict, err)
	require.ErrorContains(t, err, "in force is one 75 %, two 25 %; expected was two 100 %, to be changed to one 50 %, two 50 %")
	require.Equal(t, 1, w.Calls("ModifyListener"), "the test's own change is the only one")
}

func TestOneOfManyWritersWins(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("two", w.Groups[1], 1, nil)
	require.NoError(t, w.set(nil, all("one")))
	var wait sync.WaitGroup
	errs := make([]error, 6)
	for n := range errs {
		wait.Go(func() { errs[n] = w.set(all("one"), split("one", 10*(n+1), "two")) })
	}
	wait.Wait()
	won := 0
	for n, err := range errs {
		if err == nil {
			won++
			require.Equal(t, split("one", 10*(n+1), "two"), w.weights())
			continue
		}
		w.requireKind(platform.KindConflict, err)
	}
	require.Equal(t, 1, won)
}

func TestEverythingElseOfTheActionIsKept(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	auth := elbtypes.Action{Type: elbtypes.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1), AuthenticateOidcConfig: &elbtypes.AuthenticateOidcActionConfig{
		AuthorizationEndpoint: aws.String("https://id.example.com/a"), TokenEndpoint: aws.String("https://id.example.com/t"),
		UserInfoEndpoint: aws.String("https://id.example.com/u"), Issuer: aws.String("https://id.example.com"),
		ClientId: aws.String("checkout"), ClientSecret: aws.String("s3cret"),
	}}
	forward := w.Split(0, 0)[0]
	forward.Order = aws.Int32(2)
	forward.ForwardConfig.TargetGroupStickinessConfig.Enabled = aws.Bool(true)
	w.SetActions([]elbtypes.Action{auth, forward})
	require.NoError(t, w.set(nil, all("one")))
	got := w.Actions()
	require.Len(t, got, 2)
	require.Equal(t, elbtypes.ActionTypeEnumAuthenticateOidc, got[0].Type)
	require.Equal(t, "https://id.example.com", *got[0].AuthenticateOidcConfig.Issuer)
	require.True(t, *got[1].ForwardConfig.TargetGroupStickinessConfig.Enabled)
	require.EqualValues(t, 60, *got[1].ForwardConfig.TargetGroupStickinessConfig.DurationSeconds)
	require.EqualValues(t, 100, *got[1].ForwardConfig.TargetGroups[0].Weight)
}

func TestARuleOfTheListenerCanSplitTheTraffic(t *testing.T) {
	w := newWorld(t)
	rule, err := w.Account.ELB.CreateRule(w.Ctx, &elb.CreateRuleInput{
		ListenerArn: &w.Listener, Priority: aws.Int32(50), Actions: w.Split(0, 0),
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), HostHeaderConfig: &elbtypes.HostHeaderConditionConfig{Values: []string{"shop.example.com"}}}},
	})
	require.NoError(t, err)
	w.Settings.Regions[0].AWS.Listener = *rule.Rules[0].RuleArn
	w.Fleet("one", w.Groups[0], 1, nil)
	require.NoError(t, w.set(nil, all("one")))
	require.Equal(t, all("one"), w.weights())
	require.EqualValues(t, 0, *w.Actions()[0].ForwardConfig.TargetGroups[0].Weight, "the listener's own action is another's")
	probe, err := w.router.Probe(w.Ctx, routetest.Region, routetest.Target, "one")
	require.NoError(t, err)
	require.Equal(t, map[string]string{route.TestHeader: "a"}, probe.Headers)
}

func TestSharesThatMakeNoSenseAreRefused(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.Fleet("alone", "", 1, map[string]string{tag.Alone: "true"})
	w.Fleet("outside", "", 1, nil)
	w.Fleet("foreign", w.Groups[1], 1, map[string]string{tag.Application: "search"})
	for name, c := range map[string]struct {
		want release.Weights
		kind platform.Kind
	}{
		"less than all":     {release.Weights{{Fleet: "one", Percent: 90}}, platform.KindInvalid},
		"more than all":     {release.Weights{{Fleet: "one", Percent: 101}}, platform.KindInvalid},
		"less than nothing": {release.Weights{{Fleet: "one", Percent: -1}}, platform.KindInvalid},
		"twice":             {split("one", 50, "one"), platform.KindInvalid},
		"nobody":            {all("nobody"), platform.KindNotFound},
		"alone":             {all("alone"), platform.KindInvalid},
		"not attached":      {all("outside"), platform.KindNotFound},
		"another target's":  {all("foreign"), platform.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.set(nil, c.want)
			require.Error(t, err)
			require.Equal(t, c.kind, platform.KindOf(err), "%v", err)
		})
	}
	require.Zero(t, w.Calls("ModifyListener"))
}

func TestWhoIsNoFleetIsNamedInWords(t *testing.T) {
	w := newWorld(t)
	w.SetActions(w.Split(100, 0))
	require.Empty(t, w.weights(), "nobody is there")
	w.Fleet("free", "", 1, nil)
	found, err := w.Account.Groups(w.Ctx, "free")
	require.NoError(t, err)
	instance := *found["free"].Instances[0].InstanceId
	_, err = w.Account.ELB.RegisterTargets(w.Ctx, &elb.RegisterTargetsInput{TargetGroupArn: &w.Groups[0], Targets: []elbtypes.TargetDescription{{Id: &instance}}})
	require.NoError(t, err)
	require.Equal(t, all("target group a (targets of no Auto Scaling group)"), w.weights())

	w.Fleet("two", w.Groups[1], 1, nil)
	require.NoError(t, w.set(w.weights(), split("target group a (targets of no Auto Scaling group)", 40, "two")))
	_, err = w.Account.ELB.DeregisterTargets(w.Ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &w.Groups[0], Targets: []elbtypes.TargetDescription{{Id: &instance}}})
	require.NoError(t, err)
	require.Equal(t, split("target group a (no targets)", 40, "two"), w.weights())

	w.Fleet("three", w.Groups[1], 1, nil)
	_, err = w.Account.AllGroups(w.Ctx) // as every five minutes
	require.NoError(t, err)
	require.Equal(t, split("target group a (no targets)", 40, "target group b (shared by three and two)"), w.weights())
}

func TestATargetGroupOfOthersIsSeen(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	other := w.TargetGroup("other")
	w.Fleet("stranger", other, 1, nil)
	actions := w.Split(50, 0)
	actions[0].ForwardConfig.TargetGroups = append(actions[0].ForwardConfig.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: &other, Weight: aws.Int32(50)})
	w.SetActions(actions)
	require.Equal(t, split("one", 50, "stranger"), w.weights())
	w.requireKind(platform.KindConflict, w.set(all("one"), nil))
	require.NoError(t, w.set(split("one", 50, "stranger"), all("one")))
	require.Equal(t, all("one"), w.weights())
}

func TestAChangeByAnotherIsSeenWhenReadBack(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.After("ModifyListener", func(res *http.Response) (*http.Response, error) {
		w.SetActions(w.Split(7, 3))
		return res, nil
	})
	err := w.set(nil, all("one"))
	w.requireKind(platform.KindConflict, err)
	require.ErrorContains(t, err, "a weight 7, b weight 3")
}

func TestAnOldReadingIsNotTakenForAFailure(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	var old []elbtypes.Action
	w.Before("ModifyListener", func() { old = w.Split(0, 0) })
	w.After("ModifyListener", func(res *http.Response) (*http.Response, error) {
		// The first reading after the change answers from before it.
		w.Before("DescribeListeners", func() { w.SetActions(old) })
		w.After("DescribeListeners", func(res *http.Response) (*http.Response, error) {
			w.SetActions(w.Split(100, 0))
			return res, nil
		})
		return res, nil
	})
	require.NoError(t, w.set(nil, all("one")))
	require.Equal(t, all("one"), w.weights())
}

func TestALostAnswerIsAmbiguousAndTheSecondCallSettlesIt(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.After("ModifyListener", func(res *http.Response) (*http.Response, error) {
		_ = res.Body.Close()
		return nil, errors.New("connection reset by peer")
	})
	w.requireKind(platform.KindAmbiguous, w.set(nil, all("one")))
	require.NoError(t, w.set(nil, all("one")))
	require.Equal(t, 1, w.Calls("ModifyListener"))
}

func TestAnActionThatForwardsNowhereIsNotChanged(t *testing.T) {
	w := newWorld(t)
	w.Fleet("one", w.Groups[0], 1, nil)
	w.SetActions([]elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("503")}}})
	err := w.set(nil, all("one"))
	w.requireKind(platform.KindInvalid, err)
	require.ErrorContains(t, err, "name the listener or rule whose action is to forward")
}
