package spec_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release/spec"
)

func anyChecks(t *rapid.T, text *rapid.Generator[string]) []spec.Check {
	var checks []spec.Check
	for i := range rapid.IntRange(0, 3).Draw(t, "checks") {
		c := spec.Check{Name: fmt.Sprintf("check-%d", i), Interval: duration(t, "interval", 0, time.Minute), Passes: rapid.IntRange(0, 2).Draw(t, "passes"),
			Failures: rapid.IntRange(0, 100).Draw(t, "failures"), Inconclusive: rapid.SampledFrom([]string{"", spec.InconclusiveHold, spec.InconclusiveFail}).Draw(t, "inconclusive")}
		ask(t, &c, text)
		checks = append(checks, c)
	}
	return checks
}

// ask makes the check ask one question of any kind but CloudWatch's, which the local
// platform does not have.
func ask(t *rapid.T, c *spec.Check, text *rapid.Generator[string]) {
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		c.HTTP = &spec.HTTPCheck{Path: "/a?b=c", BodyContains: text.Draw(t, "body"), JSON: texts(t, "json", text), Latency: duration(t, "latency", 0, 10*time.Second)}
	case 1:
		c.TCP = &spec.TCPCheck{Port: rapid.IntRange(0, 65535).Draw(t, "port")}
	case 2:
		c.GRPC = &spec.GRPCCheck{Service: text.Draw(t, "service"), TLS: rapid.Bool().Draw(t, "tls")}
	case 3:
		c.SQL = &spec.SQLCheck{Connection: reference().Draw(t, "connection")}
	case 4:
		c.Prometheus = &spec.PrometheusCheck{URL: "http://prometheus.internal:9090/a?b=c", Query: "up"}
		low, high := spec.Number(rapid.Float64().Draw(t, "min")), spec.Number(rapid.Float64().Draw(t, "max"))
		c.Prometheus.Max = &high
		if low <= high {
			c.Prometheus.Min = &low
		}
	case 5:
		c.Webhook = &spec.WebhookCheck{URL: "https://gate.internal", Metadata: texts(t, "metadata", text)}
	case 6:
		c.Temporal = &spec.TemporalCheck{Activity: "Check", TaskQueue: "tests", Input: texts(t, "input", text)}
	default:
		c.Command = &spec.CommandCheck{Run: []string{"check.sh", text.Draw(t, "argument")}}
	}
}

func percent(t *rapid.T, label string, low, high float64) *spec.Percent {
	p := spec.Percent(rapid.Float64Range(low, high).Draw(t, label))
	return &p
}

func anyTraffic(t *rapid.T, text *rapid.Generator[string]) spec.Traffic {
	switch rapid.IntRange(0, 3).Draw(t, "strategy") {
	case 0:
		return spec.Traffic{}
	case 1:
		warm := duration(t, "warm-up", 0, time.Minute)
		rolling := spec.Rolling{Batch: *percent(t, "batch", 1, 100), Surge: percent(t, "surge", 1, 100), MinHealthy: percent(t, "minHealthy", 50, 100), WarmUp: &warm}
		return spec.Traffic{Strategy: spec.RollingBy, Rolling: &rolling, Analysis: anyAnalysis(t, text)}
	case 2:
		return spec.Traffic{Strategy: spec.RollingBy}
	}
	var steps []spec.CanaryStep
	weights := rapid.SliceOfNDistinct(rapid.IntRange(1, 99), 1, 4, rapid.ID).Draw(t, "weights")
	slices.Sort(weights)
	for _, w := range weights {
		steps = append(steps, spec.CanaryStep{Weight: w, Hold: duration(t, "hold", 100*time.Millisecond, time.Hour)})
	}
	return spec.Traffic{Strategy: spec.CanaryWay, Canary: &spec.Canary{Steps: steps}, Analysis: anyAnalysis(t, text)}
}

func anyAnalysis(t *rapid.T, text *rapid.Generator[string]) *spec.Analysis {
	if rapid.Bool().Draw(t, "no analysis") {
		return nil
	}
	a := spec.Analysis{Checks: anyChecks(t, text), Pass: percent(t, "pass", 50, 100), Marginal: percent(t, "marginal", 0, 50)}
	for i := range rapid.IntRange(0, 3).Draw(t, "comparisons") {
		x := spec.Comparison{Name: fmt.Sprintf("comparison-%d", i), Critical: rapid.Bool().Draw(t, "critical"), Tolerance: percent(t, "tolerance", 0, 100)}
		switch i {
		case 0:
			x.Errors = &spec.ErrorsSource{}
		case 1:
			x.Latency = &spec.LatencySource{Path: "/"}
		default:
			x.Prometheus = &spec.PrometheusSource{URL: "http://prometheus.internal", Query: `errors{fleet="$fleet"}`, Token: reference().Draw(t, "token")}
		}
		a.Compare = append(a.Compare, x)
	}
	return &a
}

func anyRollback(t *rapid.T) spec.Rollback {
	weights := rapid.SliceOfNDistinct(rapid.IntRange(1, 99), 0, 3, rapid.ID).Draw(t, "way back")
	slices.Sort(weights)
	var steps []spec.RollbackStep
	for _, w := range slices.Backward(weights) {
		steps = append(steps, spec.RollbackStep{Weight: w})
	}
	return spec.Rollback{Steps: steps}
}

func anyMigrations(t *rapid.T, text *rapid.Generator[string]) *spec.Migrations {
	if rapid.Bool().Draw(t, "no migrations") {
		return nil
	}
	m := spec.Migrations{Schema: rapid.IntRange(1, 2e9).Draw(t, "schema")}
	if rapid.Bool().Draw(t, "expand") {
		m.Expand = &spec.Migration{Command: &spec.MigrationCommand{Run: []string{"db/expand", text.Draw(t, "argument")}, Secrets: texts(t, "secrets", reference())}}
	}
	if rapid.Bool().Draw(t, "contract") {
		m.Floor = rapid.IntRange(1, m.Schema).Draw(t, "floor")
		m.Contract = &spec.Migration{Temporal: &spec.MigrationTemporal{Workflow: "Contract", TaskQueue: "db", Input: texts(t, "input", text)}}
	}
	return &m
}

func anyDecommission(t *rapid.T) spec.Decommission {
	d := spec.Decommission{Stopped: duration(t, "stopped", 0, time.Hour)}
	switch rapid.IntRange(0, 3).Draw(t, "window") {
	case 0:
		d.Window = &spec.Window{Days: []string{"sat", "sun"}, From: "22:00", To: "05:30", TimeZone: "Europe/Berlin"}
	case 1:
		d.Window = &spec.Window{Cron: "*/30 2-4 * * 1-5", For: duration(t, "for", time.Minute, 7*spec.Day)}
	case 2:
		d.Window = &spec.Window{Measured: &spec.Measured{Length: duration(t, "length", 15*time.Minute, 12*time.Hour), AtMost: *percent(t, "at most", 1, 100)}}
	}
	return d
}
