package ask_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func ms(n int) spec.Duration { return spec.Duration(time.Duration(n) * time.Millisecond) }

func num(v float64) *spec.Number { n := spec.Number(v); return &n }

// subject is a fleet whose instances listen at the addresses.
func subject(addresses ...string) ask.Subject {
	s := ask.Subject{
		Platform: platform.Platform{Name: "local", Router: &router{}},
		Region:   "local-a", Target: release.Target{Application: "shop", Environment: "prod"},
		Release: "r7", Version: "1.2.0", Fleet: "shop-prod-r7", Live: "shop-prod-r6", Stage: release.StageVerification,
	}
	for i, address := range addresses {
		s.Instances = append(s.Instances, release.Instance{ID: fmt.Sprintf("i-%d", i), Address: address, State: release.InstanceInService})
	}
	return s
}

// router knows where each fleet is reached.
type router struct {
	platform.Router
	probes map[string]platform.Probe
}

func (r *router) Entry(context.Context, string, release.Target) (string, error) {
	return "http://shop.local", nil
}

func (r *router) Probe(_ context.Context, _ string, _ release.Target, fleet string) (platform.Probe, error) {
	probe, ok := r.probes[fleet]
	if !ok {
		return probe, errors.New("the router does not answer")
	}
	return probe, nil
}

// one asks a single check.
func one(t *testing.T, a *ask.Asker, s ask.Subject, check spec.Check) release.Result {
	t.Helper()
	check.Name = "smoke"
	results := a.Ask(t.Context(), s, []spec.Check{check})
	require.Len(t, results, 1)
	r := results[0]
	require.Equal(t, "smoke", r.Check)
	require.NotEmpty(t, r.Bound)
	require.NotZero(t, r.At)
	require.LessOrEqual(t, len(r.Value), 300)
	return r
}

func serve(t *testing.T, h http.HandlerFunc) (url, address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, s.Listener.Addr().String()
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	return l.Addr().String()
}

func TestHTTPAsksEveryInstanceWithItsTextsFilled(t *testing.T) {
	var asked atomic.Int32
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("X-Fleet", r.Header.Get("X-Want"))
		fmt.Fprintf(w, `{"build": {"version": "%s"}}`, r.URL.Query().Get("v"))
	})
	check := spec.Check{HTTP: &spec.HTTPCheck{
		Path: "/ready?v=$version", Send: map[string]string{"X-Want": "$fleet"}, Header: map[string]string{"X-Fleet": "shop-prod-r7"},
		JSON: map[string]string{"build.version": "$version"}, Timeout: ms(5000),
	}}
	r := one(t, &ask.Asker{}, subject(address, address, address), check)
	require.Equal(t, release.Pass, r.Verdict, "%s", r)
	require.Equal(t, "3 of 3 instances", r.Value)
	require.EqualValues(t, 3, asked.Load())

	r = one(t, &ask.Asker{}, subject(address, nobody(t)), check)
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "1 of 2 instances did not pass: i-1: no answer: dial tcp")

	r = one(t, &ask.Asker{}, subject(), check)
	require.Equal(t, release.Fail, r.Verdict)
	require.Equal(t, "no instance in service", r.Value)
}

func TestHTTPThroughTheRouterSelectsTheFleetWhateverIsSent(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("X-Got", r.Header.Get("X-Fleet"))
	})
	s := subject()
	s.Platform.Router = &router{probes: map[string]platform.Probe{
		s.Fleet: {URL: url, Headers: map[string]string{"X-Fleet": "green", "Host": "shop.test"}},
	}}
	check := spec.Check{HTTP: &spec.HTTPCheck{
		Path: "/", Via: spec.ViaRouter, Send: map[string]string{"X-Fleet": "blue", "Host": "other.test"},
		Header: map[string]string{"X-Got": "green", "X-Host": "shop.test"},
	}}
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, s, check).Verdict)
	s.Fleet = "somebody-else"
	require.Equal(t, release.Inconclusive, one(t, &ask.Asker{}, s, check).Verdict, "a router that can't be read tells nothing of the fleet")
}

func TestHTTPAtTheTestListener(t *testing.T) {
	url, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	s := subject()
	check := spec.Check{HTTP: &spec.HTTPCheck{Path: "/", Via: spec.ViaListener}}
	r := one(t, &ask.Asker{}, s, check)
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "no testListener")
	s.TestListener = url + "/"
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, s, check).Verdict)
}

