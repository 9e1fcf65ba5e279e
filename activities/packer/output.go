package packer

import (
	"sort"
	"strings"
)

// Packer's errors are passed on to people; this much of them is kept, from the end.
const (
	maxErrorLines = 40
	maxErrorBytes = 4096
)

// output reads Packer's machine-readable lines: "time,target,type,data…". Everything
// it keeps or passes on is scrubbed.
type output struct {
	scrub     func(string) string
	progress  func(Progress)
	artifacts map[string]string // build → id of its first artifact
	failed    []string          // lines of error, in order
	counted   bool              // Packer printed how many builds failed
	crashed   bool

	interrupted bool // Packer got a signal to stop
}

func newOutput(secrets map[string]string, progress func(Progress)) *output {
	if progress == nil {
		progress = func(Progress) {}
	}
	return &output{scrub: scrubber(secrets), progress: progress, artifacts: map[string]string{}}
}

var unescape = strings.NewReplacer("%!(PACKER_COMMA)", ",", `\n`, "\n", `\r`, "\r")

// line takes one line without its end and returns it as it goes into the log.
func (o *output) line(raw string) string {
	fields := strings.Split(raw, ",")
	if len(fields) < 3 || !isNumber(fields[0]) {
		text := o.scrub(unescape.Replace(raw))
		if strings.Contains(text, "PACKER CRASH") {
			o.crashed = true
		}
		return text
	}
	for i := range fields {
		fields[i] = o.scrub(unescape.Replace(fields[i]))
	}
	o.record(fields[1], fields[2], fields[3:])
	return strings.Join(fields, ",")
}

func (o *output) record(target, kind string, data []string) {
	switch {
	case kind == "ui" && len(data) >= 2:
		text := strings.TrimRight(strings.Join(data[1:], ","), "\r\n")
		if data[0] == "error" {
			o.interrupted = o.interrupted || strings.HasPrefix(text, "Cancelling build after receiving")
			o.fail(text)
		}
		o.progress(Progress{Stage: "packer", Build: target, Detail: text})
	case kind == "switchyard-progress" && len(data) >= 2:
		o.progress(Progress{Stage: data[0], Build: target, Detail: strings.Join(data[1:], ",")})
	case kind == "error-count":
		o.counted = true
	case kind == "error" && len(data) >= 1:
		o.fail(strings.Join(data, ","))
	case kind == "artifact" && len(data) >= 3 && data[0] == "0" && data[1] == "id":
		o.artifacts[target] = strings.Join(data[2:], ",")
	}
}

// fail keeps an error's text once: Packer says most of them two or three times.
func (o *output) fail(text string) {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "==>"))
	if text == "" || strings.HasPrefix(text, "Some builds didn't complete successfully") {
		return
	}
	for _, known := range o.failed {
		if strings.Contains(known, text) {
			return
		}
	}
	o.failed = append(o.failed, text)
	if len(o.failed) > maxErrorLines {
		o.failed = o.failed[len(o.failed)-maxErrorLines:]
	}
}

// errorText is what Packer said about the failure.
func (o *output) errorText() string {
	text := strings.Join(o.failed, "\n")
	if len(text) > maxErrorBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxErrorBytes:], "")
	}
	return text
}

func (o *output) builds() string {
	var names []string
	for b := range o.artifacts {
		names = append(names, b)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

func isNumber(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
