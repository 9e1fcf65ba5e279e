package ask

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func num(v float64) *spec.Number { n := spec.Number(v); return &n }

type table map[string]struct {
	got  release.Result
	want release.Verdict
	says string
}

// verdicts runs a table of one kind of check.
func verdicts(t *testing.T, cases table) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.got.Verdict, "%s", c.got)
			require.Contains(t, c.got.Value, c.says)
			require.NotEmpty(t, c.got.Bound)
		})
	}
}

func TestNumberVerdicts(t *testing.T) {
	verdicts(t, table{
		"inside":       {judgeNumber(0.5, num(0.1), num(1)), release.Pass, "0.5"},
		"at least":     {judgeNumber(0.1, num(0.1), nil), release.Pass, "0.1"},
		"at most":      {judgeNumber(1, nil, num(1)), release.Pass, "1"},
		"below":        {judgeNumber(0.09, num(0.1), num(1)), release.Fail, "0.09"},
		"above":        {judgeNumber(1.01, num(0.1), num(1)), release.Fail, "1.01"},
		"zero":         {judgeNumber(0, nil, num(0)), release.Pass, "0"},
		"no number":    {judgeNumber(math.NaN(), nil, num(1)), release.Inconclusive, "NaN"},
		"endless":      {judgeNumber(math.Inf(1), num(1), nil), release.Inconclusive, "Inf"},
		"minus":        {judgeNumber(math.Inf(-1), nil, num(1)), release.Inconclusive, "Inf"},
		"without bond": {judgeNumber(1, nil, nil), release.Inconclusive, "neither"},
	})
}

func TestPrometheusVerdicts(t *testing.T) {
	check := spec.PrometheusCheck{Max: num(1)}
	judge := func(v model.Value, warnings ...string) release.Result {
		return judgePrometheus(check, v, warnings, nil)
	}
	vector := func(values ...float64) (out model.Vector) {
		for _, v := range values {
			out = append(out, &model.Sample{Value: model.SampleValue(v)})
		}
		return out
	}
	verdicts(t, table{
		"scalar":      {judge(&model.Scalar{Value: 1}), release.Pass, "1"},
		"vector":      {judge(vector(0.5)), release.Pass, "0.5"},
		"too much":    {judge(vector(2)), release.Fail, "2"},
		"nothing":     {judge(vector()), release.Inconclusive, "nothing"},
		"several":     {judge(vector(0.1, 0.2)), release.Inconclusive, "2 values"},
		"NaN":         {judge(vector(math.NaN())), release.Inconclusive, "NaN"},
		"scalar NaN":  {judge(&model.Scalar{Value: model.SampleValue(math.NaN())}), release.Inconclusive, "NaN"},
		"infinite":    {judge(vector(math.Inf(-1))), release.Inconclusive, "Inf"},
		"histogram":   {judge(model.Vector{{Histogram: &model.SampleHistogram{}}}), release.Inconclusive, "histogram"},
		"matrix":      {judge(model.Matrix{}), release.Inconclusive, "matrix"},
		"text":        {judge(&model.String{Value: "1"}), release.Inconclusive, "string"},
		"no value":    {judge(nil), release.Inconclusive, "no value"},
		"partial":     {judge(vector(0.5), "partial response: store a is down"), release.Inconclusive, "store a"},
		"remark":      {judge(vector(0.5), "PromQL info: metric might not be a counter"), release.Pass, "0.5"},
		"unreachable": {judgePrometheus(check, vector(0.5), nil, errors.New("no answer within 1s")), release.Inconclusive, "within 1s"},
	})
}

func TestGRPCVerdicts(t *testing.T) {
	judge := func(s healthpb.HealthCheckResponse_ServingStatus, code codes.Code) release.Result {
		return judgeGRPC("shop", s, status.Error(code, "told"), "no answer within 1s")
	}
	verdicts(t, table{
		"serving":         {judge(healthpb.HealthCheckResponse_SERVING, codes.OK), release.Pass, "SERVING"},
		"not serving":     {judge(healthpb.HealthCheckResponse_NOT_SERVING, codes.OK), release.Fail, "NOT_SERVING"},
		"unknown":         {judge(healthpb.HealthCheckResponse_UNKNOWN, codes.OK), release.Fail, "UNKNOWN"},
		"service unknown": {judge(healthpb.HealthCheckResponse_SERVICE_UNKNOWN, codes.OK), release.Fail, "SERVICE_UNKNOWN"},
		"no such service": {judge(0, codes.NotFound), release.Fail, `no health of service "shop"`},
		"no health":       {judge(0, codes.Unimplemented), release.Fail, "does not speak grpc.health.v1.Health"},
		"late":            {judge(0, codes.DeadlineExceeded), release.Fail, "no answer within 1s"},
		"unreachable":     {judge(0, codes.Unavailable), release.Fail, "told"},
		"denied":          {judge(0, codes.PermissionDenied), release.Fail, "PermissionDenied"},
	})
}

