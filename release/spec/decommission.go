package spec

// Decommission is when and how the previous fleet is taken away. It is done in steps:
// no traffic is proven, the fleet leaves the route, its instances are stopped, it is
// held, and only then is it deleted. Until then a rollback puts it back.
type Decommission struct {
	// Take it away only in this window. Absent: at any time.
	Window *Window `json:"window,omitempty" yaml:"window,omitempty"`
	// How long the previous fleet stays after the soak, before the window is looked at.
	Hold Duration `json:"hold,omitzero" yaml:"hold,omitempty" default:"0s" min:"0s" max:"30d"`
	// Time without a single request that proves that a fleet gets none.
	Quiet Duration `json:"quiet,omitzero" yaml:"quiet,omitempty" default:"10s" min:"100ms" max:"1h"`
	// How long the fleet stays with its instances stopped before it is deleted; a rollback starts them again.
	Stopped Duration `json:"stopped,omitzero" yaml:"stopped,omitempty" default:"0s" min:"0s" max:"30d"`
	// What happens to a previous fleet that Switchyard did not make.
	Adopted string `json:"adopted,omitempty" yaml:"adopted,omitempty" default:"keep" enum:"keep,remove"`
}

// Window is a time of low traffic. It is given in one of three ways: from and to on days
// of the week, cron with for, or measured.
type Window struct {
	// Days on which the window opens, given with from and to. Absent: every day.
	Days []string `json:"days,omitempty" yaml:"days,omitempty" enum:"mon,tue,wed,thu,fri,sat,sun"`
	// When it opens, on a 24-hour clock; given with to.
	From string `json:"from,omitempty" yaml:"from,omitempty" form:"clock"`
	// When it closes, given with from; earlier than from means on the next day.
	To string `json:"to,omitempty" yaml:"to,omitempty" form:"clock"`
	// When it opens, as the five fields of cron: minute, hour, day of month, month, day of week; given with for.
	Cron string `json:"cron,omitempty" yaml:"cron,omitempty" form:"cron"`
	// How long it stays open; given with cron.
	For Duration `json:"for,omitzero" yaml:"for,omitempty" min:"1m" max:"7d"`
	// Find it: the lowest stretch of the request curve of the last days.
	Measured *Measured `json:"measured,omitempty" yaml:"measured,omitempty"`
	// Time zone of all times of day in the window, an IANA name.
	TimeZone string `json:"timeZone,omitempty" yaml:"timeZone,omitempty" default:"UTC" form:"timeZone"`
}

// Measured finds the window in the router's counts.
type Measured struct {
	// Days that are looked back on. At least one whole day has to be known.
	Days int `json:"days,omitempty" yaml:"days,omitempty" default:"7" min:"1" max:"14"`
	// Length of the window.
	Length Duration `json:"length,omitzero" yaml:"length,omitempty" default:"2h" min:"15m" max:"12h"`
	// Earliest time of day at which it may open, given with until. Both absent: any.
	After string `json:"after,omitempty" yaml:"after,omitempty" form:"clock"`
	// Latest time of day at which it may close, given with after; earlier than after means on the next day.
	Until string `json:"until,omitempty" yaml:"until,omitempty" form:"clock"`
	// Largest traffic the window may have, as a share of the mean. Without a stretch as low as that a person is called.
	AtMost Percent `json:"atMost,omitempty" yaml:"atMost,omitempty" default:"80%" min:"1%" max:"100%"`
}

// Migrations are the two halves of a change of the database. expand runs before
// fleets are made and has to leave the schema good for the builds before and after;
// contract runs after the previous fleet is gone and takes away what only older builds need.
type Migrations struct {
	// Version of the schema that this build needs, a number that only grows. expand brings the
	// database to it.
	Schema int `json:"schema" yaml:"schema" need:"required" min:"1" max:"2000000000"`
	// What contract leaves: builds that need an older schema than this do not run any more, and are refused from then on.
	// Given with contract and only with it.
	Floor int `json:"floor,omitempty" yaml:"floor,omitempty" min:"1" max:"2000000000"`
	// Adds what the new build needs.
	Expand *Migration `json:"expand,omitempty" yaml:"expand,omitempty"`
	// Takes away what only older builds need.
	Contract *Migration `json:"contract,omitempty" yaml:"contract,omitempty"`
}

// Migration is one half. Exactly one of command, http and temporal is given. It may run
// more than once, each time with the same idempotency key, and has to end in the same state.
type Migration struct {
	// Run a program where the worker runs; exit code 0 is success. The key is in SWITCHYARD_IDEMPOTENCY_KEY.
	Command *MigrationCommand `json:"command,omitempty" yaml:"command,omitempty"`
	// Call an HTTP service; 2xx is success. The key is in the header Idempotency-Key.
	HTTP *MigrationHTTP `json:"http,omitempty" yaml:"http,omitempty"`
	// Run a Temporal workflow of your own. The key is its workflow id.
	Temporal *MigrationTemporal `json:"temporal,omitempty" yaml:"temporal,omitempty"`
	// Longest time it may take.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"30m" min:"1s" max:"24h"`
}

// MigrationCommand runs a program.
type MigrationCommand struct {
	// Program and its arguments. A program with a slash in it starts at the folder of the spec, a bare name is looked up on
	// the worker's PATH.
	Run []string `json:"run" yaml:"run" need:"required" min:"1"`
	// Environment variables that are given to it.
	Environment map[string]string `json:"environment,omitempty" yaml:"environment,omitempty" keys:"variable"`
	// Secret environment variables, each a reference that is resolved where the worker runs.
	Secrets map[string]string `json:"secrets,omitempty" yaml:"secrets,omitempty" keys:"variable" form:"reference"`
}

// MigrationHTTP posts JSON that says what is asked: key, target, version, half and schema.
type MigrationHTTP struct {
	// URL that is called.
	URL string `json:"url" yaml:"url" need:"required" form:"webUrl"`
	// Reference to a bearer token.
	Token string `json:"token,omitempty" yaml:"token,omitempty" form:"reference"`
}

// MigrationTemporal runs a workflow.
type MigrationTemporal struct {
	// Type of the workflow.
	Workflow string `json:"workflow" yaml:"workflow" need:"required" form:"text"`
	// Task queue your worker serves, in the namespace of Switchyard.
	TaskQueue string `json:"taskQueue" yaml:"taskQueue" need:"required" form:"text"`
	// More that is given to it.
	Input map[string]string `json:"input,omitempty" yaml:"input,omitempty"`
}
