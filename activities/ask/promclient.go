package ask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/switchyard/switchyard/platform/secretref"
)

// prometheus is a Prometheus that is asked over its HTTP API, every query within the timeout.
type prometheus struct {
	client  *http.Client
	base    string
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
	return &prometheus{client: &c, base: strings.TrimRight(q.fillURL(base), "/"), token: token, timeout: timeout}, nil
}

// now is the value of a query at Prometheus' own time.
func (p *prometheus) now(ctx context.Context, query string) (model.Value, []string, error) {
	return p.ask(ctx, "query", url.Values{"query": {query}})
}

// over is the values of a query from start to end, both included.
func (p *prometheus) over(ctx context.Context, query string, start, end time.Time, step time.Duration) (model.Value, []string, error) {
	at := func(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }
	return p.ask(ctx, "query_range", url.Values{
		"query": {query}, "start": {at(start)}, "end": {at(end)}, "step": {fmt.Sprintf("%.3f", step.Seconds())},
	})
}

func (p *prometheus) ask(ctx context.Context, endpoint string, args url.Values) (model.Value, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/api/v1/"+endpoint, strings.NewReader(args.Encode()))
	if err != nil {
		return nil, nil, errors.New("the URL of Prometheus is none")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, nil, errors.New(hide(unanswered(err, p.timeout), p.token))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, nil, errors.New(hide(unanswered(err, p.timeout), p.token))
	}
	var told struct {
		Status, ErrorType, Error string
		Warnings                 []string
		Data                     struct {
			ResultType model.ValueType
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &told); err != nil || answer.StatusCode/100 != 2 || told.Status != "success" {
		return nil, nil, fmt.Errorf("Prometheus refuses (%d): %s %s", answer.StatusCode, told.ErrorType, hide(told.Error, p.token)) //nolint:staticcheck // a name
	}
	var value model.Value
	switch told.Data.ResultType {
	case model.ValScalar:
		value = &model.Scalar{}
		err = json.Unmarshal(told.Data.Result, value)
	case model.ValVector:
		var v model.Vector
		err = json.Unmarshal(told.Data.Result, &v)
		value = v
	case model.ValMatrix:
		var m model.Matrix
		err = json.Unmarshal(told.Data.Result, &m)
		value = m
	default:
		err = fmt.Errorf("the query gives a %s", told.Data.ResultType)
	}
	return value, told.Warnings, err
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
