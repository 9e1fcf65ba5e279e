package activities_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// server is an instance that answers as its handler says.
func server(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Version", "2.0.0")
	_, _ = w.Write([]byte(`{"build":{"version":"2.0.0","number":7},"hosts":["a","b"]}`))
}

// serving puts a fleet there whose instances have these addresses.
func serving(b *bench, addresses ...string) {
	f := fleetOf(green, "r2", len(addresses))
	for i, a := range addresses {
		f.Instances[i].Address = a
	}
	b.cloud.Place(f)
}

func verifyInput(checks ...spec.Check) activities.VerifyInput {
	return activities.VerifyInput{Place: place, Fleet: green, HealthPath: "/healthz", Verification: spec.Verification{
		Within: ms(60_000), Interval: ms(5), Consecutive: 2, Checks: checks,
	}}
}

// hopeless is a verification that is expected to fail, and soon.
func hopeless(checks ...spec.Check) activities.VerifyInput {
	in := verifyInput(checks...)
	in.Verification.Within = ms(60)
	return in
}

func TestVerifyWithoutChecksAsksTheHealthOfEveryInstance(t *testing.T) {
	b := newBench(t)
	var asked atomic.Int32
	health := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			asked.Add(1)
			return
		}
		http.NotFound(w, r)
	}
	serving(b, server(t, health), server(t, health))
	out, err := run[activities.Verified](b, activities.VerifyFleet, verifyInput())
	require.NoError(t, err)
	require.Equal(t, 2, out.Rounds)
	require.EqualValues(t, 4, asked.Load())
	require.Equal(t, release.Pass, release.Worst(out.Results))
}

func TestVerifyComparesEverythingAnAnswerHas(t *testing.T) {
	path := "/v?x=1"
	timeout := ms(10_000)
	cases := map[string]struct {
		check spec.HTTPCheck
		wrong string // "" passes
	}{
		"all as wanted": {check: spec.HTTPCheck{Header: map[string]string{"x-version": "2.0.0"}, BodyContains: "build",
			JSON: map[string]string{"build.version": "2.0.0", "build.number": "7", "hosts.1": "b"}, Latency: ms(9_000)}},
		"status":       {check: spec.HTTPCheck{Status: 404}, wrong: "status 200"},
		"header":       {check: spec.HTTPCheck{Header: map[string]string{"X-Version": "1.0.0"}}, wrong: `header X-Version is "2.0.0"`},
		"body":         {check: spec.HTTPCheck{BodyContains: "nowhere"}, wrong: "nowhere"},
		"JSON value":   {check: spec.HTTPCheck{JSON: map[string]string{"build.version": "3"}}, wrong: `build.version is "2.0.0"`},
		"JSON missing": {check: spec.HTTPCheck{JSON: map[string]string{"build.commit": "x"}}, wrong: "no build.commit"},
		"latency":      {check: spec.HTTPCheck{Latency: spec.Duration(time.Nanosecond)}, wrong: "answered in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			serving(b, server(t, ok))
			c.check.Path, c.check.Timeout = path, timeout
			in := verifyInput(spec.Check{Name: "answer", HTTP: &c.check})
			if c.wrong != "" {
				in = hopeless(in.Verification.Checks...)
			}
			_, err := run[activities.Verified](b, activities.VerifyFleet, in)
			if c.wrong == "" {
				require.NoError(t, err)
				return
			}
			app := requireKind(t, err, activities.ErrNotVerified, true)
			require.Contains(t, app.Error(), "answer fail")
			require.Contains(t, app.Error(), c.wrong)
		})
	}
}

func TestVerifyThroughTheRouterCarriesTheTestRoute(t *testing.T) {
	b := newBench(t)
	var header atomic.Value
	serving(b, server(t, func(_ http.ResponseWriter, r *http.Request) { header.Store(r.Header.Get("X-Fleet")) }))
	_, err := run[activities.Verified](b, activities.VerifyFleet, verifyInput(
		spec.Check{Name: "front", HTTP: &spec.HTTPCheck{Path: "/", Via: spec.ViaRouter, Timeout: ms(10_000)}}))
	require.NoError(t, err)
	require.Equal(t, green, header.Load())
}

func TestVerifyFailsWhenOneInstanceOfManyFails(t *testing.T) {
	b := newBench(t)
	bad := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "database is gone", http.StatusServiceUnavailable)
	}
	serving(b, server(t, ok), server(t, bad), server(t, ok))
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless())
	app := requireKind(t, err, activities.ErrNotVerified, true)
	require.Contains(t, app.Error(), "1 of 3 instances did not pass: "+green+"-b: status 503")
	require.Contains(t, app.Error(), "database is gone")
}

