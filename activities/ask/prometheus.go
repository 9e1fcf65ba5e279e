package ask

import (
	"context"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// askPrometheus asks for one number at Prometheus' own time: the clocks of the worker
// and of Prometheus need not agree.
func (q *questions) askPrometheus(ctx context.Context, check spec.PrometheusCheck) release.Result {
	bound := numberBound(check.Min, check.Max)
	if q.lacks(check.Query) {
		return unknown(bound, noLive)
	}
	query, timeout := q.fill(check.Query), orTen(check.Timeout)
	prom, err := q.prometheus(check.URL, check.Token, timeout)
	if err != nil {
		return unknown(bound, "%v", err)
	}
	value, warnings, err := prom.now(ctx, query)
	r := judgePrometheus(check, value, warnings, err)
	r.Value, r.Link = hide(r.Value, prom.token), graphLink(q.fillURL(check.URL), query)
	return r
}

// judgePrometheus is the verdict on an answer of Prometheus: one finite number is
// compared with the bounds, everything else tells nothing.
func judgePrometheus(check spec.PrometheusCheck, value model.Value, warnings []string, err error) release.Result {
	bound := numberBound(check.Min, check.Max)
	if err != nil {
		return unknown(bound, "%v", err)
	}
	if doubt := doubtful(warnings); doubt != "" {
		return unknown(bound, "Prometheus warns: %s", doubt)
	}
	switch v := value.(type) {
	case *model.Scalar:
		return judgeNumber(float64(v.Value), check.Min, check.Max)
	case model.Vector:
		switch {
		case len(v) == 0:
			return unknown(bound, "the query finds nothing")
		case len(v) > 1:
			return unknown(bound, "the query gives %d values, not one; wrap it in sum() or the like", len(v))
		case v[0].Histogram != nil:
			return unknown(bound, "the query gives a histogram, not one number")
		}
		return judgeNumber(float64(v[0].Value), check.Min, check.Max)
	case nil:
		return unknown(bound, "the answer has no value")
	default:
		return unknown(bound, "the query gives a %s, not one number", v.Type())
	}
}

// doubtful is the first warning that puts the value in doubt, such as a partial answer
// of several servers. Remarks on the style of a query ("PromQL info") do not.
func doubtful(warnings []string) string {
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL info") {
			return w
		}
	}
	return ""
}

// graphLink is where a person sees the query in Prometheus' own page, without any
// credentials that the URL may hold.
func graphLink(base, query string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Path = nil, "", strings.TrimRight(u.Path, "/")
	return u.String() + "/graph?g0.expr=" + url.QueryEscape(query)
}
