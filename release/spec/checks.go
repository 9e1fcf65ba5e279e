package spec

// Where an HTTP check sends its request.
const (
	ViaInstance = "instance"
	ViaRouter   = "router"
	ViaListener = "listener"
)

// What an answer means that says nothing about the fleet.
const (
	InconclusiveHold = "hold"
	InconclusiveFail = "fail"
)

// Check is one question about the fleet. Exactly one of the kinds is given: http, tcp,
// grpc, sql, command, prometheus, cloudwatch, webhook and temporal. Texts of a check may
// hold $application, $environment, $version, $release, $region, $fleet (the candidate)
// and $live (the fleet it is compared with).
type Check struct {
	// Name of the check in reports.
	Name string `json:"name" yaml:"name" need:"required" form:"name"`
	// Least time between two times the check is asked. 0s: in every round. In the rounds between, its last answer counts.
	Interval Duration `json:"interval,omitzero" yaml:"interval,omitempty" default:"0s" min:"0s" max:"1h"`
	// Good answers in a row that it takes to pass.
	Passes int `json:"passes,omitempty" yaml:"passes,omitempty" default:"1" min:"1" max:"100"`
	// Bad answers in a row that are put up with before the check fails.
	Failures int `json:"failures,omitempty" yaml:"failures,omitempty" default:"0" min:"0" max:"100"`
	// What an answer counts that tells nothing, such as a source that is down: hold never promotes and calls a person, fail
	// counts it as bad.
	Inconclusive string `json:"inconclusive,omitempty" yaml:"inconclusive,omitempty" default:"hold" enum:"hold,fail"`
	// Ask over HTTP.
	HTTP *HTTPCheck `json:"http,omitempty" yaml:"http,omitempty"`
	// Open a TCP connection to every instance.
	TCP *TCPCheck `json:"tcp,omitempty" yaml:"tcp,omitempty"`
	// Ask every instance over gRPC's health protocol.
	GRPC *GRPCCheck `json:"grpc,omitempty" yaml:"grpc,omitempty"`
	// Run SELECT 1 in a database.
	SQL *SQLCheck `json:"sql,omitempty" yaml:"sql,omitempty"`
	// Run a program where the worker runs; exit code 0 passes.
	Command *CommandCheck `json:"command,omitempty" yaml:"command,omitempty"`
	// Compare the value of a PromQL query with bounds.
	Prometheus *PrometheusCheck `json:"prometheus,omitempty" yaml:"prometheus,omitempty"`
	// Look at an alarm or a metric of CloudWatch; on platform aws only.
	CloudWatch *CloudWatchCheck `json:"cloudwatch,omitempty" yaml:"cloudwatch,omitempty"`
	// Call a webhook; an answer of 2xx passes.
	Webhook *WebhookCheck `json:"webhook,omitempty" yaml:"webhook,omitempty"`
	// Ask a Temporal workflow or activity of your own, on a task queue of your own, in any language.
	Temporal *TemporalCheck `json:"temporal,omitempty" yaml:"temporal,omitempty"`
}

