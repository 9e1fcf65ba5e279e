// Package tag holds the tags that Switchyard puts on what it makes on AWS. They are
// its memory there: workers keep nothing, so whose a resource is and what it was made
// for stands on the resource itself. Keys and values keep to the limits of
// docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html: 128 and 256 characters.
package tag

// On everything.
const (
	Application = "switchyard:application"
	Environment = "switchyard:environment"
	Release     = "switchyard:release" // id of the release that made it
	Version     = "switchyard:version"
)

// On fleets: the Auto Scaling group and its launch template.
const (
	Fleet = "switchyard:fleet" // name of the fleet; on its instances and volumes too
	Spec  = "switchyard:spec"  // digest of the fleet spec it was made from
	Image = "switchyard:image" // ref of the image; on an image's snapshots too
	Hold  = "switchyard:hold"  // who holds scale-in, and what to put back afterwards
	Alone = "switchyard:alone" // "true" on a fleet that is no part of a route
	Place = "switchyard:place" // target group of a fleet that was taken out of the route, and when it was put back
	Least = "switchyard:least" // minimum that a group gets back when it is large enough again
)

// On images and their snapshots: the provenance.
const (
	Commit      = "switchyard:commit"
	Base        = "switchyard:base" // ref of the image it was built on
	Built       = "switchyard:built"
	InputDigest = "switchyard:input-digest"
	Source      = "switchyard:source"   // on a copy: "region/ami-…" it was copied from
	Accepted    = "switchyard:accepted" // when the bake was accepted; without it the image is a left-over of Bake
)

// Bake is on everything a bake makes, until and after it is accepted: whose bake it was.
const Bake = "switchyard:bake"