func TestHTTPRedirectsAreTheAnswerAlsoWithAClientThatFollows(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	})
	a := &ask.Asker{HTTP: &http.Client{}}
	r := one(t, a, subject(address), spec.Check{HTTP: &spec.HTTPCheck{Path: "/"}})
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "status 302")
}

func TestNoAnswerInTimeFailsAndACutShortOneTellsNothing(t *testing.T) {
	entered := make(chan struct{}, 10)
	_, address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	checks := []spec.Check{{Name: "slow", HTTP: &spec.HTTPCheck{Path: "/", Timeout: ms(200)}}}
	r := (&ask.Asker{}).Ask(t.Context(), subject(address), checks)[0]
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "no answer within 200ms")

	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	checks[0].HTTP.Timeout = ms(60_000)
	go func() { <-entered; cancel() }()
	r = (&ask.Asker{}).Ask(ctx, subject(address), checks)[0]
	require.Equal(t, release.Inconclusive, r.Verdict, "the worker is stopping; the fleet did nothing wrong")
}

func TestTCP(t *testing.T) {
	_, address := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var n int
	_, err = fmt.Sscan(port, &n)
	require.NoError(t, err)
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, subject(address), spec.Check{TCP: &spec.TCPCheck{}}).Verdict)
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, subject(nobody(t)), spec.Check{TCP: &spec.TCPCheck{Port: n}}).Verdict)
	r := one(t, &ask.Asker{}, subject(nobody(t)), spec.Check{TCP: &spec.TCPCheck{}})
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "connection refused")
}

func TestResultsStandInTheOrderOfTheChecksAndQuestionsAreBounded(t *testing.T) {
	var now, most atomic.Int32
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		time.Sleep(time.Millisecond)
		fmt.Fprint(w, r.URL.Path)
	})
	var addresses []string
	for range 40 {
		addresses = append(addresses, address)
	}
	var checks []spec.Check
	for i := range 8 {
		path := fmt.Sprintf("/%d", i)
		checks = append(checks, spec.Check{Name: "c" + path[1:], HTTP: &spec.HTTPCheck{Path: path, BodyContains: path}})
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	results := (&ask.Asker{Now: func() time.Time { return at }}).Ask(t.Context(), subject(addresses...), checks)
	for i, r := range results {
		require.Equal(t, fmt.Sprintf("c%d", i), r.Check)
		require.Equal(t, "40 of 40 instances", r.Value)
		require.Equal(t, at, r.At)
	}
	require.LessOrEqual(t, most.Load(), int32(16))
	require.Empty(t, (&ask.Asker{}).Ask(t.Context(), subject(), nil))
}

func TestLongestCoversEveryQuestion(t *testing.T) {
	second := spec.Duration(time.Second)
	require.Zero(t, ask.Longest(nil, 3))
	require.Equal(t, time.Second+100*time.Second/16, ask.Longest([]spec.Check{{TCP: &spec.TCPCheck{Timeout: second}}}, 100))
	for _, check := range []spec.Check{
		{HTTP: &spec.HTTPCheck{Timeout: second, Via: spec.ViaRouter}}, {HTTP: &spec.HTTPCheck{Timeout: second, Via: spec.ViaListener}},
		{SQL: &spec.SQLCheck{Timeout: second}}, {Command: &spec.CommandCheck{Timeout: second}},
		{Prometheus: &spec.PrometheusCheck{Timeout: second}}, {CloudWatch: &spec.CloudWatchCheck{Timeout: second}},
		{Webhook: &spec.WebhookCheck{Timeout: second}}, {Temporal: &spec.TemporalCheck{Timeout: second}},
	} {
		longest := ask.Longest([]spec.Check{check}, 1000)
		require.GreaterOrEqual(t, longest, time.Second)
		require.Less(t, longest, 5*time.Second, "it is asked once, not per instance: %+v", check)
	}
}

