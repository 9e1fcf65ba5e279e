package spec

// The ways of moving traffic.
const (
	BlueGreen = "blue-green"
	CanaryWay = "canary"
	RollingBy = "rolling"
)

// Traffic is how traffic moves to the candidate.
type Traffic struct {
	// The way of moving: blue-green moves all of it in one step, canary in growing shares that are judged one by one,
	// rolling replaces instances batch by batch.
	Strategy string `json:"strategy,omitempty" yaml:"strategy,omitempty" default:"blue-green" enum:"blue-green,canary,rolling"`
	// The steps of a canary; given with strategy canary and only with it.
	Canary *Canary `json:"canary,omitempty" yaml:"canary,omitempty"`
	// The batches; given with strategy rolling, absent means its defaults.
	Rolling *Rolling `json:"rolling,omitempty" yaml:"rolling,omitempty"`
	// How the candidate is judged while both fleets have traffic; given with strategy canary or rolling only. Absent: by the
	// checks of verification and the error rate.
	Analysis *Analysis `json:"analysis,omitempty" yaml:"analysis,omitempty"`
	// Time given to open connections of a fleet that lost its traffic.
	Drain *Duration `json:"drain,omitempty" yaml:"drain,omitempty" default:"30s" min:"0s" max:"24h"`
	// Close watch right after the switch, before the next wave and the soak.
	Watch *Duration `json:"watch,omitempty" yaml:"watch,omitempty" default:"1m" min:"0s" max:"24h"`
}

// Canary moves traffic in steps. Each step first brings the candidate to the capacity of
// its share, then moves the share, holds, and goes on only when the analysis passes.
// All of the traffic follows after the last step.
type Canary struct {
	// The steps; each has a larger weight than the one before.
	Steps []CanaryStep `json:"steps" yaml:"steps" need:"required" min:"1" max:"32"`
}

// CanaryStep is one share of traffic and how long it is held at the least.
type CanaryStep struct {
	// Percent of the traffic.
	Weight int `json:"weight" yaml:"weight" need:"required" min:"1" max:"99"`
	// Time the share is held at the least, while the candidate is judged.
	Hold Duration `json:"hold,omitzero" yaml:"hold,omitempty" default:"10m" min:"100ms" max:"7d"`
}

// Rolling replaces the live fleet batch by batch: the candidate grows, is given its
// share, and the live fleet shrinks. Shares follow the capacity of both.
type Rolling struct {
	// Share of the instances that is replaced at once, one instance at the least.
	Batch Percent `json:"batch,omitempty" yaml:"batch,omitempty" default:"25%" min:"1%" max:"100%"`
	// Instances of both fleets together beyond what the load needs, as a share of it and rounded up: one at the least,
	// because a batch is proven before the live fleet shrinks.
	Surge *Percent `json:"surge,omitempty" yaml:"surge,omitempty" default:"25%" min:"1%" max:"100%"`
	// Instances of both fleets in service at any time at the least, as a share of what the load needs and rounded up.
	MinHealthy *Percent `json:"minHealthy,omitempty" yaml:"minHealthy,omitempty" default:"100%" min:"50%" max:"100%"`
	// Time each batch is watched with its share before the next one, at the least.
	WarmUp *Duration `json:"warmUp,omitempty" yaml:"warmUp,omitempty" default:"30s" min:"0s" max:"24h"`
	// Instances of the previous fleet that stay for the way back, no more than the smallest region has. A rollback grows it
	// to the load first.
	Keep int `json:"keep,omitempty" yaml:"keep,omitempty" default:"1" min:"1" max:"1000"`
}

