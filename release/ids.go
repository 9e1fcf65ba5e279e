package release

// EnvironmentWorkflowID is the id of the one environment actor of a target.
func EnvironmentWorkflowID(t Target) string {
	return "environment/" + t.Application + "/" + t.Environment
}

// ReleaseWorkflowID is the id of a release's workflow.
func ReleaseWorkflowID(t Target, id string) string {
	return "release/" + t.Application + "/" + t.Environment + "/" + id
}

// MigrationKey is the idempotency key of one half of a release's migration: the same at
// every attempt. Where the half is a Temporal workflow it is its id.
func MigrationKey(t Target, id, half string) string {
	return "migration/" + t.Application + "/" + t.Environment + "/" + id + "/" + half
}

// Names under which workflows, queries and messages stand in histories and in the
// Temporal UI. Orders are signals and updates under the names of their kinds.
const (
	WorkflowRelease     = "Release"
	WorkflowEnvironment = "Environment"
	WorkflowRunActivity = "RunActivity" // runs an activity of the user's own for a check

	QueryState       = "state"       // Release: answers State
	QueryEnvironment = "environment" // Environment: answers Environment

	UpdateAdmit  = "admit"    // Environment: AdmitRequest → Admission
	UpdateReport = "report"   // Environment: Report
	UpdateFreeze = "freeze"   // Environment, signal and update: Freeze
	UpdateThaw   = "unfreeze" // Environment, signal and update: ThawRequest

	SignalAdmitted = "admitted" // Release: the target is yours now (from the environment)
	SignalFreezes  = "freezes"  // Release: the freezes of the target, []Freeze (from the environment)
)

// AdmitRequest is the body of the admit update.
type AdmitRequest struct {
	Holder Holder `json:"holder"`
	Policy string `json:"policy"`
}

// ReportRequest is the body of the report update.
type ReportRequest struct {
	ID      string     `json:"id"`
	Version string     `json:"version"`
	Outcome string     `json:"outcome,omitempty"`
	Regions []LivePair `json:"regions,omitempty"`
	Schema  Schema     `json:"schema,omitzero"`
}

// ThawRequest ends a freeze.
type ThawRequest struct {
	Name string `json:"name"`
	By   string `json:"by"`
}

// OrderAnswer is what an order's update answers.
type OrderAnswer struct {
	Effect string `json:"effect"` // what the order did, in words
	Phase  Phase  `json:"phase"`
}

// EnvironmentInput starts, or continues, an environment actor.
type EnvironmentInput struct {
	State Environment `json:"state"`
}

// ReleaseInput starts a release (State nil) or continues one.
type ReleaseInput struct {
	Request Request `json:"request"`
	State   *State  `json:"state,omitempty"`
}

// TaskQueue is the default task queue of Switchyard's workers; BakeQueue, for the
// few heavy bakes at a time, is TaskQueue + BakeQueueSuffix.
const (
	TaskQueue       = "switchyard"
	BakeQueueSuffix = "-bake"
)

// Names of the search attributes that releases carry. All are keywords; Region is a keyword list.
const (
	AttributeApplication = "Application"
	AttributeEnvironment = "Environment"
	AttributeVersion     = "Version"
	AttributePhase       = "Phase"
	AttributeRegion      = "Region"
)
