package ask

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// The clients keep no connection, as a new one proves more. Fleets are asked directly,
// other people's servers the way the worker's environment says.
var (
	inside  = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}, CheckRedirect: stay}
	outside = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}, CheckRedirect: stay}
)

// stay follows no redirect: the answer itself is what is judged, and a token is for
// nobody but the one it was given for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (a *Asker) client(otherwise *http.Client) *http.Client {
	if a.HTTP == nil {
		return otherwise
	}
	c := *a.HTTP
	c.CheckRedirect = stay
	return &c
}

// askRouter asks the fleet through the router, whatever its share is.
func (q *questions) askRouter(ctx context.Context, check spec.HTTPCheck) release.Result {
	probe, err := q.Platform.Router.Probe(ctx, q.Region, q.Target, q.Fleet)
	if err != nil {
		return unread("a way through the router to "+q.Fleet, err)
	}
	return q.askHTTP(ctx, probe, check)
}

// askListener asks at the region's test listener.
func (q *questions) askListener(ctx context.Context, check spec.HTTPCheck) release.Result {
	if q.TestListener == "" {
		return unknown(httpBound(check), "region %s has no testListener to ask at", q.Region)
	}
	return q.askHTTP(ctx, platform.Probe{URL: q.TestListener}, check)
}

// askHTTP asks once and compares the answer. Not being answered is a failure: users
// would not be answered either.
func (q *questions) askHTTP(ctx context.Context, probe platform.Probe, check spec.HTTPCheck) release.Result {
	check.Send, check.Header, check.JSON = q.fillAll(check.Send), q.fillAll(check.Header), q.fillAll(check.JSON)
	check.BodyContains = q.fill(check.BodyContains)
	bound, timeout := httpBound(check), orTen(check.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := getRequest(ctx, probe, q.fillURL(check.Path), check.Send)
	if err != nil {
		return unknown(bound, "can't be asked: %v", err)
	}
	began := time.Now()
	answer, err := q.client(inside).Do(request)
	if err != nil {
		return silent(bound, err, timeout)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return failed(bound, "the answer broke off: %s", unanswered(err, timeout))
	}
	took := time.Since(began)
	if wrong := judgeHTTP(check, answer, body, took); wrong != "" {
		return failed(bound, "%s", wrong)
	}
	return passed(bound, "%d in %s", answer.StatusCode, took.Round(time.Millisecond))
}

// getRequest is a GET of the path. The probe's headers select the fleet, so they come
// after the ones that are sent along.
func getRequest(ctx context.Context, probe platform.Probe, path string, send map[string]string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(probe.URL, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	for _, headers := range []map[string]string{send, probe.Headers} {
		for name, value := range headers {
			if strings.EqualFold(name, "Host") {
				request.Host = value
			}
			request.Header.Set(name, value)
		}
	}
	return request, nil
}