func TestSQLVerdicts(t *testing.T) {
	judge := func(seen int, err error) release.Result {
		return judgeSQL(seen, time.Millisecond, err, "postgres://u:pa$s@h/d", "pa$s")
	}
	verdicts(t, table{
		"one":         {judge(1, nil), release.Pass, "answered in"},
		"two":         {judge(2, nil), release.Fail, "answered 2"},
		"refused":     {judge(0, &pgconn.PgError{Code: "28P01", Message: "wrong pa$s"}), release.Fail, "wrong [hidden] (SQLSTATE 28P01)"},
		"unreachable": {judge(0, fmt.Errorf("user u pa$s: %w", errors.Join(syscall.EINTR, syscall.ECONNREFUSED))), release.Fail, "no answer: connection refused"},
		"own trouble": {judge(0, fmt.Errorf("dial: %w", syscall.EMFILE)), release.Inconclusive, "the worker can't ask"},
	})
}

func TestCommandVerdicts(t *testing.T) {
	verdicts(t, table{
		"good":            {judgeCommand(nil, false, time.Second, ""), release.Pass, "exit code 0"},
		"good, just late": {judgeCommand(nil, true, time.Second, ""), release.Pass, "exit code 0"},
		"output held":     {judgeCommand(exec.ErrWaitDelay, false, time.Second, ""), release.Pass, "exit code 0"},
		"bad":             {judgeCommand(errors.New("exit status 3"), false, time.Second, "broken"), release.Fail, `exit status 3, output "broken"`},
		"late":            {judgeCommand(errors.New("signal: killed"), true, time.Second, "wait"), release.Fail, "stopped after 1s"},
	})
}

func TestAlarmVerdicts(t *testing.T) {
	judge := func(a platform.Alarm, err error) release.Result { return judgeAlarm("errors", a, err) }
	verdicts(t, table{
		"quiet":     {judge(platform.Alarm{Quiet: true, Reason: "1 < 2"}, nil), release.Pass, "OK: 1 < 2"},
		"raised":    {judge(platform.Alarm{Raised: true, Reason: "3 > 2"}, nil), release.Fail, "in alarm: 3 > 2"},
		"no data":   {judge(platform.Alarm{}, nil), release.Inconclusive, "not enough data"},
		"missing":   {judge(platform.Alarm{}, platform.NotFound("read alarm", "errors")), release.Inconclusive, "not found"},
		"throttled": {judge(platform.Alarm{Quiet: true}, platform.NewError(platform.KindThrottled, "read alarm", "errors", "", errors.New("rate exceeded"))), release.Inconclusive, "rate exceeded"},
	})
}

func TestMetricVerdicts(t *testing.T) {
	now := time.Unix(10_000, 0)
	metric := spec.CloudWatchMetric{Period: spec.Duration(time.Minute), Max: num(1)}
	judge := func(v float64, age time.Duration, err error) release.Result {
		return judgeMetric(metric, platform.Reading{Value: v, At: now.Add(-age)}, err, now)
	}
	verdicts(t, table{
		"good":      {judge(0.5, time.Minute, nil), release.Pass, "0.5"},
		"bad":       {judge(1.5, time.Minute, nil), release.Fail, "1.5"},
		"just new":  {judge(0.5, 10*time.Minute, nil), release.Pass, "0.5"},
		"stale":     {judge(0.5, 10*time.Minute+time.Second, nil), release.Inconclusive, "old"},
		"stale bad": {judge(1.5, time.Hour, nil), release.Inconclusive, "old"},
		"NaN":       {judge(math.NaN(), time.Minute, nil), release.Inconclusive, "NaN"},
		"missing":   {judge(0, time.Minute, platform.NotFound("read metric", "m")), release.Inconclusive, "not found"},
		"late":      {judge(0, 0, late(context.DeadlineExceeded, time.Second)), release.Inconclusive, "no answer within 1s"},
	})
}