// HTTPCheck asks with GET and compares the answer.
type HTTPCheck struct {
	// Path and query that are asked for.
	Path string `json:"path" yaml:"path" need:"required" form:"urlPath"`
	// Ask every instance by itself, the fleet through the router, or the region's testListener.
	Via string `json:"via,omitempty" yaml:"via,omitempty" default:"instance" enum:"instance,router,listener"`
	// Headers that are sent along.
	Send map[string]string `json:"send,omitempty" yaml:"send,omitempty" keys:"header"`
	// Status the answer must have.
	Status int `json:"status,omitempty" yaml:"status,omitempty" default:"200" min:"100" max:"599"`
	// Headers the answer must have, by name, with their values.
	Header map[string]string `json:"header,omitempty" yaml:"header,omitempty" keys:"header"`
	// Text the body must contain.
	BodyContains string `json:"bodyContains,omitempty" yaml:"bodyContains,omitempty"`
	// Values the JSON body must have, by dot path ("build.version").
	JSON map[string]string `json:"json,omitempty" yaml:"json,omitempty" keys:"dotPath"`
	// Longest time the answer may take. 0s: no bound but the timeout.
	Latency Duration `json:"latency,omitzero" yaml:"latency,omitempty" default:"0s" min:"0s" max:"10m"`
	// Time after which an unanswered request counts as failed.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// TCPCheck opens a connection and closes it.
type TCPCheck struct {
	// Port on the instances. Absent: the one the application serves on.
	Port int `json:"port,omitempty" yaml:"port,omitempty" min:"1" max:"65535"`
	// Time after which an unanswered connection counts as failed.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// GRPCCheck asks grpc.health.v1.Health/Check; SERVING passes.
type GRPCCheck struct {
	// Service that is asked for. Empty: the server as a whole.
	Service string `json:"service,omitempty" yaml:"service,omitempty"`
	// Port on the instances. Absent: the one the application serves on.
	Port int `json:"port,omitempty" yaml:"port,omitempty" min:"1" max:"65535"`
	// Speak TLS, without verifying the name: instances are asked by their addresses.
	TLS bool `json:"tls,omitempty" yaml:"tls,omitempty" default:"false"`
	// Time after which an unanswered question counts as failed.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// SQLCheck asks whether a database answers.
type SQLCheck struct {
	// Kind of the database.
	Driver string `json:"driver,omitempty" yaml:"driver,omitempty" default:"postgres" enum:"postgres"`
	// Reference to the connection string, read where the worker runs.
	Connection string `json:"connection" yaml:"connection" need:"required" form:"reference"`
	// Time after which an unanswered query counts as failed.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// CommandCheck runs a program.
type CommandCheck struct {
	// Program and its arguments. A program with a slash in it starts at the folder of the spec, a bare name is looked up on
	// the worker's PATH.
	Run []string `json:"run" yaml:"run" need:"required" min:"1"`
	// Time after which the program is stopped and counts as failed.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"1h"`
}

// PrometheusCheck asks Prometheus for one number. No number, several, or NaN tell nothing.
type PrometheusCheck struct {
	// Base URL of Prometheus.
	URL string `json:"url" yaml:"url" need:"required" form:"webUrl"`
	// PromQL query that gives one number, such as max(up{fleet="$fleet"}).
	Query string `json:"query" yaml:"query" need:"required" form:"text"`
	// Least value that passes; min or max is needed.
	Min *Number `json:"min,omitempty" yaml:"min,omitempty"`
	// Largest value that passes.
	Max *Number `json:"max,omitempty" yaml:"max,omitempty"`
	// Reference to a bearer token.
	Token string `json:"token,omitempty" yaml:"token,omitempty" form:"reference"`
	// Time after which an unanswered query tells nothing.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// CloudWatchCheck looks at CloudWatch in the region that is checked. Exactly one of alarm and metric is given.
type CloudWatchCheck struct {
	// Name of an alarm: OK passes, ALARM fails, INSUFFICIENT_DATA tells nothing.
	Alarm string `json:"alarm,omitempty" yaml:"alarm,omitempty" form:"text"`
	// Newest complete value of a metric.
	Metric *CloudWatchMetric `json:"metric,omitempty" yaml:"metric,omitempty"`
	// Time after which an unanswered question tells nothing.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"30s" min:"1s" max:"10m"`
}

// CloudWatchMetric is one metric and its bounds.
type CloudWatchMetric struct {
	// Namespace of the metric, such as AWS/ApplicationELB.
	Namespace string `json:"namespace" yaml:"namespace" need:"required" form:"text"`
	// Name of the metric.
	Name string `json:"name" yaml:"name" need:"required" form:"text"`
	// Dimensions of the metric.
	Dimensions map[string]string `json:"dimensions,omitempty" yaml:"dimensions,omitempty"`
	// Statistic, such as Average, Sum, Maximum or p99.
	Statistic string `json:"statistic,omitempty" yaml:"statistic,omitempty" default:"Average" form:"text"`
	// Length of one value, in whole minutes.
	Period Duration `json:"period,omitzero" yaml:"period,omitempty" default:"1m" min:"1m" max:"1h"`
	// Least value that passes; min or max is needed.
	Min *Number `json:"min,omitempty" yaml:"min,omitempty"`
	// Largest value that passes.
	Max *Number `json:"max,omitempty" yaml:"max,omitempty"`
}

// WebhookCheck posts JSON in Flagger's form: name, namespace, phase and metadata.
// 2xx passes, 429, 502, 503 and 504 tell nothing, every other answer fails.
type WebhookCheck struct {
	// URL that is called.
	URL string `json:"url" yaml:"url" need:"required" form:"webUrl"`
	// Reference to a bearer token.
	Token string `json:"token,omitempty" yaml:"token,omitempty" form:"reference"`
	// More for the metadata.
	Metadata map[string]string `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	// Time after which no answer tells nothing.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"30s" min:"100ms" max:"10m"`
}

// TemporalCheck runs a workflow or an activity of your own. Exactly one of the two is
// given. It is called with one argument, an object that says what is checked, and may
// answer nothing, which passes, or {"verdict": "pass", "fail" or "inconclusive",
// "value", "bound", "link"}. A failure of it fails the check; no answer in time, as
// when no worker runs, tells nothing.
type TemporalCheck struct {
	// Type of the workflow.
	Workflow string `json:"workflow,omitempty" yaml:"workflow,omitempty" form:"text"`
	// Type of the activity.
	Activity string `json:"activity,omitempty" yaml:"activity,omitempty" form:"text"`
	// Task queue your worker serves, in the namespace of Switchyard.
	TaskQueue string `json:"taskQueue" yaml:"taskQueue" need:"required" form:"text"`
	// More that is given to it.
	Input map[string]string `json:"input,omitempty" yaml:"input,omitempty"`
	// Time after which no answer tells nothing.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"1m" min:"1s" max:"1h"`
}
