// Package promtest starts a real Prometheus for tests.
package promtest

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/child"
)

// Scrape is one page of metrics that Prometheus reads.
type Scrape struct {
	Job string
	URL string // with its path, such as http://127.0.0.1:8080/metrics
}

// Interval is the time between two scrapes.
const Interval = 200 * time.Millisecond

// Server is a Prometheus that runs.
type Server struct {
	URL     string
	process *child.Process
}

// Start starts a Prometheus with an empty store on a free loopback port, waits until
// it is ready and ends it with the test.
func Start(t testing.TB, scrapes ...Scrape) *Server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	require.NoError(t, err, "install Prometheus first: make prometheus")
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(configOf(t, scrapes)), 0o600))
	// Between the choice of a port and its use somebody else may take it.
	for range 3 {
		s := &Server{}
		address := freeAddress(t)
		s.URL = "http://" + address
		s.process, err = child.Start(child.Command{
			Argv: []string{program, "--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
				"--web.listen-address=" + address, "--log.level=warn"},
			Env: os.Environ(), Dir: dir, Log: filepath.Join(dir, "log"),
		}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { s.process.End(10 * time.Second) })
		if s.ready(t) {
			return s
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	require.FailNow(t, "Prometheus did not start", "%s", log)
	return nil
}

// Kill ends Prometheus at once, as a machine that fails does.
func (s *Server) Kill() {
	s.process.Kill()
	<-s.process.Done()
}

// ready waits until Prometheus answers queries; false when it ended before.
func (s *Server) ready(t testing.TB) bool {
	t.Helper()
	ready := false
	require.Eventually(t, func() bool {
		if _, gone := s.process.Ended(); gone {
			return true
		}
		answer, err := http.Get(s.URL + "/-/ready") //nolint:noctx // the wait around it is bounded
		if err != nil {
			return false
		}
		answer.Body.Close()
		ready = answer.StatusCode == http.StatusOK
		return ready
	}, time.Minute, 50*time.Millisecond, "Prometheus is not ready")
	return ready
}

func configOf(t testing.TB, scrapes []Scrape) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "global:\n  scrape_interval: %s\n  scrape_timeout: %s\nscrape_configs:\n", Interval, Interval)
	for _, s := range scrapes {
		u, err := url.Parse(s.URL)
		require.NoError(t, err)
		fmt.Fprintf(&b, "  - job_name: %q\n    scheme: %s\n    metrics_path: %q\n    static_configs:\n      - targets: [%q]\n", s.Job, u.Scheme, u.Path, u.Host)
	}
	return b.String()
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
