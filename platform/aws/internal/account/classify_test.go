package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
)

// answered is an error as the SDK returns it for an answer of a service.
func answered(service, operation string, status int, code, message string) error {
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &awshttp.ResponseError{
		RequestID: "5d8f1d2c",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: message},
		},
	}}
}

// unanswered is an error as the SDK returns it when there was no answer.
func unanswered(err error) error {
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &retry.MaxAttemptsError{Attempt: 6, Err: &smithyhttp.RequestSendError{
		Err: &url.Error{Op: "Post", URL: "https://ec2.eu-west-1.amazonaws.com/", Err: err},
	}}}
}

// timedOut is what net/http says when Client.Timeout has passed.
type timedOut struct{}

func (timedOut) Error() string {
	return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
}
func (timedOut) Timeout() bool        { return true }
func (timedOut) Is(target error) bool { return target == context.DeadlineExceeded }

func TestWhatTheCodesOfAWSMean(t *testing.T) {
	const same = platform.Kind("the same as for a read")
	for _, test := range []struct {
		status  int
		code    string
		message string
		read    platform.Kind
		write   platform.Kind
	}{
		{503, "RequestLimitExceeded", "Request limit exceeded.", platform.KindThrottled, same},
		{400, "Throttling", "Rate exceeded", platform.KindThrottled, same},
		{400, "ThrottlingException", "Rate exceeded", platform.KindThrottled, same},
		{429, "TooManyRequestsException", "", platform.KindThrottled, same},
		{429, "SomethingNew", "", platform.KindThrottled, same},
		{400, "SnapshotCreationPerVolumeRateExceeded", "", platform.KindThrottled, same},

		{500, "InsufficientInstanceCapacity", "We currently do not have sufficient c5.large capacity", platform.KindCapacity, same},
		{400, "VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit", platform.KindCapacity, same},
		{400, "InstanceLimitExceeded", "", platform.KindCapacity, same},
		{400, "MaxSpotInstanceCountExceeded", "", platform.KindCapacity, same},
		{400, "InsufficientFreeAddressesInSubnet", "", platform.KindCapacity, same},
		{400, "LimitExceeded", "You have already reached your limit for the number of Auto Scaling groups", platform.KindCapacity, same},
		{400, "TooManyTargetGroups", "", platform.KindCapacity, same},
		{400, "ResourceLimitExceeded", "", platform.KindCapacity, same},

		{400, "InvalidInstanceID.NotFound", "", platform.KindNotFound, same},
		{400, "InvalidAMIID.NotFound", "", platform.KindNotFound, same},
		{400, "InvalidLaunchTemplateName.NotFoundException", "", platform.KindNotFound, same},
		{400, "InvalidLaunchTemplateId.NotFound", "", platform.KindNotFound, same},
		{400, "InvalidSnapshot.NotFound", "", platform.KindNotFound, same},
		{400, "TargetGroupNotFound", "One or more target groups not found", platform.KindNotFound, same},
		{400, "RuleNotFound", "", platform.KindNotFound, same},
		{404, "NoSuchEntity", "", platform.KindNotFound, same},
		{400, "NoSuchResourceException", "", platform.KindNotFound, same},
		{400, "ValidationError", "AutoScalingGroup name not found - AutoScalingGroup 'checkout' not found", platform.KindNotFound, same},
		{400, "ValidationError", "AutoScalingGroup name not found - null", platform.KindNotFound, same},
		{400, "ValidationError", "Group checkout not found", platform.KindInvalid, same}, // not worded like that by AWS: prove nothing by it
		{400, "ValidationError", "Scheduled action name not found - Scheduled Action x not found", platform.KindNotFound, same},
		{400, "ValidationError", "No Lifecycle Hook found with the name x", platform.KindNotFound, same},
		{400, "InvalidAMIID.Unavailable", "", kindUnknown, same},

		{400, "AlreadyExists", "AutoScalingGroup by this name already exists", platform.KindConflict, same},
		{400, "InvalidLaunchTemplateName.AlreadyExistsException", "", platform.KindConflict, same},
		{400, "InvalidAMIName.Duplicate", "", platform.KindConflict, same},
		{400, "InvalidKeyPair.Duplicate", "", platform.KindConflict, same},
		{400, "DuplicateTargetGroupName", "", platform.KindConflict, same},
		{400, "IdempotentParameterMismatch", "", platform.KindConflict, same},

		{400, "ValidationError", "You cannot update an AutoScalingGroup that is pending delete", kindUnknown, same},
		{400, "ValidationError", "AutoScalingGroup checkout is scheduled for delete", kindUnknown, same},
		{400, "ValidationError", "The specified launch template, with template ID lt-1, does not exist.", kindUnknown, same},
		{400, "ResourceInUse", "", kindUnknown, same},
		{400, "ScalingActivityInProgress", "", kindUnknown, same},
		{500, "ResourceContention", "", kindUnknown, same},
		{400, "DependencyViolation", "", kindUnknown, same},
		{400, "IncorrectInstanceState", "", kindUnknown, same},
		{400, "InvalidGroup.InUse", "", kindUnknown, same},
		{403, "ExpiredToken", "", kindUnknown, same},
		{400, "RequestExpired", "", kindUnknown, same},

		{403, "UnauthorizedOperation", "", platform.KindDenied, same},
		{403, "AccessDenied", "", platform.KindDenied, same},
		{400, "AccessDeniedException", "", platform.KindDenied, same},
		{401, "AuthFailure", "", platform.KindDenied, same},
		{403, "InvalidClientTokenId", "", platform.KindDenied, same},
		{403, "SignatureDoesNotMatch", "", platform.KindDenied, same},
		{401, "OptInRequired", "", platform.KindDenied, same},
		{400, "OperationNotPermitted", "", platform.KindDenied, same},
		{403, "SomethingNew", "", platform.KindDenied, same},

		{400, "ValidationError", "DesiredCapacity must be between MinSize and MaxSize", platform.KindInvalid, same},
		{400, "InvalidParameterValue", "", platform.KindInvalid, same},
		{400, "InvalidAMIID.Malformed", "", platform.KindInvalid, same},
		{400, "MissingParameter", "", platform.KindInvalid, same},
		{400, "InvalidConfigurationRequest", "", platform.KindInvalid, same},
		{400, "Unsupported", "Your requested instance type is not supported", platform.KindInvalid, same},

		{500, "InternalError", "", kindUnknown, platform.KindAmbiguous},
		{500, "InternalFailure", "", kindUnknown, platform.KindAmbiguous},
		{503, "Unavailable", "", kindUnknown, platform.KindAmbiguous},
		{503, "ServiceUnavailable", "", kindUnknown, platform.KindAmbiguous},
		{500, "UnknownError", "UnknownError", kindUnknown, platform.KindAmbiguous}, // what the SDK makes of a 500 without a code
		{503, "UnknownError", "UnknownError", kindUnknown, platform.KindAmbiguous},
		{400, "SomethingNew", "", kindUnknown, same},
	} {
		t.Run(fmt.Sprintf("%d %s %s", test.status, test.code, test.message), func(t *testing.T) {
			err := answered("EC2", "RunInstances", test.status, test.code, test.message)
			require.Equal(t, test.code, Code(err))
			read := Classify("read", "it", false, err)
			require.Equal(t, test.read, platform.KindOf(read))
			write := Classify("change", "it", true, &retry.MaxAttemptsError{Attempt: 6, Err: err})
			if test.write == same {
				test.write = test.read
			}
			require.Equal(t, test.write, platform.KindOf(write))
			require.ErrorContains(t, write, "change it: ")
			require.ErrorContains(t, write, test.code)
			require.True(t, IsCode(write, "other", test.code), "the code stays in the chain")
		})
	}
}

