package account

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release/spec"
)

func TestAPlaceHasOneAccountAndOpeningItCallsNobody(t *testing.T) {
	plainEnvironment(t)
	c := &cloud{}
	pool := NewPool(Options{HTTP: c})
	first, err := pool.At(t.Context(), Place{Region: "eu-west-1", Role: "arn:aws:iam::123456789012:role/a"})
	require.NoError(t, err)
	again, err := pool.At(t.Context(), Place{Region: "eu-west-1", Role: "arn:aws:iam::123456789012:role/a"})
	require.NoError(t, err)
	other, err := pool.At(t.Context(), Place{Region: "eu-west-1"})
	require.NoError(t, err)
	require.Same(t, first, again)
	require.NotSame(t, first, other)
	require.Zero(t, c.total())
}

func TestTheSettingsSayWhichRole(t *testing.T) {
	plainEnvironment(t)
	pool := NewPool(Options{HTTP: &cloud{}})
	s := spec.Settings{AWS: &spec.AWS{Role: "common", ExternalID: "ext"}, Regions: []spec.Region{
		{Name: "eu-west-1", AWS: &spec.AWSRegion{}},
		{Name: "us-east-1", AWS: &spec.AWSRegion{Role: "own"}},
		{Name: "local-a"},
	}}
	a, err := pool.Of(t.Context(), s, "eu-west-1")
	require.NoError(t, err)
	require.Equal(t, Place{Region: "eu-west-1", Role: "common", ExternalID: "ext"}, a.Place)
	a, err = pool.Of(t.Context(), s, "us-east-1")
	require.NoError(t, err)
	require.Equal(t, Place{Region: "us-east-1", Role: "own", ExternalID: "ext"}, a.Place)
	for _, region := range []string{"local-a", "nowhere"} {
		_, err = pool.Of(t.Context(), s, region)
		require.Equal(t, platform.KindInvalid, platform.KindOf(err), region)
		require.ErrorContains(t, err, region)
	}
	_, err = pool.Of(t.Context(), spec.Settings{Regions: s.Regions}, "eu-west-1")
	require.Equal(t, platform.KindInvalid, platform.KindOf(err))
}

func TestCallsGoToTheRegionAndSayWhoMakesThem(t *testing.T) {
	plainEnvironment(t)
	c := &cloud{}
	_, err := c.account(t).EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	require.Equal(t, "ec2.eu-west-1.amazonaws.com", c.seen[0].host)
	require.Contains(t, c.seen[0].agent, "app/switchyard")
}

func TestTheEndpointOfTheEnvironmentIsHonoured(t *testing.T) {
	plainEnvironment(t)
	answered := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answered = true
		_, _ = w.Write([]byte("<GetCallerIdentityResponse><GetCallerIdentityResult><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"))
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	a, err := NewPool(Options{}).At(t.Context(), Place{Region: "eu-west-1"})
	require.NoError(t, err)
	number, err := a.Number(t.Context())
	require.NoError(t, err)
	require.Equal(t, "000000000000", number)
	require.True(t, answered)
}

func TestTheAccountNumberIsAskedOnce(t *testing.T) {
	plainEnvironment(t)
	c := &cloud{}
	a := c.account(t)
	for range 3 {
		number, err := a.Number(t.Context())
		require.NoError(t, err)
		require.Equal(t, "123456789012", number)
	}
	require.Equal(t, 1, c.total())
}

func TestCredentialsOfAnAssumedRoleAreRenewedBeforeTheyEnd(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{}
		a, err := NewPool(Options{HTTP: c}).At(t.Context(), Place{Region: "eu-west-1", Role: "arn:aws:iam::123456789012:role/release", ExternalID: "ext"})
		require.NoError(t, err)
		for range 48 * 6 { // two days
			got, err := a.Credentials(t.Context())
			require.NoError(t, err)
			require.Greater(t, time.Until(got.Expires), renewal-time.Second)
			require.True(t, strings.HasPrefix(got.AccessKeyID, "ASSUMED"))
			_, err = a.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
			require.NoError(t, err)
			time.Sleep(10 * time.Minute)
		}
		require.LessOrEqual(t, c.count("AssumeRole"), 60)
		require.Equal(t, "ext", c.seen[0].form.Get("ExternalId"))
		require.Equal(t, "switchyard", c.seen[0].form.Get("RoleSessionName"))
		require.Equal(t, "WORKER", c.seen[0].key, "the worker's own credentials assume the role")
		require.Equal(t, "ASSUMED1", c.seen[1].key, "the role's credentials make the calls")
	})
}

