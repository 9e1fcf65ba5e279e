package activities

import (
	"strings"

	"github.com/switchyard/switchyard/release"
)

// maxValue is how many bytes of a seen value are kept as evidence.
const maxValue = 300

// clip keeps a text short enough for a history.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// evidence is the results that are not good as text, all of them when all are.
func evidence(results []release.Result) string {
	var lines []string
	for _, r := range results {
		if r.Verdict != release.Pass {
			lines = append(lines, r.String())
		}
	}
	if len(lines) == 0 {
		for _, r := range results {
			lines = append(lines, r.String())
		}
	}
	return strings.Join(lines, "; ")
}
