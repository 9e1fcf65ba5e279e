// Package activities acts on the world for the workflows: one small struct per
// capability, its dependencies injected. Every activity is idempotent, keyed by
// release, region and step, and safe after an answer that was lost. Errors cross
// to the workflow through acterr only, so that their kind survives.
package activities

import (
	"time"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// Place is where an activity acts: one target in one region of a platform, for one release.
type Place struct {
	Platform string         `json:"platform"`
	Region   string         `json:"region,omitempty"`
	Target   release.Target `json:"target"`
	Release  string         `json:"release"`
	Settings spec.Settings  `json:"settings,omitzero"` // what the platform has to know of the spec
}

// bakeTag marks what the bake of this release makes until it is accepted. An id
// alone would not do: other targets may have a release with the same one, and a
// sweep ends the bake whose tag it is given.
func (p Place) bakeTag() string { return p.Target.String() + "/" + p.Release }

// AdmitInput asks the environment for the target.
type AdmitInput struct {
	Target release.Target `json:"target"`
	Holder release.Holder `json:"holder"`
	Policy string         `json:"policy"`
}

// ReportInput tells the environment what is live; an outcome gives the target back.
type ReportInput struct {
	Target  release.Target     `json:"target"`
	Release string             `json:"release"`
	Version string             `json:"version"`
	Outcome string             `json:"outcome,omitempty"`
	Regions []release.LivePair `json:"regions,omitempty"`
	Schema  release.Schema     `json:"schema,omitzero"` // what the release knows of the database
}

// HolderInput asks whether a release still runs.
type HolderInput struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"` // first run of the chain; "" means any run
}

// PlanInput asks for the plan of a release.
type PlanInput struct {
	Request release.Request `json:"request"`
	Schema  release.Schema  `json:"schema,omitzero"` // of the target's database, as the environment knows it
}

// BakeInput asks for the image of a release.
type BakeInput struct {
	Place   Place             `json:"place"`
	Spec    spec.Spec         `json:"spec"`
	Plan    release.PlanImage `json:"plan"`
	Regions []string          `json:"regions"`
}

// ScanInput asks whether an image may be released: no secrets in it, provenance proven where asked for.
type ScanInput struct {
	Place Place      `json:"place"`
	Image string     `json:"image"`
	Spec  spec.Image `json:"spec"`
}

// SweepInput names the bake whose left-overs go.
type SweepInput struct {
	Place Place `json:"place"`
}

// RetireImagesInput says how many images of the application stay.
type RetireImagesInput struct {
	Place   Place    `json:"place"`
	Regions []string `json:"regions"`
	Keep    int      `json:"keep"`
	Never   []string `json:"never,omitempty"` // refs that stay whatever their age
}

// ProvisionInput asks for a fleet, and waits until every instance is in service.
type ProvisionInput struct {
	Place     Place         `json:"place"`
	Fleet     string        `json:"fleet"`
	Image     string        `json:"image"`
	Version   string        `json:"version"`
	Instances int           `json:"instances"`
	Spec      spec.Fleet    `json:"spec"`
	Within    spec.Duration `json:"within"`          // longest time until ready
	Like      string        `json:"like,omitempty"`  // live fleet whose operational settings are carried over
	Alone     bool          `json:"alone,omitempty"` // never part of the route
}

// CapacityInput asks that Fleet can take the load of Carrying: scale-in of both is
// held for the release, Fleet is grown where it is too small, and read back.
type CapacityInput struct {
	Place    Place         `json:"place"`
	Fleet    string        `json:"fleet"`
	Carrying string        `json:"carrying,omitempty"` // fleet that has the traffic now
	Least    int           `json:"least"`              // instances needed whatever Carrying has
	Share    int           `json:"share,omitempty"`    // percent of Carrying's load that Fleet is to take; 0 means all of it
	Made     int           `json:"made,omitempty"`     // instances that the release gave Fleet; fewer are somebody else's doing. 0: not known
	Known    []string      `json:"known,omitempty"`    // instances that Fleet had when it was ready; one that is gone is told of
	Image    string        `json:"image,omitempty"`    // of Fleet; proven to be there still, because instances are replaced from it
	Within   spec.Duration `json:"within"`

	CarryingHas  int `json:"carryingHas,omitempty"`  // percent that Carrying has now, where both have some
	CarryingMade int `json:"carryingMade,omitempty"` // instances that the release gave Carrying for that share
}

