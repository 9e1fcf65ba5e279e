package main

import "github.com/invopop/jsonschema"

// combine adds which fields go together to the definitions, by the names of the Go types.
func combine(definitions map[string]*jsonschema.Schema) {
	for name, fields := range map[string][]string{
		"Image":           {"packer", "existing", "retained"},
		"Check":           {"http", "tcp", "grpc", "sql", "command", "prometheus", "cloudwatch", "webhook", "temporal"},
		"CloudWatchCheck": {"alarm", "metric"},
		"TemporalCheck":   {"workflow", "activity"},
		"Comparison":      {"errors", "latency", "prometheus"},
		"Migration":       {"command", "http", "temporal"},
	} {
		for _, f := range fields {
			definitions[name].OneOf = append(definitions[name].OneOf, with(f))
		}
	}
	definitions["Window"].OneOf = []*jsonschema.Schema{with("from", "to"), with("cron", "for"), with("measured")}
	for _, name := range []string{"PrometheusCheck", "CloudWatchMetric"} {
		definitions[name].AnyOf = []*jsonschema.Schema{with("min"), with("max")}
	}
	definitions["Window"].DependentRequired = map[string][]string{"days": {"from", "to"}}
	definitions["Measured"].DependentRequired = map[string][]string{"after": {"until"}, "until": {"after"}}
	definitions["Migrations"].DependentRequired = map[string][]string{"contract": {"floor"}, "floor": {"contract"}}
}

// with is the schema of everything that has the fields.
func with(fields ...string) *jsonschema.Schema { return &jsonschema.Schema{Required: fields} }