func TestWebhookVerdicts(t *testing.T) {
	for status, want := range map[int]release.Verdict{
		200: release.Pass, 201: release.Pass, 202: release.Pass, 204: release.Pass, 299: release.Pass,
		301: release.Fail, 400: release.Fail, 401: release.Fail, 403: release.Fail, 404: release.Fail, 500: release.Fail, 501: release.Fail,
		429: release.Inconclusive, 502: release.Inconclusive, 503: release.Inconclusive, 504: release.Inconclusive,
	} {
		r := judgeWebhook(status, " told \n")
		require.Equal(t, want, r.Verdict, "%d", status)
		require.Equal(t, fmt.Sprintf("%d: told", status), r.Value)
	}
}

func TestRunVerdicts(t *testing.T) {
	judge := func(err error) release.Result { return judgeRun(err, "workflow w", time.Second) }
	said := temporal.NewApplicationError("the canary is slow", "Slow")
	verdicts(t, table{
		"said":           {judge(said), release.Fail, "the canary is slow"},
		"wrapped":        {judge(fmt.Errorf("run: %w", said)), release.Fail, "the canary is slow"},
		"late":           {judge(temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)), release.Inconclusive, "did not answer within 1s"},
		"gave up":        {judge(context.DeadlineExceeded), release.Inconclusive, "did not answer within 1s"},
		"cancelled":      {judge(temporal.NewCanceledError()), release.Inconclusive, "did not answer"},
		"not there":      {judge(errors.New("namespace not found")), release.Inconclusive, "namespace not found"},
		"not registered": {judge(temporal.NewApplicationError("Activity Type 'x' is not registered with a worker", "java.lang.IllegalArgumentException")), release.Inconclusive, "not known to the worker"},
		"Go's own":       {judge(temporal.NewApplicationError("unable to find activityType=x", "ActivityNotRegisteredError")), release.Inconclusive, "not known to the worker"},
	})
}

func TestAnswerVerdicts(t *testing.T) {
	of := func(encoding, data string) release.Result {
		return judgeAnswer(&commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: []byte(data)})
	}
	json := func(data string) release.Result { return of("json/plain", data) }
	verdicts(t, table{
		"no result":     {judgeAnswer(nil), release.Pass, "nothing"},
		"nil":           {of("binary/null", ""), release.Pass, "nothing"},
		"null":          {json(" null "), release.Pass, "nothing"},
		"empty":         {json("{}"), release.Pass, "answered pass"},
		"pass":          {json(`{"verdict": "pass", "value": "12 ms"}`), release.Pass, "12 ms"},
		"fail":          {json(`{"verdict": "fail"}`), release.Fail, "answered fail"},
		"inconclusive":  {json(`{"verdict": "inconclusive", "value": "too few orders"}`), release.Inconclusive, "too few orders"},
		"value alone":   {json(`{"value": "all good"}`), release.Pass, "all good"},
		"more fields":   {json(`{"verdict": "fail", "why": "it is late"}`), release.Fail, "answered fail"},
		"another word":  {json(`{"verdict": "ok"}`), release.Inconclusive, `"ok"`},
		"capitals":      {json(`{"verdict": "PASS"}`), release.Inconclusive, `"PASS"`},
		"misspelt":      {json(`{"verdikt": "fail"}`), release.Inconclusive, "no verdict"},
		"a text":        {json(`"fine"`), release.Inconclusive, "not an object"},
		"true":          {json(`true`), release.Inconclusive, "not an object"},
		"a list":        {json(`[]`), release.Inconclusive, "not an object"},
		"wrong type":    {json(`{"verdict": true}`), release.Inconclusive, "not an object"},
		"not even JSON": {json(`{`), release.Inconclusive, "not an object"},
		"bytes":         {of("binary/plain", "pass"), release.Inconclusive, "binary/plain"},
	})
}