// HoldsInput releases the scale-in holds of the release on these fleets.
type HoldsInput struct {
	Place  Place    `json:"place"`
	Fleets []string `json:"fleets"`
}

// ShiftInput asks to move the shares from Expected to Want.
type ShiftInput struct {
	Place    Place           `json:"place"`
	Expected release.Weights `json:"expected"`
	Want     release.Weights `json:"want"`
}

// Shift is what was read back after a move.
type Shift struct {
	Weights  release.Weights    `json:"weights"`
	Requests []release.Requests `json:"requests"`
	At       time.Time          `json:"at"` // when the shares were read back

	SlowStart spec.Duration `json:"slowStart,omitempty"` // how long the route takes to give new instances their part
	Sticky    spec.Duration `json:"sticky,omitempty"`    // how long clients stay with the fleet they got
}

// RetireInput asks to remove a fleet. Traffic is proven to be gone first: weight 0
// read back, nothing in flight, no request counted for Quiet.
type RetireInput struct {
	Place  Place         `json:"place"`
	Fleet  string        `json:"fleet"`
	Drain  spec.Duration `json:"drain"`  // time given to open connections
	Quiet  spec.Duration `json:"quiet"`  // time without a request that proves it
	Within spec.Duration `json:"within"` // longest time for all of it
}

// ShrinkInput asks to make a fleet smaller: the release's hold ends, the fleet is
// resized from Expected to To, and held again unless To is 0.
type ShrinkInput struct {
	Place    Place         `json:"place"`
	Fleet    string        `json:"fleet"`
	Expected int           `json:"expected,omitempty"` // desired capacity; another one is somebody else's doing. 0: whatever it is
	To       int           `json:"to"`
	Within   spec.Duration `json:"within"` // longest time until the instances are gone
}

// AttachInput asks to put a fleet back into the route, without a share.
type AttachInput struct {
	Place Place  `json:"place"`
	Fleet string `json:"fleet"`
}

// MigrateInput asks for one half of a migration.
type MigrateInput struct {
	Place     Place          `json:"place"`
	Version   string         `json:"version"`
	Half      string         `json:"half"` // expand or contract
	Key       string         `json:"key"`  // idempotency key
	Schema    int            `json:"schema"`
	Migration spec.Migration `json:"migration"`
}

// Migrated is a half that was done.
type Migrated struct {
	Output string `json:"output,omitempty"` // its end, at most 4 KiB
}

