package ask

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchyard/switchyard/release/spec"
)

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
