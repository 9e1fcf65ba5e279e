package cloud

import (
	"errors"
	"net/http"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// Endpoint is what <dir>/endpoint.json says about the running daemon.
type Endpoint struct {
	URL       string    `json:"url"`
	PID       int       `json:"pid"`
	Cloud     string    `json:"cloud"` // id of the directory, the marker in the environment of every process
	StartedAt time.Time `json:"startedAt"`
}

// SetWeightsBody orders a change of shares, from the expected ones only.
type SetWeightsBody struct {
	Expected release.Weights `json:"expected"`
	Want     release.Weights `json:"want"`
}

// ResizeBody orders another number of instances, from the expected one only.
type ResizeBody struct {
	Expected int `json:"expected"`
	Desired  int `json:"desired"`
}

// LoadBody records requests of the past, in steps of whole minutes that are over. The
// requests of a step are spread evenly over its minutes.
type LoadBody struct {
	Step time.Duration  `json:"step"` // nanoseconds
	Load []release.Load `json:"load"`
}

// Text is the answer of calls that return one string, or a list of them.
type Text struct {
	Value  string   `json:"value,omitempty"`
	Values []string `json:"values,omitempty"`
}

// Live is the fleet with the largest share of a target in a region.
type Live struct {
	Region  string `json:"region"`
	Fleet   string `json:"fleet"`
	Image   string `json:"image"`
	Version string `json:"version,omitempty"`
}

// Status is the whole cloud at a glance.
type Status struct {
	Endpoint
	Dir     string          `json:"dir"`
	Regions []RegionStatus  `json:"regions"`
	Fleets  []release.Fleet `json:"fleets"`
	Faults  []Fault         `json:"faults,omitempty"`
}

// RegionStatus is one region: its proxy and the entries it listens on.
type RegionStatus struct {
	Name    string            `json:"name"`
	Proxies map[string]int    `json:"proxies"`           // process ids by role: entry, balancer
	Admin   string            `json:"admin"`             // base URL of the balancer's admin API
	Entries map[string]string `json:"entries,omitempty"` // target → base URL
	Problem string            `json:"problem,omitempty"` // why the proxy is not as it should be
}

// Orphan is something that exists without belonging to a known fleet.
type Orphan struct {
	Kind   string `json:"kind"` // process, root, route, image
	ID     string `json:"id"`
	Detail string `json:"detail,omitempty"`
}

// FaultKind is a kind of trouble the cloud makes on request.
type FaultKind string

// The kinds of faults. Crash happens once, at once; the others last until cleared
// (API faults until used up) and end with the daemon.
const (
	FaultCrash     FaultKind = "crash"      // kill -9 of one instance, or of all
	FaultSlowStart FaultKind = "slow-start" // Delay before each new process starts
	FaultUnhealthy FaultKind = "unhealthy"  // health answers count as failed
	FaultErrorRate FaultKind = "error-rate" // the proxy answers Percent of the fleet's requests with a 500
	FaultQuota     FaultKind = "quota"      // a region may have no more than Limit instances; those it has stay
	FaultAPI       FaultKind = "api"        // a call of this API fails
)

// Fault asks for trouble. Empty Region, Fleet and Instance match everything.
type Fault struct {
	ID        string        `json:"id,omitempty"` // given by the daemon
	Kind      FaultKind     `json:"kind"`
	Region    string        `json:"region,omitempty"`
	Fleet     string        `json:"fleet,omitempty"`
	Instance  string        `json:"instance,omitempty"`
	All       bool          `json:"all,omitempty"`       // crash: every instance instead of the first
	Percent   int           `json:"percent,omitempty"`   // error-rate: 1 to 100
	Limit     int           `json:"limit,omitempty"`     // quota: largest number of instances of a region
	Call      string        `json:"call,omitempty"`      // api: "Router.SetWeights"; empty means every call of the ports
	When      string        `json:"when,omitempty"`      // api: "before" the effect (default) or "after" it
	Times     int           `json:"times,omitempty"`     // api: how often; default once
	Delay     time.Duration `json:"delay,omitempty"`     // slow-start, api; nanoseconds
	ErrorKind platform.Kind `json:"errorKind,omitempty"` // api: answer with this kind; empty drops the connection, so that nobody knows
}

type errorBody struct {
	Kind     platform.Kind `json:"kind,omitempty"`
	Op       string        `json:"op"`
	Resource string        `json:"resource,omitempty"`
	Message  string        `json:"message"`
	Advice   string        `json:"advice,omitempty"`
}

var statusOfKind = map[platform.Kind]int{
	platform.KindNotFound:  http.StatusNotFound,
	platform.KindConflict:  http.StatusConflict,
	platform.KindInvalid:   http.StatusUnprocessableEntity,
	platform.KindDenied:    http.StatusForbidden,
	platform.KindThrottled: http.StatusTooManyRequests,
	platform.KindCapacity:  http.StatusInsufficientStorage,
	platform.KindAmbiguous: http.StatusGatewayTimeout,
}

// EncodeError turns an error into an HTTP status and a JSON body that DecodeError
// turns back into the same *platform.Error.
func EncodeError(op string, err error) (int, any) {
	body := errorBody{Op: op, Message: err.Error()}
	var pe *platform.Error
	if errors.As(err, &pe) {
		body = errorBody{Kind: pe.Kind, Op: pe.Op, Resource: pe.Resource, Advice: pe.Advice}
		if pe.Err != nil {
			body.Message = pe.Err.Error()
		}
	}
	status, ok := statusOfKind[body.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	return status, map[string]errorBody{"error": body}
}

// DecodeError reads what EncodeError wrote. ok is false when the body is not one.
func DecodeError(unmarshal func(any) error) (*platform.Error, bool) {
	var body struct {
		Error *errorBody `json:"error"`
	}
	if err := unmarshal(&body); err != nil || body.Error == nil {
		return nil, false
	}
	e := body.Error
	return platform.NewError(e.Kind, e.Op, e.Resource, e.Advice, errors.New(e.Message)), true
}
