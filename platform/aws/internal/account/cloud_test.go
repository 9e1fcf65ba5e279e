package account

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/stretchr/testify/require"
)

// cloud is a small AWS behind an HTTP client: it speaks the wire formats of the
// services, counts calls by action and keeps what a test sets.
type cloud struct {
	mu        sync.Mutex
	groups    map[string][]string                                 // Auto Scaling groups and the target groups they are attached to
	instances map[string]string                                   // id to private address
	listeners map[string][]Share                                  // ARNs of listeners and rules
	answer    func(action string, r *http.Request) *http.Response // instead of the usual; nil for the usual
	metrics   func(from, to time.Time, ids []string) map[string]map[time.Time]float64

	calls map[string]int
	seen  []call
}

type call struct {
	action string
	at     time.Time
	host   string
	agent  string
	key    string // access key that signed it
	form   url.Values
}

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	action, form := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], url.Values{}
	if action == "" {
		form, _ = url.ParseQuery(string(body))
		action = form.Get("Action")
	}
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[action]++
	c.seen = append(c.seen, call{action, time.Now(), r.URL.Host, r.Header.Get("User-Agent"), key, form})
	if c.answer != nil {
		if out := c.answer(action, r); out != nil {
			return out, nil
		}
	}
	if action == "GetMetricData" {
		return c.getMetricData(body)
	}
	return reply(200, fmt.Sprintf("<%sResponse>%s</%sResponse>", action, c.xml(action, form), action)), nil
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// refuse is an error as EC2 words it, or as the others do.
func refuse(status int, code, message string) *http.Response {
	return reply(status, fmt.Sprintf("<Response><Errors><Error><Code>%[1]s</Code><Message>%[2]s</Message></Error></Errors>"+
		"<Error><Code>%[1]s</Code><Message>%[2]s</Message></Error></Response>", code, message))
}

func (c *cloud) count(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[action]
}

func (c *cloud) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// values are the members of a list in a request.
func values(form url.Values, prefix string) []string {
	var all []string
	for i := 1; form.Has(fmt.Sprint(prefix, i)); i++ {
		all = append(all, form.Get(fmt.Sprint(prefix, i)))
	}
	return all
}

