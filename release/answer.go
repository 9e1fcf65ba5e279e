package release

import "time"

// Asked is what a check or a migration of the user's own is told: the one argument of
// its Temporal workflow or activity. It is additive only.
type Asked struct {
	Application string            `json:"application"`
	Environment string            `json:"environment"`
	Version     string            `json:"version"`
	Release     string            `json:"release"`
	Region      string            `json:"region,omitempty"`
	Fleet       string            `json:"fleet,omitempty"` // that is judged
	Live        string            `json:"live,omitempty"`  // that it is compared with
	Stage       string            `json:"stage"`           // verification, analysis, soak, expand or contract
	Check       string            `json:"check,omitempty"`
	Key         string            `json:"key,omitempty"`       // idempotency key of a migration
	Schema      int               `json:"schema,omitempty"`    // of a migration: the version it is about
	Entry       string            `json:"entry,omitempty"`     // where users reach the target
	Addresses   []string          `json:"addresses,omitempty"` // of the fleet's instances in service, at most 100
	Input       map[string]string `json:"input,omitempty"`     // what the spec gives along
}

// The stages in which checks are asked.
const (
	StageVerification = "verification"
	StageAnalysis     = "analysis"
	StageSoak         = "soak"
)

// Answer is what a check of the user's own answers. No verdict is a pass.
type Answer struct {
	Verdict Verdict `json:"verdict,omitempty"`
	Value   string  `json:"value,omitempty"`
	Bound   string  `json:"bound,omitempty"`
	Link    string  `json:"link,omitempty"`
}

// RunActivityInput asks Switchyard's wrapper workflow to run an activity of the user's own.
type RunActivityInput struct {
	Activity  string        `json:"activity"`
	TaskQueue string        `json:"taskQueue"`
	Timeout   time.Duration `json:"timeout"`
	Asked     Asked         `json:"asked"`
}

// Load is the requests of a target in the time that began At, as the router counted them.
type Load struct {
	At       time.Time `json:"at"`
	Requests float64   `json:"requests"`
}
