package wire

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Who calls, told by the User-Agent.
const (
	ByPacker = "packer"
	ByWorker = "worker"
	ByOther  = "other"
)

// Call is one request to AWS and the answer the caller got.
type Call struct {
	Time     time.Time
	By       string // ByPacker, ByWorker or ByOther
	Service  string // as the signature names it: ec2, autoscaling, elasticloadbalancing, monitoring, servicequotas, ...
	Action   string // as IAM names it: RunInstances, ...
	Region   string
	Mutating bool // it may change something; by the action's name
	DryRun   bool // it asks for permission alone and has no effect
	Body     []byte
	Status   int    // what the caller got; 0 when it got no answer
	Fault    string // what was done to the call, "" for nothing
	Answer   []byte // what the caller got
}

// IAM is the action as a policy names it.
func (c Call) IAM() string {
	service := c.Service
	if service == "monitoring" {
		service = "cloudwatch"
	}
	return service + ":" + c.Action
}

var (
	scope = regexp.MustCompile(`Credential=[^/,\s]+/[0-9]{8}/([^/,\s]*)/([^/,\s]*)/aws4_request`)
	rpc   = regexp.MustCompile(`^/service/[^/]+/operation/([^/]+)$`)
)

// identify tells what a request asks for. Service and region come from the scope of its
// signature (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html).
func identify(r *http.Request, body []byte) Call {
	c := Call{Time: time.Now(), By: by(r.UserAgent()), Body: body}
	if m := scope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.Region, c.Service = m[1], m[2]
	}
	c.Action, c.DryRun = action(r, body)
	c.Mutating = c.Action != "" && !c.DryRun && !isRead(c.Action)
	return c
}

func action(r *http.Request, body []byte) (name string, dryRun bool) {
	if target := r.Header.Get("X-Amz-Target"); target != "" { // AWS JSON
		return target[strings.LastIndex(target, ".")+1:], false
	}
	if m := rpc.FindStringSubmatch(r.URL.Path); m != nil { // Smithy RPC v2 CBOR
		return m[1], false
	}
	form := r.URL.Query()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if posted, err := url.ParseQuery(string(body)); err == nil && posted.Get("Action") != "" {
			form = posted
		}
	}
	if name := form.Get("Action"); name != "" { // AWS Query and EC2
		return name, form.Get("DryRun") == "true"
	}
	return r.Method + " " + r.URL.Path, false // REST
}

// by tells Packer, which names itself and its plugin in the User-Agent, and Switchyard,
// whose clients carry its name there, from everyone else, such as a test that sets up
// an account.
func by(agent string) string {
	switch {
	case strings.Contains(strings.ToLower(agent), "packer"):
		return ByPacker
	case strings.Contains(agent, "app/switchyard"):
		return ByWorker
	}
	return ByOther
}

var reads = []string{"Describe", "Get", "List", "Head", "Search", "Lookup", "BatchGet", "GET ", "HEAD "}

func isRead(action string) bool {
	if action == "AssumeRole" { // makes a session and no resource
		return true
	}
	for _, p := range reads {
		if strings.HasPrefix(action, p) {
			return true
		}
	}
	return false
}

// failure writes an error the way the service does, so that the SDK finds its code.
// docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
func (c Call) failure(r *http.Request, status int, code, message string) answer {
	h := http.Header{"X-Amzn-Requestid": {"wire-fault"}}
	if rpc.MatchString(r.URL.Path) {
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		body := append([]byte{0xa2}, text("__type")...)
		body = append(append(append(body, text(code)...), text("message")...), text(message)...)
		return answer{status, h, body}
	}
	if r.Header.Get("X-Amz-Target") != "" {
		h.Set("Content-Type", "application/x-amz-json-1.1")
		h.Set("X-Amzn-Errortype", code)
		body, _ := json.Marshal(map[string]string{"__type": code, "message": message})
		return answer{status, h, body}
	}
	h.Set("Content-Type", "text/xml")
	if c.Service == "ec2" {
		return answer{status, h, []byte(`<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>` + code +
			`</Code><Message>` + message + `</Message></Error></Errors><RequestID>wire-fault</RequestID></Response>`)}
	}
	kind := "Sender"
	if status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	return answer{status, h, []byte(`<ErrorResponse><Error><Type>` + kind + `</Type><Code>` + code + `</Code><Message>` + message +
		`</Message></Error><RequestId>wire-fault</RequestId></ErrorResponse>`)}
}

// text is a CBOR text string of less than 64 KiB.
func text(s string) []byte {
	n := min(len(s), 1<<16-1)
	return append([]byte{0x79, byte(n >> 8), byte(n)}, s[:n]...)
}

// throttled is how the service says that there are too many calls.
// docs.aws.amazon.com/AWSEC2/latest/APIReference/throttling.html,
// docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html
func (c Call) throttled(r *http.Request) answer {
	switch {
	case c.Service == "ec2":
		return c.failure(r, http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
	case r.Header.Get("X-Amz-Target") != "" || rpc.MatchString(r.URL.Path):
		return c.failure(r, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	default:
		return c.failure(r, http.StatusBadRequest, "Throttling", "Rate exceeded")
	}
}

// broken is how the service says that it failed and does not say how far it came.
func (c Call) broken(r *http.Request) answer {
	code := "InternalFailure"
	if c.Service == "ec2" {
		code = "InternalError"
	}
	return c.failure(r, http.StatusInternalServerError, code, "An internal error has occurred")
}
