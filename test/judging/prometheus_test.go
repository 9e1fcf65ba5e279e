//go:build judging

package judging

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/promtest"
	"github.com/switchyard/switchyard/release"
)

// prometheus is a Prometheus that scrapes the instances of a fleet, which may not be
// there yet. Addresses are known late and change, so it asks a door that leads to the
// instance that is the first, second … of the fleet at the moment.
func (s *story) prometheus(id string, instances int) *promtest.Server {
	s.t.Helper()
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := s.ports.Fleets.Describe(r.Context(), s.region, s.fleet(id))
		slices.SortFunc(f.Instances, func(a, b release.Instance) int { return strings.Compare(a.ID, b.ID) })
		n, _ := strconv.Atoi(r.URL.Path[1:])
		if err != nil || n >= len(f.Instances) || f.Instances[n].Address == "" {
			http.Error(w, "there is no such instance", http.StatusNotFound)
			return
		}
		r.URL.Path = "/metrics"
		httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: f.Instances[n].Address}).ServeHTTP(w, r)
	}))
	s.t.Cleanup(door.Close)
	var scrapes []promtest.Scrape
	for n := range instances {
		scrapes = append(scrapes, promtest.Scrape{Job: fmt.Sprintf("instance-%d", n), URL: fmt.Sprintf("%s/%d", door.URL, n)})
	}
	return promtest.Start(s.t, scrapes...)
}

// What a source of evidence can do.
const (
	answers   = "answers"
	isDown    = "is down"
	throttles = "throttles"
	saysNaN   = "says NaN"
)

// meddler stands between Switchyard and a Prometheus and spoils its answers.
type meddler struct {
	URL   string
	state atomic.Value // one of the above
	asked atomic.Int64 // questions since the state was set
}

func meddle(t *testing.T, prometheus string) *meddler {
	t.Helper()
	behind, err := url.Parse(prometheus)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	m := &meddler{}
	m.set(answers)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		switch m.state.Load() {
		case isDown:
			panic(http.ErrAbortHandler) // the connection breaks off
		case throttles:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		case saysNaN: // the question is another one, its answer Prometheus' own
			r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
			r.URL.RawQuery = "query=" + url.QueryEscape("vector(0)/0")
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.URL = server.URL
	return m
}

func (m *meddler) set(state string) {
	m.state.Store(state)
	m.asked.Store(0)
}
