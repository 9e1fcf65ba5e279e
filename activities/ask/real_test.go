package ask_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/internal/pgtest"
	"github.com/switchyard/switchyard/internal/promtest"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// healthy starts a gRPC server; states nil: without a health service.
func healthy(t *testing.T, states map[string]healthpb.HealthCheckResponse_ServingStatus, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(options...)
	if states != nil {
		h := health.NewServer()
		for name, state := range states {
			h.SetServingStatus(name, state)
		}
		healthpb.RegisterHealthServer(s, h)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func TestGRPCHealthOfEveryInstance(t *testing.T) {
	up := healthy(t, map[string]healthpb.HealthCheckResponse_ServingStatus{"shop.1.2.0": healthpb.HealthCheckResponse_SERVING})
	down := healthy(t, map[string]healthpb.HealthCheckResponse_ServingStatus{"shop.1.2.0": healthpb.HealthCheckResponse_NOT_SERVING})
	bare := healthy(t, nil)
	check := func(service string) spec.Check {
		return spec.Check{GRPC: &spec.GRPCCheck{Service: service, Timeout: ms(20_000)}}
	}
	a := &ask.Asker{}
	require.Equal(t, release.Pass, one(t, a, subject(up, up), check("shop.$version")).Verdict)
	require.Equal(t, release.Pass, one(t, a, subject(up, down), check("")).Verdict, "the servers as a whole serve")
	for name, c := range map[string]struct {
		address, service, says string
	}{
		"not serving": {down, "shop.$version", "NOT_SERVING"},
		"unknown":     {up, "other", `no health of service "other"`},
		"no health":   {bare, "", "does not speak grpc.health.v1.Health"},
		"nobody":      {nobody(t), "", "connection refused"},
	} {
		r := one(t, a, subject(up, c.address), check(c.service))
		require.Equal(t, release.Fail, r.Verdict, name)
		require.Contains(t, r.Value, c.says, name)
	}
}

func TestGRPCOverTLSAndInTime(t *testing.T) {
	own := httptest.NewTLSServer(nil) // for its certificate, which nobody signed
	t.Cleanup(own.Close)
	secure := credentials.NewTLS(&tls.Config{Certificates: own.TLS.Certificates})
	address := healthy(t, map[string]healthpb.HealthCheckResponse_ServingStatus{"": healthpb.HealthCheckResponse_SERVING}, grpc.Creds(secure))
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	var n int
	_, err = fmt.Sscan(port, &n)
	require.NoError(t, err)
	check := spec.GRPCCheck{TLS: true, Port: n, Timeout: ms(20_000)}
	require.Equal(t, release.Pass, one(t, &ask.Asker{}, subject(nobody(t)), spec.Check{GRPC: &check}).Verdict)
	check.TLS = false
	require.Equal(t, release.Fail, one(t, &ask.Asker{}, subject(address), spec.Check{GRPC: &check}).Verdict)

	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	r := one(t, &ask.Asker{}, subject(silent.Addr().String()), spec.Check{GRPC: &spec.GRPCCheck{Timeout: ms(300)}})
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "no answer within 300ms")
}

func TestSQLAgainstPostgreSQLTellsNothingOfTheConnectionString(t *testing.T) {
	pg := pgtest.Start(t)
	file := filepath.Join(t.TempDir(), "dsn")
	asked := func(dsn string, timeout spec.Duration) release.Result {
		require.NoError(t, os.WriteFile(file, []byte(dsn+"\n"), 0o600))
		r := one(t, &ask.Asker{}, subject(), spec.Check{SQL: &spec.SQLCheck{Driver: "postgres", Connection: "file:" + file, Timeout: timeout}})
		for _, secret := range []string{dsn, pgtest.Password, "wr0ng-s3cret"} {
			require.NotContains(t, r.String()+r.Link, secret)
		}
		return r
	}
	r := asked(pg.URL("postgres"), ms(20_000))
	require.Equal(t, release.Pass, r.Verdict, "%s", r)

	wrong := url.URL{Scheme: "postgres", User: url.UserPassword(pgtest.User, "wr0ng-s3cret"), Host: pg.Address, Path: "/postgres"}
	r = asked(wrong.String(), ms(20_000))
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "SQLSTATE 28P01")
	r = asked(pg.URL("nowhere"), ms(20_000))
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "SQLSTATE 3D000")

	r = asked("postgres://u:wr0ng-s3cret@host:port:port/", ms(1000))
	require.Equal(t, release.Inconclusive, r.Verdict, "what is no connection string is the spec's trouble")
	r = one(t, &ask.Asker{}, subject(), spec.Check{SQL: &spec.SQLCheck{Connection: "env:NO_SUCH_DSN"}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "NO_SUCH_DSN")

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	r = asked("postgres://u:wr0ng-s3cret@"+silent.Addr().String()+"/d?sslmode=disable", ms(300))
	require.Equal(t, release.Fail, r.Verdict)
	require.Equal(t, "no answer within 300ms", r.Value)

	dsn := pg.URL("postgres")
	pg.Kill()
	r = asked(dsn, ms(20_000))
	require.Equal(t, release.Fail, r.Verdict)
	require.Contains(t, r.Value, "connection refused")
}

