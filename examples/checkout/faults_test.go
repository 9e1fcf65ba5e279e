package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestVariablesAddToTheFaultsOfTheImage(t *testing.T) {
	t.Setenv("CHECKOUT_LATENCY", "200ms")
	t.Setenv("CHECKOUT_CRASH_REQUESTS", "7")
	f, err := readFaults(t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, faults{Latency: duration(200 * time.Millisecond), CrashRequests: 7}, f)
	t.Setenv("CHECKOUT_LEAK_KIB", "a lot")
	_, err = readFaults(t.TempDir())
	assert.ErrorContains(t, err, "CHECKOUT_LEAK_KIB=a lot")
}

func TestSlownessBeginsWithTheFirstUser(t *testing.T) {
	const slow = 50 * time.Millisecond
	s := serves(build{}, faults{Latency: duration(slow)})
	ask(s, "GET", "/checkout", "", probeHeader, "f")
	require.Zero(t, s.trouble.first.Load(), "a probe does not start it")
	began := time.Now()
	require.Equal(t, 200, ask(s, "GET", "/checkout", "").Code)
	assert.GreaterOrEqual(t, time.Since(began), slow)
}

func TestACrashCountsUsersOnly(t *testing.T) {
	s := serves(build{}, faults{CrashRequests: 2})
	ends := 0
	s.trouble.exit = func(int) { ends++ }
	for range 3 {
		ask(s, "GET", "/checkout", "", probeHeader, "f")
	}
	ask(s, "GET", "/checkout", "")
	ask(s, "GET", "/checkout", "")
	require.Zero(t, ends)
	ask(s, "GET", "/checkout", "")
	require.Equal(t, 1, ends)
}

func TestALeakGrowsWithEveryUserUntilTheMemoryIsUsedUp(t *testing.T) {
	s := serves(build{}, faults{LeakKiB: 256, MemoryMiB: 1})
	var code int
	s.trouble.exit = func(c int) { code = c }
	for range 4 {
		ask(s, "GET", "/checkout", "")
	}
	require.Zero(t, code)
	ask(s, "GET", "/checkout", "")
	require.Equal(t, exitOutOfMemory, code)
}

func TestAnInstanceThatIsTooSmallSaysSo(t *testing.T) {
	s := serves(build{}, faults{})
	s.capacity = rate.NewLimiter(0, 3)
	for range 3 {
		require.Equal(t, 200, ask(s, "GET", "/checkout", "").Code)
	}
	w := ask(s, "GET", "/checkout", "")
	require.Equal(t, 503, w.Code)
	require.Empty(t, w.Header().Get("X-Injected-Fault"), "nobody asked for this failure")
	require.Equal(t, 200, ask(s, "GET", "/healthz", "").Code)
}

func TestMetricsTellFleetsAndVersionsApart(t *testing.T) {
	s := serves(build{Version: "2.0.0", fleet: "checkout-production-v2"}, faults{})
	require.Equal(t, "checkout-production-v2", ask(s, "GET", "/checkout?item=tea:1", "").Header().Get(fleetHeader))
	ask(s, "GET", "/checkout?item=gold", "")
	text := ask(s, "GET", "/metrics", "").Body.String()
	const labels = `fleet="checkout-production-v2",version="2.0.0"`
	for _, line := range []string{
		`checkout_requests_total{code="200",` + labels + `} 1`,
		`checkout_requests_total{code="422",` + labels + `} 1`,
		`checkout_request_duration_seconds_count{` + labels + `} 2`,
		`process_resident_memory_bytes{` + labels + `} `,
	} {
		assert.Contains(t, text, line)
	}
}

func TestACrashLoopEndsTheProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHECKOUT_TEST_SERVE=1", "SWITCHYARD_ROOT="+t.TempDir(), "HOST=127.0.0.1", "PORT=0", "CHECKOUT_CRASH_AFTER=10ms")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.False(t, strings.Contains(string(out), "panic"), "%s", out)
}