// MeasureInput asks for the request curve of a target in all of the regions together.
type MeasureInput struct {
	Place   Place     `json:"place"`
	Regions []string  `json:"regions"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}

// Measured is a request curve.
type Measured struct {
	Step  spec.Duration  `json:"step"`
	Curve []release.Load `json:"curve,omitempty"` // at most 14 days of a quarter of an hour each; times that are not known are left out
}

// ProveInput asks to boot one instance from the image, alone, and to prove it by the
// spec's checks. Nothing of it is left afterwards.
type ProveInput struct {
	Place        Place             `json:"place"`
	Fleet        string            `json:"fleet"` // name of the fleet of one that is made for it
	Image        string            `json:"image"`
	Version      string            `json:"version"`
	Spec         spec.Fleet        `json:"spec"`
	Verification spec.Verification `json:"verification"`
}

// VerifyInput asks to prove a fleet by the spec's checks.
type VerifyInput struct {
	Place        Place             `json:"place"`
	Fleet        string            `json:"fleet"`
	HealthPath   string            `json:"healthPath"`
	Verification spec.Verification `json:"verification"`
	Version      string            `json:"version,omitempty"`
	Live         string            `json:"live,omitempty"`         // the fleet that serves now
	TestListener string            `json:"testListener,omitempty"` // the region's, for checks that ask there
}

// Verified is a proof.
type Verified struct {
	Results []release.Result `json:"results"` // the last round
	Rounds  int              `json:"rounds"`
}

// WatchInput asks to watch a switched region until something happens. The activity
// looks once per attempt and fails with a benign, retryable error and
// NextRetryDelay while all is well, so that the server keeps the schedule.
type WatchInput struct {
	Place      Place             `json:"place"`
	Fleet      string            `json:"fleet"`
	Previous   string            `json:"previous,omitempty"`
	Least      int               `json:"least"`           // instances Fleet needs for its share
	Scale      int               `json:"scale,omitempty"` // instances of Previous that do what a hundred of Fleet do, at most 100; 0: a hundred
	Need       int               `json:"need,omitempty"`  // instances the whole load needs, where Fleet has only a share
	HealthPath string            `json:"healthPath"`
	Checks     []spec.Check      `json:"checks,omitempty"`
	Soak       spec.Soak         `json:"soak"`
	Baseline   release.Requests  `json:"baseline"`          // counters at the switch
	Known      release.Readiness `json:"known,omitzero"`    // readiness the workflow knows; a change ends the watch
	Weights    release.Weights   `json:"weights"`           // shares the release set; a change ends the watch
	Since      time.Time         `json:"since,omitzero"`    // when traffic moved; counts that reach only up to then tell of nobody's requests
	Noticed    []string          `json:"noticed,omitempty"` // irregularities the workflow knows; a change ends the watch
	Until      time.Time         `json:"until,omitzero"`    // for a short watch: ends well at this time
	Before     release.Watched   `json:"before,omitzero"`   // what an earlier watch remembers
	Version    string            `json:"version,omitempty"`
	Stage      string            `json:"stage,omitempty"`    // release.StageAnalysis or release.StageSoak
	Analysis   *spec.Analysis    `json:"analysis,omitempty"` // comparisons with Previous, while both have traffic
	Renew      spec.Duration     `json:"renew,omitempty"`    // time between two full proofs of readiness; 0: only instances are counted
	Keep       int               `json:"keep,omitempty"`     // instances of Previous that are enough for now, because a rollback grows it first; 0: as many as the load needs
	Schema     release.Schema    `json:"schema,omitzero"`    // of the database
	From       string            `json:"from,omitempty"`     // version of Previous
	Doubtful   bool              `json:"doubtful,omitempty"` // a person lets it end well without a verdict; a failure still is one

	TestListener string `json:"testListener,omitempty"` // the region's, for checks that ask there
}

// Why a watch ended.
const (
	WatchBreach    = "breach"    // failure lasted longer than the spec allows
	WatchDone      = "done"      // Until was reached and the last look was good
	WatchReadiness = "readiness" // a rollback would work now and did not before, or the other way round
	WatchOutOfBand = "out-of-band"
	WatchNoticed   = "noticed" // something was changed by hand or is missing, or is again as it was
	WatchUnknown   = "unknown" // looks have been inconclusive for too long
	WatchCertain   = "certain" // that was told, and it can be told again how the fleet does
)

// Watch is what ended a watch.
type Watch struct {
	Why       string            `json:"why"`
	Reason    string            `json:"reason"` // in words for a person
	Results   []release.Result  `json:"results"`
	Compared  []release.Result  `json:"compared,omitempty"` // the single comparisons with the live fleet; of them only the analysis, which is among Results, counts
	Watched   release.Watched   `json:"watched"`
	Readiness release.Readiness `json:"readiness"`
	Counts    release.Counts    `json:"counts"`
	Weights   release.Weights   `json:"weights"`
	Noticed   []string          `json:"noticed,omitempty"` // what is not as the release left it, in words
}

// NotifyInput tells people of an event.
type NotifyInput struct {
	Notifications []spec.Notification `json:"notifications"`
	Event         string              `json:"event"`
	Title         string              `json:"title"`
	Body          string              `json:"body"`
}

// Error types the workflows distinguish. They are the types of Temporal application errors.
const (
	ErrSecretsFound   = "SecretsFound"
	ErrProvenance     = "ProvenanceNotProven"
	ErrTemplate       = "TemplateFailed"     // Packer says the template, or what it runs, is wrong
	ErrNotReady       = "NotReady"           // the fleet was not in service in time
	ErrNotVerified    = "VerificationFailed" // the checks did not pass in time
	ErrNotJudged      = "NotJudged"          // at the end of its time the checks told nothing, for or against the fleet
	ErrCapacity       = "CapacityMissing"    // the fleet could not be made big enough in time
	ErrOutOfBand      = "ChangedOutOfBand"   // somebody else changed the shares
	ErrPlan           = "PlanRefused"        // the target can't be released safely as it is
	ErrStillTraffic   = "StillTraffic"       // a fleet to be removed still gets requests
	ErrLooksGood      = "StillWatching"      // not a failure: the watch looks again later
	ErrMigration      = "MigrationFailed"    // a half of a migration says that it failed
	ErrInvalidRequest = "InvalidRequest"
)
