package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	maxBody  = 1 << 20 // bytes of an answer's body that are read
	maxValue = 300     // bytes of a seen value that are kept as evidence
)

// defaultHTTP follows no redirect, as the answer itself is what is judged, and
// keeps no connection, as a new one proves more.
var defaultHTTP = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

func (c *Checks) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return defaultHTTP
}

// askHTTP asks once and compares the answer. Not being answered is a failure: users
// would not be answered either.
func (c *Checks) askHTTP(ctx context.Context, probe platform.Probe, check spec.HTTPCheck) release.Result {
	r := release.Result{Bound: httpBound(check), At: time.Now().UTC()}
	timeout := check.Timeout.Std()
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	actx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(actx, http.MethodGet, strings.TrimSuffix(probe.URL, "/")+check.Path, nil)
	if err != nil {
		r.Verdict, r.Value = release.Inconclusive, clip(err.Error(), maxValue)
		return r
	}
	for name, value := range probe.Headers {
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	began := time.Now()
	answer, err := c.client().Do(request)
	if err != nil {
		r.Verdict, r.Value = release.Fail, clip(unanswered(err, timeout), maxValue)
		return r
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		r.Verdict, r.Value = release.Fail, clip("the answer broke off: "+unanswered(err, timeout), maxValue)
		return r
	}
	took := time.Since(began)
	if wrong := judgeHTTP(check, answer, body, took); wrong != "" {
		r.Verdict, r.Value = release.Fail, clip(wrong, maxValue)
		return r
	}
	r.Verdict, r.Value = release.Pass, fmt.Sprintf("%d in %s", answer.StatusCode, took.Round(time.Millisecond))
	return r
}

func unanswered(err error, timeout time.Duration) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	return err.Error()
}

// judgeHTTP says what is wrong with an answer, "" when nothing is.
func judgeHTTP(check spec.HTTPCheck, answer *http.Response, body []byte, took time.Duration) string {
	if want := wantStatus(check); answer.StatusCode != want {
		return fmt.Sprintf("status %d, body %q", answer.StatusCode, clip(string(body), 120))
	}
	for _, name := range slices.Sorted(maps.Keys(check.Header)) {
		want := check.Header[name]
		if got := answer.Header.Values(name); !slices.Contains(got, want) {
			return fmt.Sprintf("header %s is %q", name, strings.Join(got, ", "))
		}
	}
	if check.BodyContains != "" && !strings.Contains(string(body), check.BodyContains) {
		return fmt.Sprintf("body %q", clip(string(body), 120))
	}
	if wrong := judgeJSON(check.JSON, body); wrong != "" {
		return wrong
	}
	if limit := check.Latency.Std(); limit > 0 && took > limit {
		return fmt.Sprintf("answered in %s", took.Round(time.Millisecond))
	}
	return ""
}

func judgeJSON(want map[string]string, body []byte) string {
	if len(want) == 0 {
		return ""
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber() // so that a number reads as it was written
	var document any
	if err := decoder.Decode(&document); err != nil {
		return fmt.Sprintf("the body is not JSON: %q", clip(string(body), 120))
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		got, ok := lookUp(document, path)
		if !ok {
			return fmt.Sprintf("the JSON body has no %s", path)
		}
		if got != want[path] {
			return fmt.Sprintf("%s is %q", path, clip(got, 120))
		}
	}
	return ""
}

// lookUp reads the value at a dot path; parts of lists are their numbers from 0.
func lookUp(document any, path string) (string, bool) {
	node := document
	for _, part := range strings.Split(path, ".") {
		switch n := node.(type) {
		case map[string]any:
			next, ok := n[part]
			if !ok {
				return "", false
			}
			node = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(n) {
				return "", false
			}
			node = n[i]
		default:
			return "", false
		}
	}
	if text, ok := node.(string); ok {
		return text, true
	}
	data, err := json.Marshal(node)
	return string(data), err == nil
}

func httpBound(check spec.HTTPCheck) string {
	parts := []string{fmt.Sprintf("status %d", wantStatus(check))}
	for _, name := range slices.Sorted(maps.Keys(check.Header)) {
		parts = append(parts, fmt.Sprintf("header %s %q", name, check.Header[name]))
	}
	if check.BodyContains != "" {
		parts = append(parts, fmt.Sprintf("body with %q", check.BodyContains))
	}
	for _, path := range slices.Sorted(maps.Keys(check.JSON)) {
		parts = append(parts, fmt.Sprintf("%s %q", path, check.JSON[path]))
	}
	if check.Latency > 0 {
		parts = append(parts, fmt.Sprintf("within %s", check.Latency))
	}
	return strings.Join(parts, ", ")
}

func wantStatus(check spec.HTTPCheck) int {
	if check.Status == 0 {
		return http.StatusOK
	}
	return check.Status
}

// clip keeps a text short enough for a history.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
