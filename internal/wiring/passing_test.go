package wiring

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/activities/packer"
)

func final(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.NonRetryable()
}

func TestABakeThatAWSDisturbedIsTriedAgain(t *testing.T) {
	const operation = "amazon-ebs.app: operation error EC2: X, https response error StatusCode: 400, RequestID: 1, api error "
	for words, again := range map[string]bool{
		operation + "RequestLimitExceeded: Request limit exceeded.":                    true,
		operation + "InvalidKeyPair.Duplicate: The keypair 'packer_1' already exists.": true,
		operation + "InvalidGroup.Duplicate: taken":                                    true,
		operation + "InvalidPermission.Duplicate: there":                               true,
		operation + "InvalidAMIName.Duplicate: in use":                                 true,
		"Error deregistering existing AMI: " + operation + "InvalidAMIID.Unavailable":  true,
		"Error deleting existing snapshot: " + operation + "InvalidSnapshot.NotFound":  true,
		"exceeded maximum number of attempts, 3, https response error StatusCode: 500": true,
		"read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer":            true,
		"request send failed, Post \"https://ec2.eu-west-1.amazonaws.com/\": EOF":      true,

		operation + "InvalidAMIID.NotFound: the template's own":     false,
		operation + "InvalidSnapshot.NotFound: the template's own":  false,
		operation + "UnauthorizedOperation: you may not":            false,
		operation + "InvalidParameterValue: no such type":           false,
		"Script exited with non-zero exit status: 1":                false,
		"AMI Name: 'checkout' is used by an existing AMI: ami-1":    false,
		"timeout waiting for SSH":                                   false,
		"The provided source AMI has an invalid root device type.:": false,
	} {
		err := amiError(context.Background(), &packer.Error{Kind: packer.Build, Message: words}, 1)
		assert.Equal(t, again, !final(err), words)
	}
	assert.True(t, final(amiError(context.Background(), &packer.Error{Kind: packer.Configuration, Message: "StatusCode: 500"}, 1)), "nothing was asked of AWS")
}

func TestABakeThatIsDisturbedEachTimeEnds(t *testing.T) {
	disturbed := &packer.Error{Kind: packer.Build, Message: "api error InternalError: An internal error has occurred"}
	assert.False(t, final(amiError(context.Background(), disturbed, bakesTried-1)))
	assert.True(t, final(amiError(context.Background(), disturbed, bakesTried)))

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	count := func(ctx context.Context) (int, error) { return attempt(ctx), nil }
	env.RegisterActivity(count)
	got, err := env.ExecuteActivity(count)
	require.NoError(t, err)
	var n int
	require.NoError(t, got.Get(&n))
	assert.Equal(t, 1, n)
}
