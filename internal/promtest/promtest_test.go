package promtest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/promtest"
)

func TestPrometheusScrapesUntilItIsKilled(t *testing.T) {
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "answers 42\n")
	}))
	t.Cleanup(metrics.Close)
	s := promtest.Start(t, promtest.Scrape{Job: "app", URL: metrics.URL + "/metrics"})
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.URL + "/api/v1/query?query=answers")
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return strings.Contains(string(body), `"42"`)
	}, time.Minute, 100*time.Millisecond)
	s.Kill()
	answer, err := http.Get(s.URL + "/-/ready")
	if err == nil {
		answer.Body.Close()
	}
	require.Error(t, err)
}