func TestTypedErrorsOfTheSDKHaveTheirCodes(t *testing.T) {
	for err, kind := range map[error]platform.Kind{
		&elbtypes.ListenerNotFoundException{}:         platform.KindNotFound,
		&elbtypes.TooManyTargetsException{}:           platform.KindCapacity,
		&elbtypes.DuplicateTargetGroupNameException{}: platform.KindConflict,
		&astypes.AlreadyExistsFault{}:                 platform.KindConflict,
		&astypes.LimitExceededFault{}:                 platform.KindCapacity,
		&astypes.ResourceInUseFault{}:                 kindUnknown,
		&astypes.ScalingActivityInProgressFault{}:     kindUnknown,
		&astypes.ResourceContentionFault{}:            kindUnknown,
		&astypes.ActiveInstanceRefreshNotFoundFault{}: platform.KindNotFound,
	} {
		require.Equal(t, kind, platform.KindOf(Classify("x", "y", true, err)), "%T", err)
	}
}

func TestErrorsWithoutAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		read  platform.Kind
		write platform.Kind
	}{
		"attempt timed out":       {unanswered(timedOut{}), kindUnknown, platform.KindAmbiguous},
		"connection reset":        {unanswered(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), kindUnknown, platform.KindAmbiguous},
		"connection closed":       {unanswered(io.ErrUnexpectedEOF), kindUnknown, platform.KindAmbiguous},
		"connection refused":      {unanswered(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), kindUnknown, kindUnknown},
		"no such host":            {unanswered(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "ec2"}}), kindUnknown, kindUnknown},
		"retries used up":         {errors.Join(unanswered(timedOut{}), errors.New("failed to get rate limit token, retry quota exceeded")), kindUnknown, platform.KindAmbiguous},
		"answer that is no XML":   {&smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &smithy.DeserializationError{Err: io.EOF}}, kindUnknown, platform.KindAmbiguous},
		"missing member":          {&smithy.OperationError{Err: smithy.InvalidParamsError{}}, platform.KindInvalid, platform.KindInvalid},
		"not of the SDK":          {errors.New("odd"), kindUnknown, platform.KindAmbiguous},
		"credentials: STS failed": {&smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: fmt.Errorf("get identity: get credentials: %w", answered("STS", "AssumeRole", 500, "InternalFailure", ""))}, kindUnknown, kindUnknown},
		"credentials: none":       {&smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: errors.New("get identity: get credentials: failed to refresh cached credentials")}, kindUnknown, kindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			for mutating, kind := range map[bool]platform.Kind{false: test.read, true: test.write} {
				var e *platform.Error
				require.ErrorAs(t, Classify("launch", "instance", mutating, test.err), &e)
				require.Equal(t, kind, e.Kind)
			}
		})
	}
	require.ErrorContains(t, Classify("x", "y", true, errors.New("get identity: get credentials: none")), "there are no credentials")
}