func TestCommandKnowsTheReleaseAndNoSecretOfTheWorker(t *testing.T) {
	t.Setenv("WORKER_SECRET", "hunter2")
	s := subject("10.0.0.1:80", "10.0.0.2:80")
	run := func(script string, args ...string) release.Result {
		return one(t, &ask.Asker{}, s, spec.Check{Command: &spec.CommandCheck{Run: append([]string{"sh", "-c", script, "sh"}, args...), Timeout: ms(20_000)}})
	}
	script := `test "$1 $2" = "shop-prod-r7 1.2.0" && test "$SWITCHYARD_ADDRESSES" = "10.0.0.1:80 10.0.0.2:80" && ` +
		`test "$SWITCHYARD_APPLICATION $SWITCHYARD_ENVIRONMENT $SWITCHYARD_VERSION $SWITCHYARD_RELEASE" = "shop prod 1.2.0 r7" && ` +
		`test "$SWITCHYARD_REGION $SWITCHYARD_FLEET $SWITCHYARD_LIVE $SWITCHYARD_STAGE" = "local-a shop-prod-r7 shop-prod-r6 verification" && ` +
		`test "$SWITCHYARD_ENTRY" = http://shop.local && test -z "$WORKER_SECRET"`
	r := run(script, "$fleet", "$version")
	require.Equal(t, release.Pass, r.Verdict, "%s", r)

	r = run(`i=0; while [ $i -lt 200 ]; do echo "line $i of much output"; i=$((i+1)); done; echo the end; exit 3`)
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "exit status 3")

	r = one(t, &ask.Asker{}, s, spec.Check{Command: &spec.CommandCheck{Run: []string{"/nowhere/probe"}}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "can't be started")
}

func TestCommandThatDoesNotEndIsStoppedWithAllItStarted(t *testing.T) {
	mark := t.TempDir() + "/mark"
	r := one(t, &ask.Asker{}, subject(), spec.Check{Command: &spec.CommandCheck{
		Run: []string{"sh", "-c", "(sleep 2; touch " + mark + ") & sleep 60"}, Timeout: ms(300),
	}})
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "stopped after 300ms")
	require.Never(t, func() bool { return exists(mark) }, 2500*time.Millisecond, 100*time.Millisecond)
}

func TestWebhookSpeaksFlaggersForm(t *testing.T) {
	t.Setenv("HOOK_TOKEN", "t0p-s3cret")
	var mu sync.Mutex
	var bodies []map[string]any
	answer, status := "", http.StatusOK
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, decode(t, r.Body))
		require.Equal(t, http.MethodPost, r.Method)
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		require.Equal(t, "Bearer t0p-s3cret", r.Header.Get("Authorization"))
		require.Equal(t, "/hook/local-a", r.URL.Path)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})
	check := spec.Check{Webhook: &spec.WebhookCheck{
		URL: url + "/hook/$region", Token: "env:HOOK_TOKEN", Metadata: map[string]string{"cmd": "hey http://$fleet", "fleet": "faked"},
	}}
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, subject(), check).Verdict)
	require.Equal(t, "shop", bodies[0]["name"])
	require.Equal(t, "prod", bodies[0]["namespace"])
	require.Equal(t, "verification", bodies[0]["phase"])
	require.NotEmpty(t, bodies[0]["checksum"])
	require.Equal(t, map[string]any{
		"cmd": "hey http://shop-prod-r7", "check": "smoke", "version": "1.2.0", "release": "r7", "region": "local-a",
		"fleet": "shop-prod-r7", "live": "shop-prod-r6",
	}, bodies[0]["metadata"])

	status, answer = http.StatusForbidden, "gate is closed, token t0p-s3cret"
	r := one(t, &ask.Asker{}, subject(), check)
	require.Equal(t, release.Fail, r.Verdict)
	require.Equal(t, "403: gate is closed, token [hidden]", r.Value)
	require.Equal(t, bodies[0], bodies[1], "the same question is told in the same words")

	status, answer = http.StatusServiceUnavailable, strings.Repeat("busy ", 10_000)
	r = one(t, &ask.Asker{}, subject(), check)
	require.Equal(t, release.Inconclusive, r.Verdict)
}