// Analysis judges the candidate while it has a share, against bounds and against the live fleet.
type Analysis struct {
	// Time between two looks.
	Interval Duration `json:"interval,omitzero" yaml:"interval,omitempty" default:"30s" min:"100ms" max:"1h"`
	// Checks of the candidate; names are unique. Absent: those of verification.
	Checks []Check `json:"checks,omitempty" yaml:"checks,omitempty" max:"64"`
	// Comparisons of the candidate with the live fleet over the same time.
	Compare []Comparison `json:"compare,omitempty" yaml:"compare,omitempty" max:"32"`
	// Share of the comparisons, by weight, that has to be as good as the live fleet to pass.
	Pass *Percent `json:"pass,omitempty" yaml:"pass,omitempty" default:"95%" min:"0%" max:"100%"`
	// Below this share the analysis fails. From here to pass it is inconclusive.
	Marginal *Percent `json:"marginal,omitempty" yaml:"marginal,omitempty" default:"75%" min:"0%" max:"100%"`
}

// Which values of a comparison are worse.
const (
	WorseHigher = "higher"
	WorseLower  = "lower"
)

// Comparison takes samples of both fleets over the same time and asks, by a Mann-Whitney
// U test, whether the candidate's are worse. Exactly one of errors, latency and
// prometheus is given.
type Comparison struct {
	// Name of the comparison in reports.
	Name string `json:"name" yaml:"name" need:"required" form:"name"`
	// A worse candidate fails the whole analysis, whatever the other comparisons say.
	Critical bool `json:"critical,omitempty" yaml:"critical,omitempty" default:"false"`
	// How much the comparison counts.
	Weight int `json:"weight,omitempty" yaml:"weight,omitempty" default:"1" min:"1" max:"100"`
	// Which values are worse; of errors and latency always the higher ones.
	Worse string `json:"worse,omitempty" yaml:"worse,omitempty" default:"higher" enum:"higher,lower"`
	// How much worse than the live fleet's the candidate's values may be.
	Tolerance *Percent `json:"tolerance,omitempty" yaml:"tolerance,omitempty" default:"10%" min:"0%" max:"100%"`
	// How sure the test has to be that the candidate is worse.
	Confidence Percent `json:"confidence,omitempty" yaml:"confidence,omitempty" default:"98%" min:"80%" max:"99.9%"`
	// Samples of each fleet below which the comparison tells nothing.
	MinSamples int `json:"minSamples,omitempty" yaml:"minSamples,omitempty" default:"20" min:"5" max:"500"`
	// Share of failed requests between two looks, as the router counts them.
	Errors *ErrorsSource `json:"errors,omitempty" yaml:"errors,omitempty"`
	// Time that requests take which the worker sends to both fleets through the router.
	Latency *LatencySource `json:"latency,omitempty" yaml:"latency,omitempty"`
	// Values of a PromQL query, asked once per fleet; $fleet is the one that is asked about.
	Prometheus *PrometheusSource `json:"prometheus,omitempty" yaml:"prometheus,omitempty"`
}

// ErrorsSource takes the share of failed requests between two looks.
type ErrorsSource struct {
	// Requests of each fleet between two looks below which they give no sample and add up.
	MinRequests int `json:"minRequests,omitempty" yaml:"minRequests,omitempty" default:"20" min:"1" max:"1000000"`
}

// LatencySource measures requests of its own.
type LatencySource struct {
	// Path and query that are asked for.
	Path string `json:"path" yaml:"path" need:"required" form:"urlPath"`
	// Requests per fleet and look.
	Requests int `json:"requests,omitempty" yaml:"requests,omitempty" default:"5" min:"1" max:"50"`
	// Time after which an unanswered request counts as having taken that long.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"5s" min:"100ms" max:"1m"`
}

// PrometheusSource takes the values of a range query.
type PrometheusSource struct {
	// Base URL of Prometheus.
	URL string `json:"url" yaml:"url" need:"required" form:"webUrl"`
	// PromQL query with $fleet in it that gives one series. The fleets have different shares of the traffic, so values have
	// to be comparable: a share of the requests or a mean, not a sum.
	Query string `json:"query" yaml:"query" need:"required" form:"text"`
	// Time between two values.
	Step Duration `json:"step,omitzero" yaml:"step,omitempty" default:"15s" min:"1s" max:"10m"`
	// Reference to a bearer token.
	Token string `json:"token,omitempty" yaml:"token,omitempty" form:"reference"`
	// Time after which an unanswered query tells nothing.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"10s" min:"100ms" max:"10m"`
}

