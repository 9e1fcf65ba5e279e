package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
)

func config(url string) aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// counter is an upstream that answers with the number of the request.
func counter(t *testing.T) (*wire.Proxy, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Echo", string(body))
		_, _ = fmt.Fprintf(w, "%d", n.Add(1))
	}))
	t.Cleanup(up.Close)
	p, err := wire.New(up.URL)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p, &n
}

func post(t *testing.T, p *wire.Proxy, agent, body string) (string, int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL()+"/", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=x")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(got), resp.StatusCode, resp.Header.Get("X-Echo")
}

func TestACallIsPassedThroughAndRecorded(t *testing.T) {
	p, _ := counter(t)
	body := "Action=RunInstances&Version=2016-11-15&Name=a%20b"
	got, _, echo := post(t, p, "APN/1.0 HashiCorp/1.0 packer-plugin-amazon/1.8.2", body)
	require.Equal(t, "1", got)
	require.Equal(t, body, echo)
	c := p.Calls()[0]
	require.Equal(t, []string{"packer", "ec2", "RunInstances", "eu-west-1", "ec2:RunInstances"}, []string{c.By, c.Service, c.Action, c.Region, c.IAM()})
	require.True(t, c.Mutating)
	require.Equal(t, http.StatusOK, c.Status)
	post(t, p, "aws-sdk-go-v2/1 app/switchyard", body+"&DryRun=true")
	require.Equal(t, "worker", p.Calls()[1].By)
	require.False(t, p.Calls()[1].Mutating, "a dry run changes nothing")
	p.Reset()
	require.Empty(t, p.Calls())
}

func TestStaleReadsGetTheAnswerOfBeforeTheLastChange(t *testing.T) {
	p, _ := counter(t)
	read := func() string { s, _, _ := post(t, p, "", "Action=DescribeImages"); return s }
	change := func() { post(t, p, "", "Action=CopyImage") }
	old := p.Stale(func(c wire.Call) bool { return c.Action == "DescribeImages" }, 1)
	require.Equal(t, "1", read())
	require.Equal(t, "2", read(), "nothing changed: there is no old data")
	change()
	require.Equal(t, 0, old.Hits())
	require.Equal(t, "2", read(), "old data")
	require.Equal(t, 1, old.Hits())
	require.Equal(t, "stale", p.Calls()[3].Fault)
	require.Equal(t, "4", read(), "only once")
}

func TestFaultsHitTheOccurrenceTheyAreMeantFor(t *testing.T) {
	p, n := counter(t)
	f := p.Inject(wire.Fault{Action: "CopyImage", Nth: 2, Times: 2, Kind: wire.FailBefore})
	for i, want := range []int{200, 500, 500, 200} {
		_, status, _ := post(t, p, "", "Action=CopyImage")
		require.Equal(t, want, status, i)
		require.Equal(t, i >= 2, f.Hit())
	}
	require.EqualValues(t, 2, n.Load())
	require.Equal(t, 2, f.Hits())
}

func TestManyCallersAtOnce(t *testing.T) {
	p, _ := counter(t)
	f := p.Inject(wire.Fault{Action: "CopyImage", Times: 10, Kind: wire.FailAfter})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { post(t, p, "", "Action=CopyImage") })
	}
	wg.Wait()
	require.Len(t, p.Calls(), 20)
	require.Equal(t, 10, f.Hits())
}

// emulator is a proxy before moto.
func emulator(t *testing.T) *wire.Proxy {
	t.Helper()
	s, err := moto.Start(t.Context(), moto.Options{})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	p, err := wire.New(s.URL)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	return api.ErrorCode()
}

func TestTheSDKUnderstandsEveryFault(t *testing.T) {
	p := emulator(t)
	ctx, cfg := t.Context(), config(p.URL())
	calls := []struct {
		service, action    string
		throttled, failure string
		call               func(context.Context) error
	}{
		{"ec2", "CreateKeyPair", "RequestLimitExceeded", "InternalError", func(ctx context.Context) error {
			_, err := ec2.NewFromConfig(cfg).CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: aws.String("k")})
			return err
		}},
		{"autoscaling", "DescribeAccountLimits", "Throttling", "InternalFailure", func(ctx context.Context) error {
			_, err := autoscaling.NewFromConfig(cfg).DescribeAccountLimits(ctx, &autoscaling.DescribeAccountLimitsInput{})
			return err
		}},
		{"sts", "GetCallerIdentity", "Throttling", "InternalFailure", func(ctx context.Context) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		}},
		{"servicequotas", "GetServiceQuota", "ThrottlingException", "InternalFailure", func(ctx context.Context) error {
			_, err := servicequotas.NewFromConfig(cfg).GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
				ServiceCode: aws.String("ec2"), QuotaCode: aws.String("L-1216C47A"),
			})
			return err
		}},
		{"monitoring", "ListMetrics", "ThrottlingException", "InternalFailure", func(ctx context.Context) error {
			_, err := cloudwatch.NewFromConfig(cfg).ListMetrics(ctx, &cloudwatch.ListMetricsInput{})
			return err
		}},
	}
	for _, c := range calls {
		p.Reset()
		p.Inject(wire.Fault{Service: c.service, Action: c.action, Kind: wire.Throttle})
		require.Equal(t, c.throttled, codeOf(t, c.call(ctx)), c.action)
		p.Inject(wire.Fault{Service: c.service, Action: c.action, Kind: wire.FailBefore})
		require.Equal(t, c.failure, codeOf(t, c.call(ctx)), c.action)
		require.NoError(t, c.call(ctx), c.action)
		p.Inject(wire.Fault{Service: c.service, Action: c.action, Kind: wire.TimeoutAfter})
		var api smithy.APIError
		require.False(t, errors.As(c.call(ctx), &api), "no answer is no error of AWS")
		got := p.Calls()
		require.Len(t, got, 4)
		require.Equal(t, []string{c.service, c.action, "eu-central-1"}, []string{got[3].Service, got[3].Action, got[3].Region})
		require.Equal(t, strings.HasPrefix(c.action, "Create"), got[3].Mutating)
		require.Zero(t, got[3].Status)
	}
}

func TestTheEffectComesBeforeTheFailure(t *testing.T) {
	p := emulator(t)
	client := ec2.NewFromConfig(config(p.URL()))
	create := func(name string) error {
		_, err := client.CreateKeyPair(t.Context(), &ec2.CreateKeyPairInput{KeyName: aws.String(name), KeyType: ec2types.KeyTypeEd25519})
		return err
	}
	exists := func(name string) bool {
		out, err := client.DescribeKeyPairs(t.Context(), &ec2.DescribeKeyPairsInput{})
		require.NoError(t, err)
		for _, k := range out.KeyPairs {
			if *k.KeyName == name {
				return true
			}
		}
		return false
	}
	seen := false
	for name, f := range map[string]wire.Fault{
		"before": {Kind: wire.FailBefore}, "throttled": {Kind: wire.Throttle}, "after": {Kind: wire.FailAfter}, "lost": {Kind: wire.TimeoutAfter},
		"hook": {Kind: wire.Hook, After: func() { seen = exists("hook") }},
	} {
		f.Action = "CreateKeyPair"
		i := p.Inject(f)
		err := create(name)
		require.True(t, i.Hit(), name)
		require.Equal(t, name == "hook", err == nil, name)
		require.Equal(t, name != "before" && name != "throttled", exists(name), name)
	}
	require.True(t, seen, "the hook comes after the effect")
}