func TestWebhookThatDoesNotAnswerTellsNothing(t *testing.T) {
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client is gone
		<-r.Context().Done()
	})
	r := one(t, &ask.Asker{}, subject(), spec.Check{Webhook: &spec.WebhookCheck{URL: url, Timeout: ms(200)}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Equal(t, "no answer within 200ms", r.Value)
	r = one(t, &ask.Asker{}, subject(), spec.Check{Webhook: &spec.WebhookCheck{URL: "http://" + nobody(t) + "/hooks/s3cret-path"}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.NotContains(t, r.String(), "s3cret-path", "the address of a hook may be all that guards it")
	r = one(t, &ask.Asker{}, subject(), spec.Check{Webhook: &spec.WebhookCheck{URL: url, Token: "env:NO_SUCH_TOKEN"}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "NO_SUCH_TOKEN")
}

func TestTokensGoToNobodyElse(t *testing.T) {
	t.Setenv("HOOK_TOKEN", "t0p-s3cret")
	var strangers atomic.Int32
	stranger, _ := serve(t, func(http.ResponseWriter, *http.Request) { strangers.Add(1) })
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, stranger, http.StatusTemporaryRedirect)
	})
	for _, a := range []*ask.Asker{{}, {HTTP: &http.Client{}}} {
		r := one(t, a, subject(), spec.Check{Webhook: &spec.WebhookCheck{URL: url, Token: "env:HOOK_TOKEN"}})
		require.Equal(t, release.Fail, r.Verdict)
		r = one(t, a, subject(), spec.Check{Prometheus: &spec.PrometheusCheck{URL: url, Query: "up", Min: num(1), Token: "env:HOOK_TOKEN"}})
		require.Equal(t, release.Inconclusive, r.Verdict)
	}
	require.Zero(t, strangers.Load())
}

// meters answer what they are told to.
type meters struct {
	alarms   map[string]platform.Alarm
	readings map[string]platform.Reading
	asked    spec.CloudWatchMetric
}

func (m *meters) Alarm(_ context.Context, region, name string) (platform.Alarm, error) {
	a, ok := m.alarms[region+"/"+name]
	if !ok {
		return a, platform.NotFound("read alarm", name)
	}
	return a, nil
}

func (m *meters) Metric(ctx context.Context, _ string, metric spec.CloudWatchMetric) (platform.Reading, error) {
	m.asked = metric
	r, ok := m.readings[metric.Name]
	if !ok {
		<-ctx.Done()
		return r, ctx.Err()
	}
	return r, nil
}

func TestCloudWatchAsksThePlatformsMeters(t *testing.T) {
	now := time.Now()
	m := &meters{
		alarms:   map[string]platform.Alarm{"local-a/5xx-shop-prod-r7": {Raised: true, Reason: "9 > 5", Link: "https://console.example/alarm"}},
		readings: map[string]platform.Reading{"Errors": {Value: 2, At: now, Link: "https://console.example/metric"}},
	}
	s := subject()
	alarm := spec.Check{CloudWatch: &spec.CloudWatchCheck{Alarm: "5xx-$fleet"}}
	r := one(t, &ask.Asker{}, s, alarm)
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "keeps no alarms")

	s.Platform.Meters = m
	r = one(t, &ask.Asker{}, s, alarm)
	require.Equal(t, release.Fail, r.Verdict)
	require.Equal(t, "https://console.example/alarm", r.Link)
	r = one(t, &ask.Asker{}, s, spec.Check{CloudWatch: &spec.CloudWatchCheck{Alarm: "other"}})
	require.Equal(t, release.Inconclusive, r.Verdict, "an alarm that is not there is not quiet")

	metric := spec.CloudWatchMetric{Namespace: "Shop", Name: "Errors", Dimensions: map[string]string{"Fleet": "$fleet", "Raw": "a$"}, Max: num(2)}
	r = one(t, &ask.Asker{}, s, spec.Check{CloudWatch: &spec.CloudWatchCheck{Metric: &metric}})
	require.Equal(t, release.Pass, r.Verdict)
	require.Equal(t, "https://console.example/metric", r.Link)
	require.Equal(t, map[string]string{"Fleet": "shop-prod-r7", "Raw": "a$"}, m.asked.Dimensions)

	later := &ask.Asker{Now: func() time.Time { return now.Add(time.Hour) }}
	r = one(t, later, s, spec.Check{CloudWatch: &spec.CloudWatchCheck{Metric: &metric}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	metric.Name = "Silent"
	r = one(t, &ask.Asker{}, s, spec.Check{CloudWatch: &spec.CloudWatchCheck{Metric: &metric, Timeout: ms(200)}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "no answer within 200ms")
	metric.Dimensions["Fleet"] = "$live"
	s.Live = ""
	r = one(t, &ask.Asker{}, s, spec.Check{CloudWatch: &spec.CloudWatchCheck{Metric: &metric}})
	require.Contains(t, r.Value, "no live fleet")
}

func TestCheckOfNoKindTellsNothing(t *testing.T) {
	require.Equal(t, release.Inconclusive, one(t, &ask.Asker{}, subject(), spec.Check{}).Verdict)
	r := one(t, &ask.Asker{}, subject(), spec.Check{Temporal: &spec.TemporalCheck{Workflow: "w", TaskQueue: "q"}})
	require.Equal(t, release.Inconclusive, r.Verdict)
}
