package release

import "time"

// Stages of the way back of one region, in their order.
const (
	BackCapacity = "capacity" // the previous fleet is brought to today's load
	BackShift    = "shift"    // shares go back
	BackHeld     = "held"     // paused, or between two shares
	BackDone     = "done"     // all of the traffic was read back on the previous fleet
	BackWaiting  = "waiting"  // a try failed; the next one comes at Next
	BackStuck    = "stuck"    // given over to a person
)

// Back is where the way back of one region is.
type Back struct {
	Stage string    `json:"stage,omitempty"`
	Tries int       `json:"tries,omitempty"` // that failed
	Next  time.Time `json:"next,omitzero"`   // when the next try begins
	Why   string    `json:"why,omitempty"`   // why the last try failed
}