func TestVerifyNeedsPassesInARow(t *testing.T) {
	b := newBench(t)
	var n atomic.Int32
	serving(b, server(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless())
	requireKind(t, err, activities.ErrNotVerified, true)
}

func TestVerifyOfAnEmptyOrIncompleteFleetFails(t *testing.T) {
	b := newBench(t)
	serving(b)
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless())
	requireKind(t, err, activities.ErrNotVerified, true)

	serving(b, server(t, ok), server(t, ok))
	b.cloud.Change(region, green, func(f *release.Fleet) { f.Instances[1].State = release.InstanceUnhealthy })
	_, err = run[activities.Verified](b, activities.VerifyFleet, hopeless())
	app := requireKind(t, err, activities.ErrNotVerified, true)
	require.Contains(t, app.Error(), "1 in service (want ≥ 2)")
}

func TestVerifyNeverTakesAFailedReadForAPass(t *testing.T) {
	for _, call := range []string{"Fleets.Describe", "Router.Probe"} {
		b := newBench(t)
		serving(b, server(t, ok))
		b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Throttled, Times: -1})
		_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless(
			spec.Check{Name: "front", HTTP: &spec.HTTPCheck{Path: "/", Via: spec.ViaRouter, Timeout: ms(10_000)}}))
		app := requireKind(t, err, activities.ErrNotJudged, true)
		require.Contains(t, app.Error(), "inconclusive", call)
	}
}

func TestVerifyForgivesAReadThatFailedOnce(t *testing.T) {
	b := newBench(t)
	serving(b, server(t, ok))
	b.cloud.Fail("Fleets.Describe", fakeplatform.Fault{Err: fakeplatform.Throttled})
	out, err := run[activities.Verified](b, activities.VerifyFleet, verifyInput())
	require.NoError(t, err)
	require.Equal(t, 3, out.Rounds)
}

func TestVerifyTCP(t *testing.T) {
	b := newBench(t)
	check := spec.Check{Name: "port", TCP: &spec.TCPCheck{Timeout: ms(10_000)}}
	serving(b, server(t, ok))
	_, err := run[activities.Verified](b, activities.VerifyFleet, verifyInput(check))
	require.NoError(t, err)
	serving(b, "127.0.0.1:1")
	_, err = run[activities.Verified](b, activities.VerifyFleet, hopeless(check))
	requireKind(t, err, activities.ErrNotVerified, true)
}

func command(line string, timeout spec.Duration) spec.Check {
	return spec.Check{Name: "script", Command: &spec.CommandCheck{Run: []string{"/bin/sh", "-c", line}, Timeout: timeout}}
}

func TestVerifyCommandKnowsTheFleetAndNoSecretsOfTheWorker(t *testing.T) {
	b := newBench(t)
	t.Setenv("WORKER_TOKEN", "hunter2")
	file := filepath.Join(t.TempDir(), "env")
	serving(b, "127.0.0.1:81", "127.0.0.1:82")
	_, err := run[activities.Verified](b, activities.VerifyFleet, verifyInput(command("env > "+file, ms(30_000))))
	require.NoError(t, err)
	env, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, line := range []string{"SWITCHYARD_FLEET=" + green, "SWITCHYARD_REGION=local-a", "SWITCHYARD_ENTRY=http://local-a.test", "SWITCHYARD_ADDRESSES=127.0.0.1:81 127.0.0.1:82"} {
		require.Contains(t, string(env), line+"\n")
	}
	require.NotContains(t, string(env), "hunter2")
}

func TestVerifyCommandThatFailsShowsItsOutput(t *testing.T) {
	b := newBench(t)
	serving(b, "127.0.0.1:81")
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless(command("echo no stock; exit 3", ms(30_000))))
	app := requireKind(t, err, activities.ErrNotVerified, true)
	require.Contains(t, app.Error(), "exit status 3")
	require.Contains(t, app.Error(), "no stock")
}

func TestVerifyCommandIsKilledWithEverythingItStarted(t *testing.T) {
	b := newBench(t)
	serving(b, "127.0.0.1:81")
	file := filepath.Join(t.TempDir(), "pid")
	in := verifyInput(command("sleep 60 & echo $! > "+file+"; wait", ms(1000)))
	in.Verification.Within, in.Verification.Consecutive = ms(10), 1
	_, err := run[activities.Verified](b, activities.VerifyFleet, in)
	app := requireKind(t, err, activities.ErrNotVerified, true)
	require.Contains(t, app.Error(), "stopped after 1s")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gone(pid) }, 5*time.Second, 5*time.Millisecond)
}

