package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are served at /metrics in Prometheus' text form. Every one carries the fleet
// and the version, so that a query can tell the candidate from the live fleet:
//
//	sum(rate(checkout_requests_total{fleet="$fleet",code=~"5.."}[1m]))
//	max(process_resident_memory_bytes{fleet="$fleet"})
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	handler  http.Handler
}

func newMetrics(b build) *metrics {
	registry := prometheus.NewRegistry()
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "checkout_requests_total", Help: "Answered baskets.",
		}, []string{"code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "checkout_request_duration_seconds", Help: "Time that baskets took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, nil),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
	}
	prometheus.WrapRegistererWith(prometheus.Labels{"fleet": b.fleet, "version": b.Version}, registry).
		MustRegister(m.requests, m.duration, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// measure counts and times what a handler answers.
func (m *metrics) measure(next http.HandlerFunc) http.Handler {
	return promhttp.InstrumentHandlerDuration(m.duration, promhttp.InstrumentHandlerCounter(m.requests, next))
}
