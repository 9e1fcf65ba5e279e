package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/switchyard/switchyard/platform"
)

// kindUnknown: retry, and treat nothing as proven.
const kindUnknown platform.Kind = ""

// kindServer stands in the table for errors of AWS itself: they may have come after the
// effect, so what they mean depends on whether the call changes anything.
const kindServer platform.Kind = "server"

// codes says what an AWS error code means. Sources, beside the errors of each operation:
// docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
// docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html
// docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
var codes = map[string]platform.Kind{
	// Too many calls. Refused before anything was done.
	"BandwidthLimitExceeded":                 platform.KindThrottled,
	"EC2ThrottledException":                  platform.KindThrottled,
	"LimitExceededException":                 platform.KindThrottled, // CloudWatch and IAM: of requests
	"PriorRequestNotComplete":                platform.KindThrottled,
	"ProvisionedThroughputExceededException": platform.KindThrottled,
	"RequestLimitExceeded":                   platform.KindThrottled,
	"RequestThrottled":                       platform.KindThrottled,
	"RequestThrottledException":              platform.KindThrottled,
	"SlowDown":                               platform.KindThrottled,
	"SnapshotCreationPerVolumeRateExceeded":  platform.KindThrottled,
	"ThrottledException":                     platform.KindThrottled,
	"Throttling":                             platform.KindThrottled,
	"ThrottlingException":                    platform.KindThrottled,
	"TooManyRequestsException":               platform.KindThrottled,

	// No room: AWS has none, or the account's quota is used up. What begins with TooMany
	// needs no entry.
	"InsufficientAddressCapacity":          platform.KindCapacity,
	"InsufficientCapacity":                 platform.KindCapacity,
	"InsufficientFreeAddressesInSubnet":    platform.KindCapacity,
	"InsufficientHostCapacity":             platform.KindCapacity,
	"InsufficientInstanceCapacity":         platform.KindCapacity,
	"InsufficientReservedInstanceCapacity": platform.KindCapacity,
	"InsufficientVolumeCapacity":           platform.KindCapacity,
	"InstanceLimitExceeded":                platform.KindCapacity,
	"LimitExceeded":                        platform.KindCapacity, // Auto Scaling: of groups
	"MaxIOPSLimitExceeded":                 platform.KindCapacity,
	"MaxSpotInstanceCountExceeded":         platform.KindCapacity,
	"ReservationCapacityExceeded":          platform.KindCapacity,
	"ResourceCountExceeded":                platform.KindCapacity,
	"ResourceLimitExceeded":                platform.KindCapacity,
	"SnapshotLimitExceeded":                platform.KindCapacity,
	"SpotMaxPriceTooLow":                   platform.KindCapacity,
	"UnfulfillableCapacity":                platform.KindCapacity,
	"VcpuLimitExceeded":                    platform.KindCapacity,
	"VolumeLimitExceeded":                  platform.KindCapacity,

	// Not there. What ends in NotFound needs no entry.
	"InvalidAMIID.Unavailable": kindUnknown, // deregistered, or still being made
	"NoSuchEntity":             platform.KindNotFound,
	"NoSuchResourceException":  platform.KindNotFound,

	// There already, or made differently. What ends in AlreadyExists or has Duplicate at an
	// end needs no entry.
	"IdempotencyException":         platform.KindConflict,
	"IdempotentInstanceTerminated": platform.KindConflict,
	"IdempotentParameterMismatch":  platform.KindConflict,
	"PriorityInUse":                platform.KindConflict,

	// Busy with something that ends by itself.
	"ConcurrentModification":    kindUnknown,
	"DependencyViolation":       kindUnknown,
	"ImageInUse":                kindUnknown,
	"IncorrectInstanceState":    kindUnknown,
	"IncorrectState":            kindUnknown,
	"IncorrectStateException":   kindUnknown,
	"InstanceRefreshInProgress": kindUnknown,
	"InvalidIPAddress.InUse":    kindUnknown,
	"InvalidNextToken":          kindUnknown, // listing took too long; list again
	"InvalidPaginationToken":    kindUnknown,
	"InvalidGroup.InUse":        kindUnknown,
	"InvalidSnapshot.InUse":     kindUnknown,
	"InvalidState":              kindUnknown,
	"ResourceContention":        kindUnknown, // HTTP 500, and yet refused
	"ResourceInUse":             kindUnknown,
	"ScalingActivityInProgress": kindUnknown,
	"ServiceLinkedRoleFailure":  kindUnknown, // being made on first use
	"VolumeInUse":               kindUnknown,

	// Credentials that ended between two refreshes; the next call has new ones.
	"ExpiredToken":          kindUnknown,
	"ExpiredTokenException": kindUnknown,
	"RequestExpired":        kindUnknown,

	// Not allowed. Those in badCredentials are about who asks, these about what is asked.
	"AccessDenied":          platform.KindDenied,
	"AccessDeniedException": platform.KindDenied,
	"Blocked":               platform.KindDenied,
	"NotAuthorized":         platform.KindDenied,
	"OperationNotPermitted": platform.KindDenied,
	"OptInRequired":         platform.KindDenied,
	"PendingVerification":   platform.KindDenied,
	"UnauthorizedOperation": platform.KindDenied,

	// Can never work. What begins with Invalid or Missing, or ends in Malformed, needs no entry.
	"IncompatibleProtocols":        platform.KindInvalid,
	"InstanceTypeNotSupported":     platform.KindInvalid,
	"MalformedQueryString":         platform.KindInvalid,
	"ParameterOutOfRange":          platform.KindInvalid,
	"SSLPolicyNotFound":            platform.KindInvalid,
	"SubnetConflict":               platform.KindInvalid,
	"UnknownParameter":             platform.KindInvalid,
	"UnknownOperationException":    platform.KindInvalid,
	"Unsupported":                  platform.KindInvalid,
	"UnsupportedOperation":         platform.KindInvalid,
	"UnsupportedProtocol":          platform.KindInvalid,
	"VPCIdNotSpecified":            platform.KindInvalid,
	"ValidationError":              platform.KindInvalid, // but see texts
	"ValidationException":          platform.KindInvalid,
	"VolumeTypeNotAvailableInZone": platform.KindInvalid,

	// AWS itself failed.
	"InternalError":               kindServer,
	"InternalFailure":             kindServer,
	"InternalServerError":         kindServer,
	"InternalServiceError":        kindServer,
	"InternalServiceFault":        kindServer,
	"RequestTimeout":              kindServer,
	"RequestTimeoutException":     kindServer,
	"ServiceException":            kindServer,
	"ServiceUnavailable":          kindServer,
	"ServiceUnavailableException": kindServer,
	"Unavailable":                 kindServer,
}