func TestVariables(t *testing.T) {
	s := Subject{
		Target: release.Target{Application: "shop", Environment: "prod"}, Version: "1.2+b", Release: "r1", Region: "eu",
		Fleet: "green", Live: "$fleet",
	}
	for text, want := range map[string]string{
		`$application/$environment/$version/$release/$region/$fleet`: `shop/prod/1.2+b/r1/eu/green`,
		`rate(x{fleet="$fleet",path=~"^/a$|^/b$"}[1m])`:              `rate(x{fleet="green",path=~"^/a$|^/b$"}[1m])`,
		`$fleets $Fleet ${fleet} $1 $ $$region $fleet_x $live`:       `$fleets $Fleet ${fleet} $1 $ $eu $fleet_x $fleet`,
	} {
		require.Equal(t, want, s.fill(text))
	}
	require.Equal(t, "/v/1.2+b?v=1.2%2Bb&x=$y", s.fillURL("/v/$version?v=$version&x=$y"))
	require.Nil(t, s.fillAll(nil))
	require.False(t, s.lacks("$live"))
	s.Live = ""
	require.True(t, s.lacks("a", "b $live"))
	require.False(t, s.lacks("$lives", "$fleet"))
}

func TestRegularExpressionsKeepTheirDollars(t *testing.T) {
	s := Subject{Fleet: "green"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([^$a-z]|\$[0-9|)("]|\$x[a-z]*)*`).Draw(t, "text")
		require.Equal(t, text, s.fill(text))
	})
}

func TestEvidenceIsShortAndReadableAndHoldsNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9 "$/+%é]{8,40}`).Draw(t, "secret")
		around := rapid.SampledFrom([]string{"%s", "user:%s@host", "a %s b %s"}).Draw(t, "around")
		form := rapid.SampledFrom([]func(string) string{
			func(s string) string { return s }, url.QueryEscape, url.PathEscape,
		}).Draw(t, "form")(secret)
		told := strings.ReplaceAll(around, "%s", form)
		require.NotContains(t, hide(told, secret), form)

		bytes := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(t, "bytes")
		q := questions{Asker: &Asker{}}
		r := q.finish(t.Context(), "c", release.Result{Verdict: release.Pass, Value: string(bytes), Bound: string(bytes), Link: strings.Repeat("é", len(bytes))})
		require.LessOrEqual(t, len(r.Value), 300)
		require.LessOrEqual(t, len(r.Bound), 300)
		require.LessOrEqual(t, len(r.Link), 2000)
		require.True(t, utf8.ValidString(r.Value) && utf8.ValidString(r.Bound) && utf8.ValidString(r.Link))
	})
}

func TestSumTellsOfTheInstancesThatDecide(t *testing.T) {
	many := []release.Result{passed("b", "i-1: fine"), unknown("b", "i-2: in doubt"), failed("b", "i-3: broken")}
	r := sum(many)
	require.Equal(t, release.Fail, r.Verdict)
	require.Equal(t, "2 of 3 instances did not pass: i-3: broken", r.Value)
	require.Equal(t, release.Inconclusive, sum(many[:2]).Verdict)
	require.Equal(t, "1 of 1 instances", sum(many[:1]).Value)
}

func TestPortOverride(t *testing.T) {
	require.Equal(t, "10.0.0.1:80", atPort("10.0.0.1:80", 0))
	require.Equal(t, "10.0.0.1:9090", atPort("10.0.0.1:80", 9090))
	require.Equal(t, "[::1]:9090", atPort("[::1]:80", 9090))
	require.Equal(t, "host:9090", atPort("host", 9090))
}

func TestSeriesOfAComparison(t *testing.T) {
	stream := func(values ...float64) *model.SampleStream {
		out := &model.SampleStream{}
		for _, v := range values {
			out.Values = append(out.Values, model.SamplePair{Value: model.SampleValue(v)})
		}
		return out
	}
	got, err := oneSeries(model.Matrix{stream(1, math.NaN(), 2, math.Inf(1))}, nil)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2}, got)
	got, err = oneSeries(model.Matrix{}, nil)
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = oneSeries(model.Matrix{stream(1), stream(2)}, nil)
	require.ErrorContains(t, err, "2 series")
	_, err = oneSeries(model.Matrix{stream(1)}, []string{"partial"})
	require.ErrorContains(t, err, "partial")
	_, err = oneSeries(model.Vector{}, nil)
	require.Error(t, err)
}