func TestARoleThatMayNotBeAssumedIsDeniedByName(t *testing.T) {
	plainEnvironment(t)
	c := &cloud{answer: func(string, *http.Request) *http.Response {
		return refuse(403, "AccessDenied", "User: arn:aws:iam::1:user/worker is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::2:role/release")
	}}
	a, err := NewPool(Options{HTTP: c}).At(t.Context(), Place{Region: "eu-west-1", Role: "arn:aws:iam::2:role/release"})
	require.NoError(t, err)
	_, err = a.EC2.RunInstances(t.Context(), &ec2.RunInstancesInput{MinCount: aws.Int32(1), MaxCount: aws.Int32(1)})
	err = Classify("launch", "instance", true, err)
	require.Equal(t, platform.KindDenied, platform.KindOf(err))
	require.ErrorContains(t, err, "allow sts:AssumeRole")
}

// ticking lets a little time pass whenever somebody looks whether it has ended. The SDK's
// adaptive retries wait in a loop for what rounds to no time at all, and a test's clock
// stands still for that.
type ticking struct{ context.Context }

func (c ticking) Done() <-chan struct{} {
	time.Sleep(time.Microsecond)
	return c.Context.Done()
}

func TestAThrottledCallIsTriedAgainUntilTheAttemptsAreUsedUp(t *testing.T) {
	plainEnvironment(t)
	for _, test := range []struct {
		name     string
		failures int
		kind     platform.Kind
		attempts int
	}{
		{name: "throttled three times", failures: 3, attempts: 4},
		{name: "throttled for ever", failures: 100, attempts: 6, kind: platform.KindThrottled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := test.failures
				c := &cloud{answer: func(string, *http.Request) *http.Response {
					if left--; left >= 0 {
						return refuse(503, "RequestLimitExceeded", "Request limit exceeded.")
					}
					return nil
				}}
				_, err := c.account(t).EC2.DeleteLaunchTemplate(ticking{t.Context()}, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String("x")})
				require.Equal(t, test.kind, platform.KindOf(Classify("remove", "x", true, err)))
				require.Equal(t, test.kind == "", err == nil)
				require.Equal(t, test.attempts, c.total())
			})
		})
	}
}

// slow never answers within the time of an attempt.
type slow struct{ inner *cloud }

func (s slow) Do(r *http.Request) (*http.Response, error) {
	_, _ = s.inner.Do(r)
	return (&http.Client{Timeout: 15 * time.Second, Transport: s}).Do(r)
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestATimeOutAfterTheEffectIsAmbiguousAndNotTheCallersEnd(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{}
		a, err := NewPool(Options{HTTP: slow{c}, Attempts: 2}).At(t.Context(), Place{Region: "eu-west-1"})
		require.NoError(t, err)
		_, err = a.AutoScaling.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("g"), DesiredCapacity: aws.Int32(1)})
		require.Equal(t, 2, c.total())
		err = Classify("resize", "g", true, err)
		require.Equal(t, platform.KindAmbiguous, platform.KindOf(err), "%v", err)

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = a.AutoScaling.SetDesiredCapacity(short, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("g"), DesiredCapacity: aws.Int32(1)})
		err = Classify("resize", "g", true, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, platform.KindOf(err))
		require.Equal(t, 3, c.total(), "no attempt after the caller's time")
	})
}

func TestChangesAreMadeNoFasterThanTheirFamilyAllows(t *testing.T) {
	plainEnvironment(t)
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{}
		a := c.account(t)
		began := time.Now()
		together(30, func(int) {
			_, err := a.AutoScaling.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("g"), DesiredCapacity: aws.Int32(1)})
			require.NoError(t, err)
		})
		require.InDelta(t, 10, time.Since(began).Seconds(), 0.1, "10 at once and 2 a second")

		together(30, func(int) {
			_, err := a.AutoScaling.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("g"), DesiredCapacity: aws.Int32(1)})
			require.NoError(t, err)
		})
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := a.AutoScaling.SetDesiredCapacity(short, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: aws.String("g"), DesiredCapacity: aws.Int32(1)})
		require.ErrorIs(t, Classify("resize", "g", true, err), context.DeadlineExceeded)
		_, err = a.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		require.NoError(t, err, "other families go on")
	})
}
