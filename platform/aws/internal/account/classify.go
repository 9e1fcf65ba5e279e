package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/smithy-go"

	"github.com/switchyard/switchyard/platform"
)

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

// Classify turns an error of the SDK into a *platform.Error.
func Classify(op, resource string, mutating bool, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: %w", op, resource, err)
	}
	return platform.NewError("", op, resource, "", err)
}
