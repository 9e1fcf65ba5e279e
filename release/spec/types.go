// Package spec is the release spec: the YAML file in which a team says what to
// release, where, how it is proven and when the old fleet goes. Decode reads it
// strictly and reports everything that is wrong at once, each finding with its
// place in the file and what is allowed there.
//
// The types are the single source of the format. Their struct tags are read by
// the decoder, by WithDefaults, by the published JSON Schema and by the reference
// page: `need` marks required fields, `default` is the value of an absent field,
// `enum` lists the allowed words, `min` and `max` bound a value (or the length of a
// list), `form` names the written form of a value and `keys` that of a map's keys
// (see forms.go). Doc comments are the reference's text.
//
// Pointer fields are those where an explicit zero means something else than an
// absent field. After Decode or WithDefaults only the parts that a spec may do without
// (Image.Packer, Packer.ParentOf, AWS, Migrations and its halves, Decommission.Window and
// Window.Measured), the settings of a strategy that is not the spec's, the bounds of a
// value, and the kinds of a Check, a Comparison and a Migration may still be nil.
package spec

//go:generate go run ./internal/gen

// APIVersion is the version of the format this package reads.
const APIVersion = "switchyard/v1"

// The platforms.
const (
	PlatformLocal = "local"
	PlatformAWS   = "aws"
)

// The roles of a region.
const (
	RoleActive  = "active"
	RoleStandby = "standby"
)

// The points a gate can stand before.
const (
	BeforeSwitch       = "switch"
	BeforeDecommission = "decommission"
)

// What a gate does when nobody has decided by its expiry.
const (
	OnExpiryReject = "reject"
	OnExpiryHold   = "hold"
)

// What happens to a fleet that is no longer needed.
const (
	Keep   = "keep"
	Remove = "remove"
)

// What happens to a release that finds its target held by another one.
const (
	PolicyQueue  = "queue"
	PolicyReject = "reject"
)

// Spec says what is released, where, and under which conditions.
type Spec struct {
	// Version of this format.
	APIVersion string `json:"apiVersion" yaml:"apiVersion" need:"required" enum:"switchyard/v1"`
	// The application that is released; with the environment it is the target.
	Application string `json:"application" yaml:"application" need:"required" form:"name"`
	// The environment it is released to.
	Environment string `json:"environment" yaml:"environment" need:"required" form:"name"`
	// Version of the application, as people know it.
	Version string `json:"version" yaml:"version" need:"required" form:"version"`
	// Source commit the version was built from; kept with the image as provenance.
	Commit string `json:"commit,omitempty" yaml:"commit,omitempty" form:"commit"`
	// The image to release: baked by Packer, an existing one, or one that was kept.
	Image Image `json:"image" yaml:"image" need:"required"`
	// Where the fleets run.
	Platform string `json:"platform,omitempty" yaml:"platform,omitempty" default:"local" enum:"local,aws"`
	// What platform aws needs to know; given with it and only with it.
	AWS *AWS `json:"aws,omitempty" yaml:"aws,omitempty"`
	// Regions the release covers; names are unique.
	Regions []Region `json:"regions" yaml:"regions" need:"required" min:"1" max:"32"`
	// The fleet made in each region.
	Fleet Fleet `json:"fleet" yaml:"fleet" need:"required"`
	// How a fleet is proven before it gets traffic, and again during the soak.
	Verification Verification `json:"verification,omitzero" yaml:"verification,omitempty"`
	// How traffic moves to the candidate.
	Traffic Traffic `json:"traffic,omitzero" yaml:"traffic,omitempty"`
	// Where the release waits for approval. Absent: one gate before the switch. An empty list: no gate.
	Gates []Gate `json:"gates,omitzero" yaml:"gates,omitzero" max:"16"`
	// The time both fleets stay up after the switch while the candidate is watched.
	Soak Soak `json:"soak,omitzero" yaml:"soak,omitempty"`
	// How traffic goes back.
	Rollback Rollback `json:"rollback,omitzero" yaml:"rollback,omitempty"`
	// Changes of the database that the release brings along.
	Migrations *Migrations `json:"migrations,omitempty" yaml:"migrations,omitempty"`
	// When and how the previous fleet is taken away.
	Decommission Decommission `json:"decommission,omitzero" yaml:"decommission,omitempty"`
	// What is kept after the release.
	Retention Retention `json:"retention,omitzero" yaml:"retention,omitempty"`
	// What happens when another release holds the target.
	Admission Admission `json:"admission,omitzero" yaml:"admission,omitempty"`
	// Longest time the whole release may take. It must leave room for everything the spec asks for: bake, migrations,
	// verification, the steps of the strategy, soak and the stages of the decommission. A release that passes it is aborted or
	// rolled back; one that only waits for its decommission calls for help instead.
	Deadline Duration `json:"deadline,omitzero" yaml:"deadline,omitempty" default:"96h" min:"1s" max:"90d"`
	// How a release ends that waits for a person and that nobody looks after.
	DeadMan DeadMan `json:"deadMan,omitzero" yaml:"deadMan,omitempty"`
	// Who may give the orders that need a right of their own.
	Rights Rights `json:"rights,omitzero" yaml:"rights,omitempty"`
	// Who is told about what happens.
	Notifications []Notification `json:"notifications,omitempty" yaml:"notifications,omitempty" max:"32"`
}

