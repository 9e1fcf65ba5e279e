package packer

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsEmptyKeepsTheTemplatesDefault(t *testing.T) {
	assert.Empty(t, Vars{}.optional())
	assert.Equal(t, map[string]string{
		"PKR_VAR_switchyard_parent": "ami-1", "PKR_VAR_switchyard_region": "eu-west-1", "PKR_VAR_switchyard_regions": `["eu-central-1"]`,
		"PKR_VAR_switchyard_tags": `{"switchyard:version":"1"}`, "PKR_VAR_switchyard_kms_key": "arn:key",
		"PKR_VAR_switchyard_kms_keys": `{"eu-central-1":""}`, "PKR_VAR_switchyard_image_name": "checkout-1",
	}, Vars{
		Parent: "ami-1", Region: "eu-west-1", Regions: []string{"eu-central-1"}, Tags: map[string]string{"switchyard:version": "1"},
		KMSKey: "arn:key", KMSKeys: map[string]string{"eu-central-1": ""}, ImageName: "checkout-1",
	}.optional())
}

// Packer reads lists and maps in the environment as expressions, in which text may hold
// references; what comes from a spec holds none.
func TestListsAndMapsReachPackerAsTheyAre(t *testing.T) {
	for _, text := range []string{
		"plain", "", `"quoted" \ back`, "line\nbreak", "${var.secret}", "%{ if true }", "$${twice}", "<a> & b", "ünïcode 🙂", "ends with $", "$", "50%",
	} {
		parsed, diags := hclsyntax.ParseExpression([]byte(expression(map[string]string{"key": text})), "", hcl.InitialPos)
		require.False(t, diags.HasErrors(), "%q: %v", text, diags)
		value, diags := parsed.Value(nil)
		require.False(t, diags.HasErrors(), "%q: %v", text, diags)
		assert.Equal(t, text, value.GetAttr("key").AsString())
	}
}