// metrics serves two fleets' metrics.
func metrics(t *testing.T) string {
	t.Helper()
	base, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `latency{fleet="shop-prod-r7"} 0.25
latency{fleet="shop-prod-r6"} 0.125
requests{fleet="shop-prod-r7"} 0
ratio{path="/a"} NaN
`)
	})
	return base + "/metrics"
}

func TestPrometheusAgainstARealOne(t *testing.T) {
	prom := promtest.Start(t, promtest.Scrape{Job: "app", URL: metrics(t)})
	a, s := &ask.Asker{}, subject()
	asked := func(query string) release.Result {
		return one(t, a, s, spec.Check{Prometheus: &spec.PrometheusCheck{URL: prom.URL + "/", Query: query, Max: num(0.2), Timeout: ms(20_000)}})
	}
	require.Eventually(t, func() bool { return asked(`latency{fleet="$fleet"}`).Verdict != release.Inconclusive }, time.Minute, 100*time.Millisecond)
	for query, want := range map[string]release.Verdict{
		`latency{fleet="$fleet"}`:                             release.Fail,
		`latency{fleet="$live"}`:                              release.Pass,
		`max(latency{fleet=~"^$live$"})`:                      release.Pass,
		`scalar(latency{fleet="$live"})`:                      release.Pass,
		`scalar(latency)`:                                     release.Inconclusive, // NaN: several series
		`latency`:                                             release.Inconclusive, // two series
		`latency{fleet="blue"}`:                               release.Inconclusive, // none
		`requests{fleet="$fleet"} / requests{fleet="$fleet"}`: release.Inconclusive, // 0/0
		`1 / requests{fleet="$fleet"}`:                        release.Inconclusive, // infinite
		`ratio`:                                               release.Inconclusive, // NaN from the start
		`latency{fleet="$live"}[1m]`:                          release.Inconclusive, // a matrix
		`"text"`:                                              release.Inconclusive,
		`sum(latency`:                                         release.Inconclusive, // not PromQL
		`latency{fleet="$live"} > 1`:                          release.Inconclusive, // a filter that finds nothing
	} {
		r := asked(query)
		require.Equal(t, want, r.Verdict, "%s: %s", query, r)
	}
	r := asked(`latency{fleet="$live"}`)
	require.Equal(t, prom.URL+"/graph?g0.expr="+url.QueryEscape(`latency{fleet="shop-prod-r6"}`), r.Link)
	require.Equal(t, "0.125", r.Value)
	require.Equal(t, "≤ 0.2", r.Bound)

	s.Live = ""
	require.Equal(t, release.Inconclusive, asked(`sum(latency{fleet="$live"}) or vector(0)`).Verdict, "no live fleet is no zero")
	prom.Kill()
	s.Live = "shop-prod-r6"
	r = asked(`latency{fleet="$live"}`)
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "connection refused")
}

