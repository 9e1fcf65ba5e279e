package receipt_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities/packer/receipt"
)

func TestTheImagesOfAReceiptByRegion(t *testing.T) {
	for id, want := range map[string]map[string]string{
		"eu-west-1:ami-1":                      {"eu-west-1": "ami-1"},
		"eu-central-1:ami-2,eu-west-1:ami-1":   {"eu-central-1": "ami-2", "eu-west-1": "ami-1"},
		"eu-central-1:ami-2, eu-west-1:ami-1 ": {"eu-central-1": "ami-2", "eu-west-1": "ami-1"},
	} {
		refs, err := receipt.Receipt{ArtifactID: id}.Regions()
		require.NoError(t, err, id)
		assert.Equal(t, want, refs)
	}
	for _, id := range []string{"", "ami-1", "eu-west-1:", ":ami-1", "eu-west-1:ami-1,", "eu-west-1:ami-1,eu-west-1:ami-2"} {
		_, err := receipt.Receipt{Build: "amazon-ebs.app", ArtifactID: id}.Regions()
		require.ErrorContains(t, err, "amazon-ebs.app", id)
	}
}