// badCredentials are the codes for credentials that AWS does not accept at all.
var badCredentials = []string{
	"AuthFailure", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException",
	"MissingAuthenticationToken", "MissingAuthenticationTokenException", "SignatureDoesNotMatch", "UnrecognizedClientException",
}

// texts tells errors apart that share a code: Auto Scaling answers ValidationError for
// nearly everything and has no code for a group that is not there. First match counts.
var texts = []struct {
	code    string
	message *regexp.Regexp
	kind    platform.Kind
}{
	{"ValidationError", regexp.MustCompile(`(?i)(pending|scheduled for|marked for) delet|being deleted`), kindUnknown},
	// A template that was made a moment ago may not be seen yet:
	// docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
	{"ValidationError", regexp.MustCompile(`(?i)launch template.*(does not exist|not found)|invalid iam instance profile`), kindUnknown},
	{"ValidationError", regexp.MustCompile(`(?i)(auto ?scaling ?group( name)?|scheduled action( name)?|lifecycle hook|policy|warm pool)\b[^.]*\bnot found` +
		`|no such group|no (lifecycle hook|scheduled action|policy|warm pool)[^.]*found`), platform.KindNotFound},
}

// Code is the AWS error code in the chain, "" when there is none.
func Code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// IsCode says whether the AWS error code in the chain is one of these.
func IsCode(err error, codes ...string) bool {
	code := Code(err)
	return code != "" && slices.Contains(codes, code)
}

// Classify says what an error of the SDK means: nil for success, which a dry run answers
// with an error too; the error of a context that has ended, as it is; else a
// *platform.Error. mutating says whether the call could have changed anything, so that
// an answer that never came is ambiguous.
//
// The kind is that of the last attempt. An attempt before it may have had its effect
// and lost its answer, so "already exists" after a create means: read whose it is.
func Classify(op, resource string, mutating bool, err error) error {
	if err == nil || IsCode(err, "DryRunOperation") {
		return nil
	}
	if contextEnded(err) {
		return fmt.Errorf("%s %s: %w", op, resource, err)
	}
	kind := kindOf(err)
	if kind == kindServer {
		kind = kindUnknown
		if mutating && sent(err) {
			kind = platform.KindAmbiguous
		}
	}
	return platform.NewError(kind, op, resource, advice(kind, err), err)
}

func kindOf(err error) platform.Kind {
	var api smithy.APIError
	if errors.As(err, &api) {
		return kindOfAnswer(api, err)
	}
	var params smithy.InvalidParamsError
	var form *smithy.SerializationError
	if errors.As(err, &params) || errors.As(err, &form) {
		return platform.KindInvalid // found by the SDK, nothing was sent
	}
	return kindServer
}

func kindOfAnswer(api smithy.APIError, err error) platform.Kind {
	code := api.ErrorCode()
	for _, t := range texts {
		if t.code == code && t.message.MatchString(api.ErrorMessage()) {
			return t.kind
		}
	}
	if slices.Contains(badCredentials, code) {
		return platform.KindDenied
	}
	if kind, ok := codes[code]; ok {
		return kind
	}
	status := 0
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	base := strings.TrimSuffix(code, "Exception")
	switch {
	case strings.HasSuffix(base, "NotFound"):
		return platform.KindNotFound
	case strings.HasSuffix(base, "AlreadyExists"), strings.HasSuffix(base, "Duplicate"), strings.HasPrefix(base, "Duplicate"):
		return platform.KindConflict
	case strings.HasPrefix(base, "TooMany"):
		return platform.KindCapacity
	case strings.HasPrefix(base, "Invalid"), strings.HasPrefix(base, "Missing"), strings.HasSuffix(base, "Malformed"):
		return platform.KindInvalid
	case status >= 500 || api.ErrorFault() == smithy.FaultServer:
		return kindServer
	case status == 429:
		return platform.KindThrottled
	case status == 403 || status == 401:
		return platform.KindDenied
	}
	return kindUnknown
}