// Soak is the time both fleets stay up after the switch while the candidate is watched.
type Soak struct {
	// How long the candidate is watched with the previous fleet still up. 0s: no soak.
	Duration *Duration `json:"duration,omitempty" yaml:"duration,omitempty" default:"24h" min:"0s" max:"30d"`
	// Time between two looks at the candidate.
	Interval Duration `json:"interval,omitzero" yaml:"interval,omitempty" default:"1m" min:"100ms" max:"1h"`
	// Checks asked from the switch on, in the watch after it and in the soak; names are unique. Absent: those of verification.
	Checks []Check `json:"checks,omitempty" yaml:"checks,omitempty" max:"64"`
	// Time between two full proofs that a rollback would work: image, launch template, quota, route and schema. The
	// previous fleet's instances are counted in every look.
	Readiness Duration `json:"readiness,omitzero" yaml:"readiness,omitempty" default:"5m" min:"100ms" max:"24h"`
	// How long checks may fail before the release rolls back. 0s: at the first failure.
	Breach *Duration `json:"breach,omitempty" yaml:"breach,omitempty" default:"3m" min:"0s" max:"24h"`
	// Share of requests that may fail in an interval.
	MaxErrorRate *Percent `json:"maxErrorRate,omitempty" yaml:"maxErrorRate,omitempty" default:"1%" min:"0%" max:"100%"`
	// Below this many requests in an interval the error rate proves nothing.
	MinRequests *int `json:"minRequests,omitempty" yaml:"minRequests,omitempty" default:"20" min:"0" max:"1000000000"`
}

// Rollback is how traffic goes back. What happens to the candidate afterwards is retention.candidate.
type Rollback struct {
	// The candidate's shares on the way back, each smaller than the one before. Absent: all of the traffic goes back in one step.
	Steps []RollbackStep `json:"steps,omitempty" yaml:"steps,omitempty" max:"16"`
	// How long traffic waits for the previous fleet to be grown to today's load. After that it goes to what there is.
	Within Duration `json:"within,omitzero" yaml:"within,omitempty" default:"2m" min:"1s" max:"24h"`
}

// RollbackStep is one share of the candidate on the way back and how long it is held.
type RollbackStep struct {
	// Percent of the traffic that stays with the candidate.
	Weight int `json:"weight" yaml:"weight" need:"required" min:"1" max:"99"`
	// Time until the next step.
	Hold Duration `json:"hold,omitzero" yaml:"hold,omitempty" default:"30s" min:"100ms" max:"24h"`
}

// What becomes of a release that nobody looks after, once traffic has moved.
const (
	DeadManKeep     = "keep"
	DeadManRollback = "rollback"
)

// DeadMan ends a release that waits for a person when no order has come for a while.
// Before the switch it is aborted; with the traffic split it is rolled back.
type DeadMan struct {
	// Time without an order after which the release ends.
	After Duration `json:"after,omitzero" yaml:"after,omitempty" default:"72h" min:"1s" max:"90d"`
	// How it ends once the candidate has all of the traffic: keep ends it as completed with the previous fleet left for a
	// person, rollback goes back.
	Then string `json:"then,omitempty" yaml:"then,omitempty" default:"keep" enum:"keep,rollback"`
}

// Rights names who may give certain orders. An empty list means anyone.
type Rights struct {
	// Who may end the soak early.
	FinishSoak []string `json:"finishSoak,omitempty" yaml:"finishSoak,omitempty" max:"100" form:"text"`
	// Who may override a freeze, a window, a lost readiness or an analysis without a verdict.
	Override []string `json:"override,omitempty" yaml:"override,omitempty" max:"100" form:"text"`
}