// Image is what runs on the instances. Exactly one of packer, existing and retained is given.
type Image struct {
	// Bake the image with Packer.
	Packer *Packer `json:"packer,omitempty" yaml:"packer,omitempty"`
	// Use an image that exists: by its digest on the local platform, by the id of the AMI in the first region on AWS.
	Existing string `json:"existing,omitempty" yaml:"existing,omitempty" form:"image"`
	// Use the newest image of this version of the application that is still kept; nothing is baked. This is how
	// a release goes back after the previous fleet is gone: switchyard release SPEC --to VERSION.
	Retained string `json:"retained,omitempty" yaml:"retained,omitempty" form:"version"`
	// Boot one instance from the image, alone and without traffic, and ask it the checks of verification, before fleets are made of it.
	Prove bool `json:"prove,omitempty" yaml:"prove,omitempty" default:"false"`
	// Proof of how the image was built.
	Provenance Provenance `json:"provenance,omitzero" yaml:"provenance,omitempty"`
	// The search for secrets in the image.
	SecretScan SecretScan `json:"secretScan,omitzero" yaml:"secretScan,omitempty"`
}

// Packer is how the image is baked.
type Packer struct {
	// Packer template, a file or a folder; a relative path starts at the folder of the spec.
	Template string `json:"template" yaml:"template" need:"required" form:"path"`
	// Build only these builds of the template. Empty: all.
	Only []string `json:"only,omitempty" yaml:"only,omitempty" form:"text"`
	// Values of the template's variables.
	Variables map[string]string `json:"variables,omitempty" yaml:"variables,omitempty" keys:"packerVariable"`
	// Values of the template's secret variables, each a reference that is resolved where Packer runs.
	Secrets map[string]string `json:"secrets,omitempty" yaml:"secrets,omitempty" keys:"packerVariable" form:"reference"`
	// Longest time one bake may take.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty" default:"30m" min:"1s" max:"24h"`
	// Bake even when an image of the same inputs exists.
	Rebake bool `json:"rebake,omitempty" yaml:"rebake,omitempty" default:"false"`
	// Image to build on. Empty: what the template says.
	Parent string `json:"parent,omitempty" yaml:"parent,omitempty" form:"image"`
	// Build on the newest image of another application. The plan pins which one that is.
	ParentOf *ParentOf `json:"parentOf,omitempty" yaml:"parentOf,omitempty"`
}

// ParentOf names the image to build on by its provenance.
type ParentOf struct {
	// Application the image was baked for, such as a base or a middleware.
	Application string `json:"application" yaml:"application" need:"required" form:"name"`
	// Version the image was baked of. Absent: the newest image of any version.
	Version string `json:"version,omitempty" yaml:"version,omitempty" form:"version"`
}

// Provenance says what must be proven about the image's build.
type Provenance struct {
	// Refuse an image whose SLSA provenance is absent or does not verify.
	Verify bool `json:"verify,omitempty" yaml:"verify,omitempty" default:"false"`
	// Public key file that signed the provenance; a relative path starts at the folder of the spec. Needed with verify.
	PublicKey string `json:"publicKey,omitempty" yaml:"publicKey,omitempty" form:"path"`
}

// SecretScan tunes the search for secrets in the image. It cannot be switched off where the image's files can be read.
type SecretScan struct {
	// Paths in the image whose findings are accepted, as glob patterns.
	Allow []string `json:"allow,omitempty" yaml:"allow,omitempty" form:"glob"`
	// What happens to an image whose files the platform can't show, as an AMI's: refuse it, or accept it unsearched.
	Unreadable string `json:"unreadable,omitempty" yaml:"unreadable,omitempty" default:"refuse" enum:"refuse,accept"`
}

// Region is one place the release covers.
type Region struct {
	// Name of the region as the platform knows it.
	Name string `json:"name" yaml:"name" need:"required" form:"name"`
	// Whether the region serves users or stands by for disaster recovery. Both get the same release in the same way.
	Role string `json:"role,omitempty" yaml:"role,omitempty" default:"active" enum:"active,standby"`
	// Regions of a lower wave are released first; those of one wave together.
	Wave int `json:"wave,omitempty" yaml:"wave,omitempty" default:"1" min:"1" max:"32"`
	// Instances in this region. Absent: as many as fleet.instances says.
	Instances int `json:"instances,omitempty" yaml:"instances,omitempty" min:"1" max:"1000"`
	// Base URL of a listener that reaches the candidate before it has traffic. Needed in every region when a check asks via
	// listener.
	TestListener string `json:"testListener,omitempty" yaml:"testListener,omitempty" form:"httpUrl"`
	// The region's load balancer and network; given with platform aws and only with it.
	AWS *AWSRegion `json:"aws,omitempty" yaml:"aws,omitempty"`
}

