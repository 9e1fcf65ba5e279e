package load_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/load"
)

func TestFailuresAreToldFromErrorsMadeOnPurpose(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch served.Add(1) % 4 {
		case 1:
			w.Header().Set(load.FaultHeader, "error-rate")
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			w.WriteHeader(http.StatusNotFound) // a user's own mistake is no failure of the release
		}
	}))
	defer server.Close()
	l := load.Start(load.Options{URL: server.URL, Rate: 200, Longest: time.Minute})
	require.Eventually(t, func() bool { return l.Counts().Requests >= 40 }, 20*time.Second, 10*time.Millisecond)
	c := l.Stop()
	require.Equal(t, uint64(served.Load()), c.Requests, "every request is counted once")
	require.InDelta(t, c.Requests/4, c.OnFault, 1)
	require.InDelta(t, c.Requests/4, c.Failed, 1)
	require.Contains(t, l.Failures()[0], "status 502")
	require.Equal(t, c, l.Counts(), "nothing comes after Stop")
}

func TestAnEntryThatIsNotThereIsAFailure(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	l := load.Start(load.Options{URL: server.URL, Rate: 100, Longest: time.Minute})
	require.Eventually(t, func() bool { return l.Counts().Failed > 0 }, 20*time.Second, 10*time.Millisecond)
	c := l.Stop()
	require.Equal(t, c.Requests, c.Failed)
}

func TestSlowAnswersAndWhoGaveThemAreCounted(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%2 == 0 {
			w.Header().Set("X-Version", "2")
			time.Sleep(time.Second)
			return
		}
		w.Header().Set("X-Version", "1")
	}))
	defer server.Close()
	l := load.Start(load.Options{URL: server.URL, Rate: 50, Longest: time.Minute, Slow: 900 * time.Millisecond, By: "X-Version"})
	require.Eventually(t, func() bool { return l.Counts().Slow >= 4 }, 20*time.Second, 10*time.Millisecond)
	c := l.Stop()
	by := l.Answered()
	require.Equal(t, c.Requests, by["1"]+by["2"])
	require.GreaterOrEqual(t, c.Slow, by["2"], "every answer of the slow one is slow")
	require.Equal(t, c.Slow, c.Hit())
}