func (c *cloud) xml(action string, form url.Values) string {
	switch action {
	case "DescribeAutoScalingGroups":
		return "<DescribeAutoScalingGroupsResult><AutoScalingGroups>" + c.groupsXML(values(form, "AutoScalingGroupNames.member.")) +
			"</AutoScalingGroups></DescribeAutoScalingGroupsResult>"
	case "DescribeTargetHealth":
		return "<DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Id>" + form.Get("TargetGroupArn") +
			"</Id></Target></member></TargetHealthDescriptions></DescribeTargetHealthResult>"
	case "DescribeInstances":
		var b strings.Builder
		for _, id := range values(form, "Filter.1.Value.") {
			if ip, ok := c.instances[id]; ok {
				fmt.Fprintf(&b, "<item><instancesSet><item><instanceId>%s</instanceId><privateIpAddress>%s</privateIpAddress></item></instancesSet></item>", id, ip)
			}
		}
		return "<reservationSet>" + b.String() + "</reservationSet>"
	case "DescribeImages":
		return "<imagesSet><item><imageId>" + strings.Join(values(form, "ImageId."), "</imageId></item><item><imageId>") + "</imageId></item></imagesSet>"
	case "DescribeListeners":
		return "<DescribeListenersResult><Listeners>" + c.actionsXML(values(form, "ListenerArns.member."), "ListenerArn", "DefaultActions") + "</Listeners></DescribeListenersResult>"
	case "DescribeRules":
		return "<DescribeRulesResult><Rules>" + c.actionsXML(values(form, "RuleArns.member."), "RuleArn", "Actions") + "</Rules></DescribeRulesResult>"
	case "DescribeTargetGroups":
		return "<DescribeTargetGroupsResult><TargetGroups><member><TargetGroupArn>" + strings.Join(values(form, "TargetGroupArns.member."), "</TargetGroupArn></member><member><TargetGroupArn>") +
			"</TargetGroupArn></member></TargetGroups></DescribeTargetGroupsResult>"
	case "GetCallerIdentity":
		return "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
	case "AssumeRole":
		return fmt.Sprintf("<AssumeRoleResult><Credentials><AccessKeyId>ASSUMED%d</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult>",
			c.calls["AssumeRole"], time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
	return "<" + action + "Result></" + action + "Result>"
}

func (c *cloud) groupsXML(names []string) string {
	var b strings.Builder
	for name, targets := range c.groups {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		fmt.Fprintf(&b, "<member><AutoScalingGroupName>%s</AutoScalingGroupName><TargetGroupARNs>", name)
		for _, arn := range targets {
			fmt.Fprintf(&b, "<member>%s</member>", arn)
		}
		b.WriteString("</TargetGroupARNs></member>")
	}
	return b.String()
}

func (c *cloud) actionsXML(arns []string, arnTag, actionsTag string) string {
	var b strings.Builder
	for _, arn := range arns {
		fmt.Fprintf(&b, "<member><%[1]s>%[2]s</%[1]s><LoadBalancerArn>lb</LoadBalancerArn><%[3]s><member><Type>forward</Type><ForwardConfig>"+
			"<TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>60</DurationSeconds></TargetGroupStickinessConfig><TargetGroups>", arnTag, arn, actionsTag)
		for _, s := range c.listeners[arn] {
			fmt.Fprintf(&b, "<member><TargetGroupArn>%s</TargetGroupArn><Weight>%d</Weight></member>", s.TargetGroup, s.Weight)
		}
		fmt.Fprintf(&b, "</TargetGroups></ForwardConfig></member></%s></member>", actionsTag)
	}
	return b.String()
}

func (c *cloud) getMetricData(body []byte) (*http.Response, error) {
	decoded, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	in := decoded.(cbor.Map)
	from, _ := cbor.AsTime(in["StartTime"])
	to, _ := cbor.AsTime(in["EndTime"])
	var ids []string
	for _, q := range in["MetricDataQueries"].(cbor.List) {
		ids = append(ids, string(q.(cbor.Map)["Id"].(cbor.String)))
	}
	results := cbor.List{}
	series := c.metrics(from, to, ids)
	for _, id := range ids {
		times, numbers := cbor.List{}, cbor.List{}
		for _, at := range slices.SortedFunc(maps.Keys(series[id]), func(a, b time.Time) int { return cmp.Compare(a.Unix(), b.Unix()) }) {
			times = append(times, &cbor.Tag{ID: 1, Value: cbor.Uint(at.Unix())})
			numbers = append(numbers, cbor.Float64(series[id][at]))
		}
		results = append(results, cbor.Map{"Id": cbor.String(id), "StatusCode": cbor.String("Complete"), "Timestamps": times, "Values": numbers})
	}
	out := &http.Response{StatusCode: 200, Header: http.Header{"Smithy-Protocol": {"rpc-v2-cbor"}, "Content-Type": {"application/cbor"}}}
	out.Body = io.NopCloser(bytes.NewReader(cbor.Encode(cbor.Map{"MetricDataResults": results})))
	return out, nil
}

// plainEnvironment keeps the configuration of whoever runs the tests out of them.
func plainEnvironment(t *testing.T) {
	none := t.TempDir() + "/none"
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "WORKER", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_ENDPOINT_URL": "", "AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(key, value)
	}
}

// account opens an account on the cloud with default options.
func (c *cloud) account(t *testing.T) *Account {
	a, err := NewPool(Options{HTTP: c}).At(t.Context(), Place{Region: "eu-west-1"})
	require.NoError(t, err)
	return a
}