// Fleet is what is made in each region.
type Fleet struct {
	// Number of instances.
	Instances int `json:"instances" yaml:"instances" need:"required" min:"1" max:"1000"`
	// Program that serves, as an absolute path inside the image, and its arguments. Needed on the local platform; on AWS
	// absent means that the image starts its program by itself.
	Command []string `json:"command,omitempty" yaml:"command,omitempty"`
	// Environment variables given to the process at start, never baked.
	Environment map[string]string `json:"environment,omitempty" yaml:"environment,omitempty" keys:"variable"`
	// Secret environment variables, each a reference that is resolved where the process starts: env: and file: on the
	// local platform, ssm: and secretsmanager: on AWS.
	Secrets map[string]string `json:"secrets,omitempty" yaml:"secrets,omitempty" keys:"variable" form:"fleetReference"`
	// Path that answers 200 when the instance can serve.
	HealthPath string `json:"healthPath,omitempty" yaml:"healthPath,omitempty" default:"/healthz" form:"urlPath"`
	// Longest time until every instance of a new fleet is in service.
	ReadyWithin Duration `json:"readyWithin,omitzero" yaml:"readyWithin,omitempty" default:"5m" min:"1s" max:"24h"`
}

// Verification is how a fleet is proven.
type Verification struct {
	// Longest time until the checks pass.
	Within Duration `json:"within,omitzero" yaml:"within,omitempty" default:"10m" min:"1s" max:"24h"`
	// Time between two rounds of checks.
	Interval Duration `json:"interval,omitzero" yaml:"interval,omitempty" default:"5s" min:"100ms" max:"1h"`
	// Rounds in a row in which every check passes.
	Consecutive int `json:"consecutive,omitempty" yaml:"consecutive,omitempty" default:"2" min:"1" max:"100"`
	// The checks; names are unique. Absent: one HTTP check of fleet.healthPath on every instance.
	Checks []Check `json:"checks,omitempty" yaml:"checks,omitempty" max:"64"`
}

// Gate is a point where the release waits for approval.
type Gate struct {
	// Name of the gate, unique; orders name it.
	Name string `json:"name,omitempty" yaml:"name,omitempty" default:"switch" form:"name"`
	// The step the gate stands before.
	Before string `json:"before" yaml:"before" need:"required" enum:"switch,decommission"`
	// Who may decide. Empty: anyone.
	Approvers []string `json:"approvers,omitempty" yaml:"approvers,omitempty" max:"100" form:"text"`
	// Approvals needed, each from another person.
	Count int `json:"count,omitempty" yaml:"count,omitempty" default:"1" min:"1" max:"100"`
	// The person who asked for the release cannot approve it.
	FourEyes *bool `json:"fourEyes,omitempty" yaml:"fourEyes,omitempty" default:"true"`
	// Longest time the gate waits.
	Expiry Duration `json:"expiry,omitzero" yaml:"expiry,omitempty" default:"24h" min:"1s" max:"30d"`
	// What happens at the expiry: reject ends the release, hold keeps waiting and asks for help.
	OnExpiry string `json:"onExpiry,omitempty" yaml:"onExpiry,omitempty" default:"reject" enum:"reject,hold"`
}

// Retention is what is kept after the release.
type Retention struct {
	// Images kept per application, newest first; images in use are always kept.
	Images int `json:"images,omitempty" yaml:"images,omitempty" default:"5" min:"1" max:"1000"`
	// What happens to the candidate after a rollback; kept, it can be inspected.
	Candidate string `json:"candidate,omitempty" yaml:"candidate,omitempty" default:"remove" enum:"remove,keep"`
}

// Admission is what happens when another release or failover holds the target.
type Admission struct {
	// Wait in the queue, or be refused at once.
	Policy string `json:"policy,omitempty" yaml:"policy,omitempty" default:"reject" enum:"queue,reject"`
	// Longest time in the queue.
	Wait Duration `json:"wait,omitzero" yaml:"wait,omitempty" default:"24h" min:"1s" max:"30d"`
}

// Notification tells somebody about events of the release.
type Notification struct {
	// Name of the notification, unique.
	Name string `json:"name" yaml:"name" need:"required" form:"name"`
	// Reference to the address messages go to; never the address, which holds secrets.
	URL string `json:"url" yaml:"url" need:"required" form:"reference"`
	// Events that are told. Absent: all.
	On []string `json:"on,omitempty" yaml:"on,omitempty" enum:"gate-waiting,completed,rolled-back,rejected,aborted,failed,breach,help-needed"`
}