// sent says whether the request could have reached AWS.
func sent(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial", errors.As(err, &name):
		return false
	case withoutCredentials(err):
		return false
	}
	return true
}

// withoutCredentials says whether the call failed while it got its credentials, which
// is an operation inside the operation when a role is assumed.
func withoutCredentials(err error) bool {
	return len(operations(err)) > 1 || strings.Contains(err.Error(), "get identity: get credentials")
}

// operations are the SDK's operations in the chain, outermost first.
func operations(err error) []*smithy.OperationError {
	var ops []*smithy.OperationError
	walk(err, func(e error) bool {
		if op, ok := e.(*smithy.OperationError); ok { //nolint:errorlint // every one in the chain is wanted
			ops = append(ops, op)
		}
		return false
	})
	return ops
}

// contextEnded says whether the caller's context ended the call. The time-out of a single
// attempt calls itself a context.DeadlineExceeded too, and must not pass for it.
func contextEnded(err error) bool {
	var canceled interface{ CanceledError() bool }
	if errors.As(err, &canceled) && canceled.CanceledError() {
		return true
	}
	var send *smithyhttp.RequestSendError // the SDK makes it only while the context lasts
	if errors.As(err, &send) {
		return false
	}
	return walk(err, func(e error) bool {
		return e == context.Canceled || e == context.DeadlineExceeded //nolint:errorlint // only the very values
	})
}

// walk visits the errors of a chain until stop says so, and says whether it did.
func walk(err error, stop func(error) bool) bool {
	if err == nil {
		return false
	}
	if stop(err) {
		return true
	}
	switch e := err.(type) { //nolint:errorlint // this is what goes along the chain
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), stop)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(inner error) bool { return walk(inner, stop) })
	}
	return false
}

// policyFile is where the actions stand that Switchyard needs.
const policyFile = "deployments/iam/switchyard.json"

func advice(kind platform.Kind, err error) string {
	switch kind {
	case platform.KindThrottled:
		return "wait; if it lasts, find what else uses up the request rate of this account and region"
	case platform.KindCapacity:
		return "wait, ask for a higher quota, or choose another instance type or more zones"
	case platform.KindAmbiguous:
		return "it may have happened; read the state before trying again"
	case platform.KindDenied:
		return adviceOnDenial(err)
	case kindUnknown:
		if withoutCredentials(err) {
			return "there are no credentials to sign the call with; look at the worker's AWS_… variables, profile or instance role, and at the role to assume"
		}
	}
	return ""
}

var (
	deniedAction = regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)`)
	// prefixes of IAM actions by the service's name in the SDK
	actionPrefix = map[string]string{
		"Auto Scaling": "autoscaling", "CloudWatch": "cloudwatch", "EC2": "ec2", "Elastic Load Balancing v2": "elasticloadbalancing",
		"IAM": "iam", "KMS": "kms", "Service Quotas": "servicequotas", "STS": "sts", "SSM": "ssm", "Secrets Manager": "secretsmanager",
	}
)

func adviceOnDenial(err error) string {
	if IsCode(err, badCredentials...) {
		return "AWS does not accept the credentials; look at the worker's AWS_… variables, profile or instance role, and at its clock"
	}
	if IsCode(err, "Blocked", "OptInRequired", "PendingVerification") {
		return "the account may not use the service yet; sign up for it or ask AWS Support"
	}
	if IsCode(err, "OperationNotPermitted") {
		return "the resource forbids it, as deletion protection does; look at it"
	}
	message := err.Error()
	action := missingAction(err)
	s := fmt.Sprintf("allow %s to the role that makes the call, as %s does", action, policyFile)
	if strings.Contains(message, "explicit deny") {
		s = fmt.Sprintf("a policy of the account or organisation denies %s explicitly; an allow does not help against that", action)
	}
	if strings.Contains(strings.ToLower(message), "encoded authorization failure message") {
		s += "; `aws sts decode-authorization-message --encoded-message …` shows which statement is missing"
	}
	return s
}

// missingAction is the IAM action that AWS names, else the operation that was refused.
func missingAction(err error) string {
	if m := deniedAction.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	ops := operations(err)
	if len(ops) == 0 {
		return "the action"
	}
	op := ops[len(ops)-1]
	prefix, ok := actionPrefix[op.Service()]
	if !ok {
		prefix = strings.ToLower(strings.ReplaceAll(op.Service(), " ", ""))
	}
	return prefix + ":" + op.Operation()
}