func TestTheEndOfAContextPassesThrough(t *testing.T) {
	for name, err := range map[string]error{
		"before the call":        context.Canceled,
		"during the call":        &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &smithy.CanceledError{Err: context.DeadlineExceeded}},
		"between two attempts":   &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &aws.RequestCanceledError{Err: context.DeadlineExceeded}},
		"while reading the body": &smithy.OperationError{ServiceID: "EC2", OperationName: "RunInstances", Err: &smithy.DeserializationError{Err: fmt.Errorf("read: %w", context.Canceled)}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Classify("launch", "instance", true, err)
			require.True(t, errors.Is(got, context.Canceled) || errors.Is(got, context.DeadlineExceeded))
			var e *platform.Error
			require.False(t, errors.As(got, &e))
			require.ErrorContains(t, got, "launch instance: ")
		})
	}
}

func TestSuccess(t *testing.T) {
	require.NoError(t, Classify("x", "y", true, nil))
	require.NoError(t, Classify("x", "y", true, answered("EC2", "RunInstances", 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")))
	require.Empty(t, Code(nil))
	require.Empty(t, Code(errors.New("x")))
	require.False(t, IsCode(errors.New("x"), ""))
}

func TestADenialNamesTheMissingAction(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want []string
	}{
		"named by AWS": {
			answered("Auto Scaling", "CreateAutoScalingGroup", 403, "AccessDenied", "User: arn:aws:sts::1:assumed-role/release/switchyard is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/app because no identity-based policy allows the iam:PassRole action"),
			[]string{"allow iam:PassRole", policyFile},
		},
		"not named": {
			answered("EC2", "CreateLaunchTemplate", 403, "UnauthorizedOperation", "You are not authorized to perform this operation. Encoded authorization failure message: kPx1"),
			[]string{"allow ec2:CreateLaunchTemplate", policyFile, "decode-authorization-message", "kPx1"},
		},
		"of load balancing": {
			answered("Elastic Load Balancing v2", "ModifyRule", 403, "AccessDenied", "no"),
			[]string{"allow elasticloadbalancing:ModifyRule"},
		},
		"of a service we don't know": {answered("Route 53", "ChangeResourceRecordSets", 403, "AccessDenied", "no"), []string{"allow route53:ChangeResourceRecordSets"}},
		"denied by the organisation": {
			answered("EC2", "RunInstances", 403, "UnauthorizedOperation", "User: x is not authorized to perform: ec2:RunInstances on resource: y with an explicit deny in a service control policy"),
			[]string{"denies ec2:RunInstances explicitly"},
		},
		"bad credentials": {answered("EC2", "RunInstances", 401, "AuthFailure", "AWS was not able to validate the provided access credentials"), []string{"does not accept the credentials"}},
		"protected":       {answered("EC2", "TerminateInstances", 400, "OperationNotPermitted", "The instance may not be terminated"), []string{"deletion protection"}},
		"not signed up":   {answered("EC2", "RunInstances", 401, "OptInRequired", ""), []string{"sign up"}},
	} {
		t.Run(name, func(t *testing.T) {
			var e *platform.Error
			require.ErrorAs(t, Classify("x", "y", true, test.err), &e)
			require.Equal(t, platform.KindDenied, e.Kind)
			for _, want := range test.want {
				require.Contains(t, e.Error(), want)
			}
		})
	}
}
