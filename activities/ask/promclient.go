package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/switchyard/switchyard/platform/secretref"
)

// prometheus is a Prometheus that is asked, every query within the timeout.
type prometheus struct {
	api     promv1.API
	token   string
	timeout time.Duration
}

// prometheus is the one at the URL, asked with the token behind the reference, if any.
func (q *questions) prometheus(base, tokenRef string, timeout time.Duration) (*prometheus, error) {
	token, err := optional(tokenRef)
	if err != nil {
		return nil, err
	}
	c := *q.client(outside)
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	c.Transport = &bounded{token: token, next: next}
	made, err := api.NewClient(api.Config{Address: q.fillURL(base), Client: &c})
	if err != nil {
		return nil, errors.New("the URL of Prometheus is none")
	}
	return &prometheus{api: promv1.NewAPI(made), token: token, timeout: timeout}, nil
}

// now is the value of a query at Prometheus' own time.
func (p *prometheus) now(ctx context.Context, query string) (model.Value, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	value, warnings, err := p.api.Query(ctx, query, time.Time{}, promv1.WithTimeout(p.timeout))
	return value, warnings, p.trouble(err)
}

// over is the values of a query from start to end, both included.
func (p *prometheus) over(ctx context.Context, query string, start, end time.Time, step time.Duration) (model.Value, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	span := promv1.Range{Start: start, End: end, Step: step}
	value, warnings, err := p.api.QueryRange(ctx, query, span, promv1.WithTimeout(p.timeout))
	return value, warnings, p.trouble(err)
}

// trouble says why there is no value, without the URL and the token.
func (p *prometheus) trouble(err error) error {
	if err == nil {
		return nil
	}
	text := unanswered(err, p.timeout)
	var told *promv1.Error
	if errors.As(err, &told) {
		text = fmt.Sprintf("Prometheus refuses (%s): %s", told.Type, strings.TrimSpace(told.Msg+" "+told.Detail))
	}
	return errors.New(hide(text, p.token))
}

// optional resolves a reference that need not be given.
func optional(ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	return secretref.Resolve(ref)
}

// maxSeries bounds the bytes of an answer of Prometheus.
const maxSeries = 8 << 20

// bounded adds a bearer token to requests and bounds the answers.
type bounded struct {
	token string
	next  http.RoundTripper
}

func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	if b.token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	answer, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxSeries), answer.Body}
	return answer, nil
}