func TestPrometheusThatAnswersBadlyTellsNothing(t *testing.T) {
	t.Setenv("PROM_TOKEN", "pr0m-s3cret")
	good := `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   release.Verdict
	}{
		"good":        {200, good, release.Pass},
		"throttled":   {429, "slow down pr0m-s3cret", release.Inconclusive},
		"unavailable": {503, good, release.Inconclusive},
		"denied":      {401, "who is pr0m-s3cret?", release.Inconclusive},
		"moved":       {302, good, release.Inconclusive},
		"partial":     {200, `{"status":"success","warnings":["partial response pr0m-s3cret"],"data":{"resultType":"scalar","result":[1,"1"]}}`, release.Inconclusive},
		"error":       {200, `{"status":"error","errorType":"timeout","error":"query timed out"}`, release.Inconclusive},
		"not JSON":    {200, "<html>pr0m-s3cret</html>", release.Inconclusive},
		"empty":       {200, "", release.Inconclusive},
		"no result":   {200, `{"status":"success","data":{}}`, release.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, "Bearer pr0m-s3cret", r.Header.Get("Authorization"))
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			r := one(t, &ask.Asker{}, subject(), spec.Check{Prometheus: &spec.PrometheusCheck{URL: base, Query: "1", Min: num(1), Token: "env:PROM_TOKEN"}})
			require.Equal(t, c.want, r.Verdict, "%s", r)
			require.NotContains(t, r.String()+r.Link, "pr0m-s3cret")
		})
	}
	silent, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	r := one(t, &ask.Asker{}, subject(), spec.Check{Prometheus: &spec.PrometheusCheck{URL: silent, Query: "1", Min: num(1), Timeout: ms(300)}})
	require.Equal(t, release.Inconclusive, r.Verdict)
	require.Contains(t, r.Value, "no answer within 300ms")
}

func TestSamplesOfARangeQueryAreNeitherLostNorTakenTwice(t *testing.T) {
	prom := promtest.Start(t, promtest.Scrape{Job: "app", URL: metrics(t)})
	c := spec.Comparison{Name: "latency", Prometheus: &spec.PrometheusSource{
		URL: prom.URL, Query: `latency{fleet="$fleet"}`, Step: spec.Duration(time.Second), Timeout: ms(20_000),
	}}
	a, s := &ask.Asker{}, subject()
	began := time.Now()
	var whole []float64
	require.Eventually(t, func() bool {
		candidate, live, err := a.Samples(t.Context(), s, c, began, time.Now())
		require.NoError(t, err)
		whole = live
		return len(candidate) >= 3 && len(live) >= 3
	}, time.Minute, 200*time.Millisecond)
	require.Equal(t, 0.125, whole[0])

	until := time.Now()
	candidate, live, err := a.Samples(t.Context(), s, c, began, until)
	require.NoError(t, err)
	require.Equal(t, 0.25, candidate[0])
	require.Len(t, live, len(candidate))
	var parts int
	for since := began; since.Before(until); { // in looks that do not fit the step
		next := since.Add(700 * time.Millisecond)
		if next.After(until) {
			next = until
		}
		some, _, err := a.Samples(t.Context(), s, c, since, next)
		require.NoError(t, err)
		parts, since = parts+len(some), next
	}
	require.Equal(t, len(candidate), parts)

	c.Prometheus.Query = `latency`
	_, _, err = a.Samples(t.Context(), s, c, began, until)
	require.ErrorContains(t, err, "2 series")
	c.Prometheus.Query = `latency{fleet="$fleet",job="no"}`
	candidate, live, err = a.Samples(t.Context(), s, c, began, until)
	require.NoError(t, err)
	require.Empty(t, append(candidate, live...))
	prom.Kill()
	_, _, err = a.Samples(t.Context(), s, c, began, until)
	require.ErrorContains(t, err, "connection refused")
}

func TestSamplesOfLatency(t *testing.T) {
	var mine, theirs atomic.Int32
	good, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/checkout?of=shop-prod-r7", r.URL.String())
		theirs.Add(1)
	})
	broken, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mine.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	})
	s := subject()
	r := &router{probes: map[string]platform.Probe{s.Fleet: {URL: broken}, s.Live: {URL: good}}}
	s.Platform.Router = r
	c := spec.Comparison{Name: "speed", Latency: &spec.LatencySource{Path: "/checkout?of=$fleet", Requests: 12, Timeout: ms(20_000)}}
	candidate, live, err := (&ask.Asker{}).Samples(t.Context(), s, c, time.Time{}, time.Time{})
	require.NoError(t, err)
	require.Len(t, live, 12)
	require.EqualValues(t, 12, mine.Load())
	require.EqualValues(t, 12, theirs.Load())
	for i := range candidate {
		require.Equal(t, 20.0, candidate[i], "a server error is not a fast answer")
		require.Less(t, live[i], 20.0)
	}

	r.probes[s.Live] = platform.Probe{URL: "http://" + nobody(t)}
	_, _, err = (&ask.Asker{}).Samples(t.Context(), s, c, time.Time{}, time.Time{})
	require.ErrorContains(t, err, "answered none of 12 requests")
	delete(r.probes, s.Live)
	_, _, err = (&ask.Asker{}).Samples(t.Context(), s, c, time.Time{}, time.Time{})
	require.ErrorContains(t, err, "the router does not answer")
	s.Live = ""
	_, _, err = (&ask.Asker{}).Samples(t.Context(), s, c, time.Time{}, time.Time{})
	require.ErrorContains(t, err, "no live fleet")
	s.Live = "x"
	_, _, err = (&ask.Asker{}).Samples(t.Context(), s, spec.Comparison{Name: "e", Errors: &spec.ErrorsSource{}}, time.Time{}, time.Time{})
	require.Error(t, err)
	require.Equal(t, 3*20*time.Second, ask.LongestSamples([]spec.Comparison{c}))
}
