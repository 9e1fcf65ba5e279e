package packer

import (
	"encoding/base64"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMachineReadableLines(t *testing.T) {
	var seen []Progress
	o := newOutput(map[string]string{"p": "pa,ss word"}, func(p Progress) { seen = append(seen, p) })
	for _, line := range []string{
		`1,,ui,say,==> amazon-ebs.web: first%!(PACKER_COMMA) second\nthird pa%!(PACKER_COMMA)ss word`,
		`1,,ui,message,old packers say it so`,
		`1,amazon-ebs.web,switchyard-progress,layer,12 bytes`,
		`1,amazon-ebs.web,artifact,0,id,us-east-1:ami-1%!(PACKER_COMMA)us-west-2:ami-2`,
		`1,amazon-ebs.web,artifact,1,id,other`,
		`1,,ui,error,==> amazon-ebs.web: no capacity`,
		`1,,error-count,1`,
		`1,amazon-ebs.web,error,no capacity`,
		`!!!!!!!!! PACKER CRASH !!!!!!!!!`,
		``, `,`, `1,`, `1,,ui`, `1,,ui,say`, `nonsense,with,commas,in,it`,
	} {
		o.line(line)
	}
	assert.Equal(t, []Progress{
		{Stage: "packer", Detail: "==> amazon-ebs.web: first, second\nthird <secret>"},
		{Stage: "packer", Detail: "old packers say it so"},
		{Stage: "layer", Build: "amazon-ebs.web", Detail: "12 bytes"},
		{Stage: "packer", Detail: "==> amazon-ebs.web: no capacity"},
	}, seen)
	assert.Equal(t, map[string]string{"amazon-ebs.web": "us-east-1:ami-1,us-west-2:ami-2"}, o.artifacts)
	assert.Equal(t, "amazon-ebs.web: no capacity", o.errorText())
	assert.True(t, o.counted)
	assert.True(t, o.crashed)
}

func TestScrubberKnowsTheFormsOfASecret(t *testing.T) {
	const secret = "a&b \"c\"\nsecond line/+"
	scrub := scrubber(map[string]string{"x": secret, "short": "ab", "empty": ""})
	for _, form := range []string{
		secret, `a&b "c"`, "second line/+", jsonEscape(secret), `a\u0026b \"c\"`,
		url.QueryEscape("second line/+"), url.PathEscape("second line/+"),
		base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		got := scrub("before " + form + " after")
		assert.NotContains(t, got, form)
		assert.Contains(t, got, "before <secret>")
	}
	assert.Equal(t, "absent", scrub("absent"), "two letters hide nothing")
}

func TestErrorTextIsBounded(t *testing.T) {
	o := newOutput(nil, nil)
	for i := range 500 {
		o.fail("line " + string(rune('a'+i%26)) + " " + string(make([]byte, 200)) + string(rune(i)))
	}
	assert.LessOrEqual(t, len(o.errorText()), maxErrorBytes+len("…"))
}