// gone says whether a process runs no more; one that waits for its parent is over.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestVerifyCommandThatCannotStartProvesNothing(t *testing.T) {
	b := newBench(t)
	serving(b, "127.0.0.1:81")
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless(
		spec.Check{Name: "script", Command: &spec.CommandCheck{Run: []string{"/does/not/exist"}, Timeout: ms(100)}}))
	app := requireKind(t, err, activities.ErrNotJudged, true)
	require.Contains(t, app.Error(), "script inconclusive: can't be started")
}

func TestLongestLookWithoutChecksIsTheOneOfTheHealthPath(t *testing.T) {
	health := []spec.Check{{HTTP: &spec.HTTPCheck{Via: spec.ViaInstance, Timeout: ms(10_000)}}}
	require.Equal(t, activities.LongestLook(health, 64), activities.LongestLook(nil, 64))
	require.GreaterOrEqual(t, activities.LongestLook(nil, 64), 40*time.Second, "instances take turns")
}

// scripted answers each question as the next of its statuses says, and then as the last.
func scripted(t *testing.T, statuses ...int) (address string, asked *atomic.Int32) {
	asked = &atomic.Int32{}
	return server(t, func(w http.ResponseWriter, _ *http.Request) {
		n := int(asked.Add(1)) - 1
		w.WriteHeader(statuses[min(n, len(statuses)-1)])
	}), asked
}

func health(interval spec.Duration, passes, failures int) spec.Check {
	return spec.Check{Name: "health", Interval: interval, Passes: passes, Failures: failures,
		HTTP: &spec.HTTPCheck{Path: "/", Via: spec.ViaInstance, Timeout: ms(10_000)}}
}

func TestVerifyAsksACheckNoMoreOftenThanItsInterval(t *testing.T) {
	b := newBench(t)
	often, asked := scripted(t, 200)
	serving(b, often)
	in := verifyInput(health(ms(3_600_000), 1, 0))
	in.Verification.Consecutive = 5
	out, err := run[activities.Verified](b, activities.VerifyFleet, in)
	require.NoError(t, err)
	require.Equal(t, 5, out.Rounds)
	require.EqualValues(t, 1, asked.Load(), "its answer stands until it is due again")
}

func TestVerifyWaitsForGoodAnswersInARowAndPutsUpWithBadOnes(t *testing.T) {
	b := newBench(t)
	address, asked := scripted(t, 200, 500, 200, 200, 200)
	serving(b, address)
	in := verifyInput(health(0, 3, 1))
	in.Verification.Consecutive = 1
	_, err := run[activities.Verified](b, activities.VerifyFleet, in)
	require.NoError(t, err)
	require.EqualValues(t, 5, asked.Load(), "a bad answer that is put up with ends the row of good ones")

	address, _ = scripted(t, 500)
	serving(b, address)
	_, err = run[activities.Verified](b, activities.VerifyFleet, hopeless(health(0, 1, 2)))
	app := requireKind(t, err, activities.ErrNotVerified, true)
	require.Contains(t, app.Error(), "status 500")
}

func TestVerifyTakesACheckThatTellsNothingForBadWhereTheSpecSaysSo(t *testing.T) {
	b := newBench(t)
	serving(b, "127.0.0.1:81")
	check := spec.Check{Name: "script", Command: &spec.CommandCheck{Run: []string{"/does/not/exist"}, Timeout: ms(100)}}
	_, err := run[activities.Verified](b, activities.VerifyFleet, hopeless(check))
	app := requireKind(t, err, activities.ErrNotJudged, true)
	require.Contains(t, app.Error(), "could not be judged")
	check.Inconclusive = spec.InconclusiveFail
	_, err = run[activities.Verified](b, activities.VerifyFleet, hopeless(check))
	requireKind(t, err, activities.ErrNotVerified, true)
}

func TestVerifyTellsWhatIsCheckedAndAgainstWhat(t *testing.T) {
	b := newBench(t)
	var asked atomic.Value
	listener := server(t, func(_ http.ResponseWriter, r *http.Request) { asked.Store(r.URL.Path + " " + r.Header.Get("X-About")) })
	serving(b, "127.0.0.1:81")
	in := verifyInput(spec.Check{Name: "listener", HTTP: &spec.HTTPCheck{Path: "/v", Via: spec.ViaListener, Timeout: ms(10_000),
		Send: map[string]string{"X-About": "$version $fleet $live"}}})
	in.Version, in.Live, in.TestListener = "2.0.0", blue, "http://"+listener
	_, err := run[activities.Verified](b, activities.VerifyFleet, in)
	require.NoError(t, err)
	require.Equal(t, "/v 2.0.0 "+green+" "+blue, asked.Load())
}
