package activities

// Names of the activities as they stand in histories. A name is never reused for
// something else. Each is a method of the struct named in the comment.
const (
	Admit        = "Admit"        // Environments
	Report       = "Report"       // Environments
	HolderRuns   = "HolderRuns"   // Environments
	MakePlan     = "MakePlan"     // Planner
	BakeImage    = "BakeImage"    // Baker
	ScanImage    = "ScanImage"    // Baker
	ProveImage   = "ProveImage"   // Prover
	SweepBake    = "SweepBake"    // Baker
	RetireImages = "RetireImages" // Baker
	Provision    = "Provision"    // Fleets
	Capacity     = "Capacity"     // Fleets
	ReleaseHolds = "ReleaseHolds" // Fleets
	Retire       = "Retire"       // Fleets
	ShiftTraffic = "ShiftTraffic" // Traffic
	VerifyFleet  = "VerifyFleet"  // Checks
	WatchFleet   = "WatchFleet"   // Checks
	Notify       = "Notify"       // Notifier
	Shrink       = "Shrink"       // Fleets
	Detach       = "Detach"       // Fleets
	Attach       = "Attach"       // Fleets
	Migrate      = "Migrate"      // Migrator
	MeasureLoad  = "MeasureLoad"  // Traffic
)
